//go:build unix

package vfs_test

import (
	"errors"
	"io"
	"os"
	"path"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/vfstest"
)

func TestOSKeepsLaws(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS { return rooted{t.TempDir()} })
}

func TestFaultsThatDoNotStrikeKeepLaws(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS { return faultfs.New(rooted{t.TempDir()}) })
}

// rooted is OS below one directory.
type rooted struct{ dir string }

func (r rooted) at(name string) string { return path.Join(r.dir, name) }

func (r rooted) Create(name string) (vfs.File, error)    { return vfs.OS.Create(r.at(name)) }
func (r rooted) Open(name string) (vfs.File, error)      { return vfs.OS.Open(r.at(name)) }
func (r rooted) OpenWrite(name string) (vfs.File, error) { return vfs.OS.OpenWrite(r.at(name)) }
func (r rooted) Rename(from, to string) error            { return vfs.OS.Rename(r.at(from), r.at(to)) }
func (r rooted) Link(from, to string) error              { return vfs.OS.Link(r.at(from), r.at(to)) }
func (r rooted) Remove(name string) error                { return vfs.OS.Remove(r.at(name)) }
func (r rooted) MkdirAll(name string) error              { return vfs.OS.MkdirAll(r.at(name)) }
func (r rooted) ReadDir(name string) ([]string, error)   { return vfs.OS.ReadDir(r.at(name)) }
func (r rooted) SyncDir(name string) error               { return vfs.OS.SyncDir(r.at(name)) }
func (r rooted) Free(name string) (uint64, error)        { return vfs.OS.Free(r.at(name)) }
func (r rooted) Lock(name string) (io.Closer, error)     { return vfs.OS.Lock(r.at(name)) }

func TestLockChangesNothing(t *testing.T) {
	name := path.Join(t.TempDir(), "LOCK")
	const found = "of somebody else"
	if err := os.WriteFile(name, []byte(found), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := vfs.OS.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := vfs.OS.Lock(name); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second Lock: %v, want ErrLocked", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != found {
		t.Fatalf("lock file = %q, %v; want %q", got, err, found)
	}
}
