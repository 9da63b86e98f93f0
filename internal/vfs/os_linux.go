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

// statfs counts what a process without privileges may take.
func statfs(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return 0, err
	}
	unit := uint64(st.Frsize) // of the counts; Bsize is how much to write at once
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	return st.Bavail * unit, nil
}

func syncData(f *os.File) error {
	return control(f, "fdatasync", syscall.Fdatasync)
}
