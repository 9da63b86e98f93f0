//go:build unix

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFullDiskMatchesErrNoSpace(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		err := mapError(&fs.PathError{Op: "write", Path: "a", Err: errno})
		var pe *fs.PathError
		if !errors.Is(err, ErrNoSpace) || !errors.Is(err, errno) || !errors.As(err, &pe) {
			t.Errorf("mapError(%v) = %v, want ErrNoSpace, the number and the path in it", errno, err)
		}
		if want := "write a: " + errno.Error(); err.Error() != want {
			t.Errorf("text = %q, want %q", err, want)
		}
	}
	if err := mapError(syscall.EIO); errors.Is(err, ErrNoSpace) {
		t.Errorf("mapError(EIO) = %v, matches ErrNoSpace", err)
	}
	if err := mapError(nil); err != nil {
		t.Errorf("mapError(nil) = %v", err)
	}
}

func TestWhatCannotBeLinkedMatchesErrCannotLink(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		err := mapLinkError(&os.LinkError{Op: "link", Old: "a", New: "b", Err: errno})
		if !errors.Is(err, ErrCannotLink) || !errors.Is(err, errno) {
			t.Errorf("mapLinkError(%v) = %v, want ErrCannotLink with the number in it", errno, err)
		}
	}
	for _, errno := range []syscall.Errno{syscall.EEXIST, syscall.EIO, syscall.ENOSPC} {
		if err := mapLinkError(errno); errors.Is(err, ErrCannotLink) {
			t.Errorf("mapLinkError(%v) = %v, matches ErrCannotLink", errno, err)
		}
	}
	if err := mapLinkError(syscall.ENOSPC); !errors.Is(err, ErrNoSpace) {
		t.Errorf("mapLinkError(ENOSPC) = %v, want ErrNoSpace", err)
	}
	if err := mapLinkError(nil); err != nil {
		t.Errorf("mapLinkError(nil) = %v", err)
	}
}

func TestInterruptedCallIsRepeated(t *testing.T) {
	calls := 0
	err := retry(func() error {
		if calls++; calls < 3 {
			return &fs.PathError{Op: "sync", Path: "a", Err: syscall.EINTR}
		}
		return syscall.EIO
	})
	if calls != 3 || err != syscall.EIO {
		t.Fatalf("retry = %v after %d calls, want EIO after 3", err, calls)
	}
}

func TestGrowNeverCuts(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, step := range []struct{ ask, want int64 }{{100, 100}, {50, 100}, {100, 100}, {5000, 5000}} {
		if err := grow(f, step.ask); err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != step.want {
			t.Fatalf("grow(%d): size %d, want %d", step.ask, info.Size(), step.want)
		}
	}
}
