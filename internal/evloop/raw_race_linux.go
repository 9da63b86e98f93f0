//go:build race

package evloop

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// The race detector learns from package syscall that who reads bytes comes after
// who wrote them, as it does for package net.

func rawRead(fd int, b []byte) (int, unix.Errno) { return result(syscall.Read(fd, b)) }

func rawWrite(fd int, b []byte) (int, unix.Errno) { return result(syscall.Write(fd, b)) }

func rawWritev(fd int, a, _ []byte) (int, unix.Errno) { return rawWrite(fd, a) }

func result(n int, err error) (int, unix.Errno) {
	var errno unix.Errno
	errors.As(err, &errno)
	return max(0, n), errno
}
