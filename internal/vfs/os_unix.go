//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const openDirectory = syscall.O_DIRECTORY

var errNotDir error = syscall.ENOTDIR

func unlink(name string) error { return syscall.Unlink(name) }

// lock takes the whole-file lock of f, which belongs to the open descriptor:
// a second Lock in the same process is refused like one in another.
func lock(f *os.File) error {
	err := control(f, "lock", func(fd int) error {
		return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

func links(info fs.FileInfo) uint64 {
	return uint64(info.Sys().(*syscall.Stat_t).Nlink)
}

// retry runs op until no signal interrupts it.
func retry(op func() error) error {
	for {
		if err := op(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// mapError makes errors of a full disk or quota match ErrNoSpace.
func mapError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &noSpaceError{err: err}
	}
	return err
}

// mapLinkError is mapError for a link: what no other try would change matches
// ErrCannotLink. EPERM is how systems refuse where files have one name only,
// and to link what belongs to somebody else.
func mapLinkError(err error) error {
	for _, errno := range []syscall.Errno{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		if errors.Is(err, errno) {
			return &cannotLinkError{err: err}
		}
	}
	return mapError(err)
}

// cannotLinkError keeps the system's error and its text, and matches
// ErrCannotLink.
type cannotLinkError struct{ err error }

func (e *cannotLinkError) Error() string        { return e.err.Error() }
func (e *cannotLinkError) Unwrap() error        { return e.err }
func (e *cannotLinkError) Is(target error) bool { return target == ErrCannotLink }

// noSpaceError keeps the system's error and its text, and matches ErrNoSpace.
type noSpaceError struct{ err error }

func (e *noSpaceError) Error() string        { return e.err.Error() }
func (e *noSpaceError) Unwrap() error        { return e.err }
func (e *noSpaceError) Is(target error) bool { return target == ErrNoSpace }
