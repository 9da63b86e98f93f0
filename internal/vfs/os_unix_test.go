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
