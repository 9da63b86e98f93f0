package vfs

import (
	"errors"
	"os"
	"syscall"
)

func allocate(f *os.File, size int64) error {
	err := control(f, "allocate", func(fd int) error {
		return syscall.Fallocate(fd, 0, 0, size)
	})
	// Not every file system can reserve. Length is then all that there is to
	// give, and a later write may meet a full disk.
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return grow(f, size)
	}
	return err
}

func syncData(f *os.File) error {
	return control(f, "fdatasync", syscall.Fdatasync)
}
