package vfstest

import (
	"errors"
	"io/fs"
	"testing"

	"tailrace/internal/vfs"
)

func createRefusesExisting(t *testing.T, fsys vfs.FS) {
	must(t, create(t, fsys, "a", "hello").Close())
	_, err := fsys.Create("a")
	wantError(t, "Create of a file", err, fs.ErrExist)
	must(t, fsys.MkdirAll("d"))
	_, err = fsys.Create("d")
	wantError(t, "Create of a directory", err, fs.ErrExist)
	_, err = fsys.Create("missing/a")
	wantError(t, "Create in a missing directory", err, fs.ErrNotExist)

	f := openFile(t, fsys, "a")
	defer f.Close()
	wantContent(t, f, "hello")
}

func openRefusesMissing(t *testing.T, fsys vfs.FS) {
	_, err := fsys.Open("a")
	wantError(t, "Open", err, fs.ErrNotExist)
	_, err = fsys.Open("missing/a")
	wantError(t, "Open in a missing directory", err, fs.ErrNotExist)
	wantNames(t, fsys, "")
}

func renameReplaces(t *testing.T, fsys vfs.FS) {
	must(t, create(t, fsys, "a", "new").Close())
	old := create(t, fsys, "b", "old")
	defer old.Close()
	wantLinked(t, old, true)
	must(t, fsys.Rename("a", "b"))
	wantNames(t, fsys, "", "b")
	f := openFile(t, fsys, "b")
	defer f.Close()
	wantContent(t, f, "new")

	// The owner of the replaced file can tell, and still has its content.
	wantLinked(t, old, false)
	wantLinked(t, f, true)
	wantContent(t, old, "old")

	must(t, fsys.Rename("b", "b"))
	wantLinked(t, f, true)
	wantError(t, "Rename of nothing", fsys.Rename("a", "b"), fs.ErrNotExist)
	wantNames(t, fsys, "", "b")
}

func renameKeepsHandles(t *testing.T, fsys vfs.FS) {
	f := create(t, fsys, "a", "hello")
	defer f.Close()
	must(t, fsys.Rename("a", "b"))
	write(t, f, "j", 0)
	wantLinked(t, f, true)
	g := openFile(t, fsys, "b")
	defer g.Close()
	wantContent(t, g, "jello")
}

func renameStaysInDirectory(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	must(t, create(t, fsys, "a", "hello").Close())
	wantSomeError(t, "Rename to another directory", fsys.Rename("a", "d/a"))
	wantSomeError(t, "Rename to the name of a directory", fsys.Rename("a", "d"))
	wantNames(t, fsys, "", "a", "d")
	wantNames(t, fsys, "d")
}

func linkSharesTheFile(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	f := create(t, fsys, "a", "hello")
	defer f.Close()
	must(t, fsys.Link("a", "d/b"))
	must(t, fsys.Link("a", "c"))
	wantNames(t, fsys, "", "a", "c", "d")
	wantNames(t, fsys, "d", "b")
	write(t, f, "j", 0)
	g := openFile(t, fsys, "d/b")
	defer g.Close()
	wantContent(t, g, "jello")

	// Both names lead to the new content already.
	must(t, fsys.Rename("a", "c"))
	wantNames(t, fsys, "", "a", "c", "d")

	// The file goes with its last name.
	must(t, fsys.Remove("a"))
	wantLinked(t, f, true)
	must(t, create(t, fsys, "a", "other").Close())
	must(t, fsys.Rename("a", "c"))
	wantLinked(t, f, true)
	wantContent(t, g, "jello")
	must(t, fsys.Remove("d/b"))
	wantLinked(t, f, false)
	wantContent(t, g, "jello")
	wantNames(t, fsys, "", "c", "d")
	wantNames(t, fsys, "d")
}

func linkRefusesExisting(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	must(t, create(t, fsys, "a", "hello").Close())
	must(t, create(t, fsys, "b", "other").Close())
	wantError(t, "Link to a file", fsys.Link("a", "b"), fs.ErrExist)
	wantError(t, "Link to itself", fsys.Link("a", "a"), fs.ErrExist)
	wantError(t, "Link to a directory", fsys.Link("a", "d"), fs.ErrExist)
	wantError(t, "Link of nothing", fsys.Link("missing", "c"), fs.ErrNotExist)
	wantError(t, "Link into a missing directory", fsys.Link("a", "missing/a"), fs.ErrNotExist)
	wantSomeError(t, "Link of a directory", fsys.Link("d", "c"))
	wantNames(t, fsys, "", "a", "b", "d")
	f := openFile(t, fsys, "b")
	defer f.Close()
	wantContent(t, f, "other")
}

func removedFileServesItsHolder(t *testing.T, fsys vfs.FS) {
	f := create(t, fsys, "a", "hello")
	defer f.Close()
	must(t, fsys.Remove("a"))
	wantNames(t, fsys, "")
	wantLinked(t, f, false)
	write(t, f, " again", 5)
	must(t, f.Sync())
	wantContent(t, f, "hello again")

	g := create(t, fsys, "a", "other")
	defer g.Close()
	wantLinked(t, f, false)
	wantContent(t, f, "hello again")
	wantContent(t, g, "other")
	must(t, fsys.Remove("a"))
	wantError(t, "Remove of nothing", fsys.Remove("a"), fs.ErrNotExist)
}

func removeRefusesDirectory(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	wantSomeError(t, "Remove of a directory", fsys.Remove("d"))
	wantNames(t, fsys, "", "d")
}

func mkdirAllMakesParents(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("x/y/z"))
	must(t, fsys.MkdirAll("x/y/z"))
	must(t, fsys.MkdirAll("x/y/w"))
	wantNames(t, fsys, "x", "y")
	wantNames(t, fsys, "x/y", "w", "z")
	must(t, create(t, fsys, "x/y/z/a", "hello").Close())
	wantNames(t, fsys, "x/y/z", "a")
	wantSomeError(t, "MkdirAll of a file", fsys.MkdirAll("x/y/z/a"))
	wantSomeError(t, "MkdirAll under a file", fsys.MkdirAll("x/y/z/a/b"))
}

func readDirIsSorted(t *testing.T, fsys vfs.FS) {
	for _, name := range []string{"c", "a", "B", "b0", "b"} {
		must(t, create(t, fsys, name, "").Close())
	}
	must(t, fsys.MkdirAll("aa"))
	wantNames(t, fsys, "", "B", "a", "aa", "b", "b0", "c")
	_, err := fsys.ReadDir("missing")
	wantError(t, "ReadDir", err, fs.ErrNotExist)
	_, err = fsys.ReadDir("a")
	wantSomeError(t, "ReadDir of a file", err)
}

func syncDirNeedsDirectory(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	must(t, create(t, fsys, "d/a", "").Close())
	must(t, fsys.SyncDir("d"))
	wantError(t, "SyncDir of nothing", fsys.SyncDir("missing"), fs.ErrNotExist)
	wantSomeError(t, "SyncDir of a file", fsys.SyncDir("d/a"))
}

func lockExcludes(t *testing.T, fsys vfs.FS) {
	l, err := fsys.Lock("LOCK")
	must(t, err)
	_, err = fsys.Lock("LOCK")
	wantError(t, "second Lock", err, vfs.ErrLocked)
	other, err := fsys.Lock("OTHER")
	must(t, err)
	must(t, other.Close())
	must(t, l.Close())
	l, err = fsys.Lock("LOCK")
	must(t, err)
	must(t, l.Close())
	wantSomeError(t, "second Close", l.Close())
}

func lockKeepsFile(t *testing.T, fsys vfs.FS) {
	must(t, create(t, fsys, "LOCK", "x").Close())
	l, err := fsys.Lock("LOCK")
	must(t, err)
	must(t, l.Close())
	wantNames(t, fsys, "", "LOCK")
	_, err = fsys.Lock("missing/LOCK")
	wantError(t, "Lock in a missing directory", err, fs.ErrNotExist)
}

func freeNeedsDirectory(t *testing.T, fsys vfs.FS) {
	must(t, fsys.MkdirAll("d"))
	_, err := fsys.Free("d")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	must(t, err)
	_, err = fsys.Free("missing")
	wantError(t, "Free of nothing", err, fs.ErrNotExist)
}
