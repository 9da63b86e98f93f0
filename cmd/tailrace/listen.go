package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"tailrace/internal/config"
)

// listen opens an address of the configuration: host:port or unix:/path.
func listen(address string, mode fs.FileMode) (net.Listener, error) {
	network, where := config.SplitAddress(address)
	if network == "unix" {
		return listenUnix(where, mode)
	}
	return net.Listen(network, where)
}

// listenUnix makes a socket with these permissions. One that a process left that
// is gone is replaced; one that somebody answers on, or a file of another kind, is
// an error.
func listenUnix(name string, mode fs.FileMode) (net.Listener, error) {
	inUse := func(err error) error {
		return &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: name, Net: "unix"}, Err: err}
	}
	switch info, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, inUse(errors.New("there is a file that is no socket"))
	default:
		conn, err := net.Dial("unix", name)
		if err == nil {
			conn.Close()
			return nil, inUse(syscall.EADDRINUSE)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err // somebody may be there and not answer
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// On Linux the mode of the socket is that of its file, from the first moment.
	// The umask takes from it, and Chmod gives that back.
	narrow := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) { syscall.Fchmod(int(fd), uint32(mode)) })
	}}
	listener, err := narrow.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, mode); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// certificate is what new TLS connections are given. Those that are open keep what
// they have.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// listener speaks TLS on what inner accepts. The server speaks HTTP/1.1 only, and
// says so to clients that know of more.
func (c *certificate) listener(inner net.Listener) net.Listener {
	return tls.NewListener(inner, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	})
}

// urlOf is how clients reach a listener.
func urlOf(l net.Listener, isTLS bool) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	scheme := "http"
	if isTLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, l.Addr())
}
