package evloop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoSocket says that a connection is none of the system's own.
var ErrNoSocket = errors.New("evloop: not a socket")

// Duplicate returns another descriptor of the socket under c, for Adopt. Both are
// the same connection, which lasts until both are closed.
func Duplicate(c net.Conn) (fd int, err error) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return 0, ErrNoSocket
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("evloop: duplicate: %w", err)
	}
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, err); err != nil {
		return 0, fmt.Errorf("evloop: duplicate: %w", err)
	}
	return fd, nil
}

// NetConn makes a connection of a descriptor that was detached. It is used up,
// also by an error.
func NetConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("evloop: %w", err)
	}
	return c, nil
}

// CloseFD closes a descriptor that no loop has.
func CloseFD(fd int) { unix.Close(fd) }
