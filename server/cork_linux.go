package server

import (
	"net"
	"syscall"
)

// cork has what is written from now on wait for more, or for the end of the
// connection.
func (c *conn) cork() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		// It only makes the end come sooner after what is before it.
		raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1) })
	}
}
