//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package server

import (
	"crypto/tls"
	"net"
	"syscall"
)

// gone reports whether the client has left: by a reset, or by ending its side.
// The second could be a client that only has nothing more to send, but what
// reads live streams does not do that, and SSE takes it the same way. Nothing
// is read, so what came behind stays where it is, be it a request or TLS saying
// goodbye, and hides the end of a connection but not its reset.
func (c *conn) gone() bool {
	below := c.Conn
	if secured, ok := below.(*tls.Conn); ok {
		below = secured.NetConn()
	}
	tcp, ok := below.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		errno, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && errno != 0 {
			gone = true
			return
		}
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch err {
		case nil:
			gone = n == 0
		case syscall.EAGAIN, syscall.EINTR:
		default:
			gone = true
		}
	})
	return gone || err != nil
}
