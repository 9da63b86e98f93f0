package faultfs_test

import (
	"errors"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var errTest = errors.New("test failure")

func newFS() (*faultfs.FS, *memfs.FS) {
	mem := memfs.New()
	return faultfs.New(mem), mem
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, fs vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fs.Create(name)
	must(t, err)
	return f
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func wantContent(t *testing.T, mem *memfs.FS, name, want string) {
	t.Helper()
	if got, ok := mem.Snapshot()[name]; !ok || string(got) != want {
		t.Fatalf("%s = %q, %v, want %q", name, got, ok, want)
	}
}

// call makes one call of every kind, in an order that works, and returns the
// error of each.
func call(fs vfs.FS) (errs map[faultfs.Kind]error) {
	errs = map[faultfs.Kind]error{}
	errs[faultfs.MkdirAll] = fs.MkdirAll("d")
	lock, err := fs.Lock("d/LOCK")
	errs[faultfs.Lock] = err
	if err == nil {
		errs[faultfs.Unlock] = lock.Close()
	}
	f, err := fs.Create("d/a")
	errs[faultfs.Create] = err
	if err == nil {
		_, errs[faultfs.WriteAt] = f.WriteAt([]byte("hello"), 0)
		errs[faultfs.Allocate] = f.Allocate(100)
		errs[faultfs.Truncate] = f.Truncate(5)
		_, errs[faultfs.Size] = f.Size()
		_, errs[faultfs.ReadAt] = f.ReadAt(make([]byte, 2), 1)
		_, errs[faultfs.Linked] = f.Linked()
		errs[faultfs.Sync] = f.Sync()
		errs[faultfs.SyncData] = f.SyncData()
		errs[faultfs.Close] = f.Close()
	}
	errs[faultfs.SyncDir] = fs.SyncDir("d")
	_, errs[faultfs.ReadDir] = fs.ReadDir("d")
	if g, err := fs.Open("d/a"); err != nil {
		errs[faultfs.Open] = err
	} else {
		errs[faultfs.Open] = g.Close()
	}
	if g, err := fs.OpenWrite("d/a"); err != nil {
		errs[faultfs.OpenWrite] = err
	} else {
		errs[faultfs.OpenWrite] = g.Close()
	}
	errs[faultfs.Rename] = fs.Rename("d/a", "d/b")
	errs[faultfs.Remove] = fs.Remove("d/b")
	return errs
}

// kinds is every kind that call makes.
var kinds = []faultfs.Kind{
	faultfs.Create, faultfs.Open, faultfs.OpenWrite, faultfs.Rename, faultfs.Remove, faultfs.MkdirAll, faultfs.ReadDir,
	faultfs.SyncDir, faultfs.Lock, faultfs.ReadAt, faultfs.WriteAt, faultfs.Size, faultfs.Truncate,
	faultfs.Allocate, faultfs.Sync, faultfs.SyncData, faultfs.Linked, faultfs.Close, faultfs.Unlock,
}
