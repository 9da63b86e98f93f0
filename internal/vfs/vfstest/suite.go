package vfstest

import (
	"errors"
	"io"
	"slices"
	"testing"

	"tailrace/internal/vfs"
)

// Run runs the suite. open makes an empty file system for each law; names in
// it are relative to its root.
func Run(t *testing.T, open func(t *testing.T) vfs.FS) {
	laws := []struct {
		name string
		law  func(t *testing.T, fs vfs.FS)
	}{
		{"CreateRefusesExisting", createRefusesExisting},
		{"OpenRefusesMissing", openRefusesMissing},
		{"OpenedFileIsReadOnly", openedFileIsReadOnly},
		{"ClosedFileRefusesAll", closedFileRefusesAll},
		{"OpenWriteChangesTheFile", openWriteChangesTheFile},
		{"HandlesShareContent", handlesShareContent},

		{"ReadStopsAtEnd", readStopsAtEnd},
		{"HolesReadZeros", holesReadZeros},
		{"TruncateForgetsBytes", truncateForgetsBytes},
		{"AllocateOnlyGrows", allocateOnlyGrows},
		{"NegativeNumbersAreRefused", negativeNumbersAreRefused},
		{"RandomWritesReadBack", randomWritesReadBack},
		{"ConcurrentWritesReadBack", concurrentWritesReadBack},

		{"RenameReplaces", renameReplaces},
		{"RenameKeepsHandles", renameKeepsHandles},
		{"RenameStaysInDirectory", renameStaysInDirectory},
		{"LinkSharesTheFile", linkSharesTheFile},
		{"LinkRefusesExisting", linkRefusesExisting},
		{"RemovedFileServesItsHolder", removedFileServesItsHolder},
		{"RemoveRefusesDirectory", removeRefusesDirectory},
		{"MkdirAllMakesParents", mkdirAllMakesParents},
		{"ReadDirIsSorted", readDirIsSorted},
		{"SyncDirNeedsDirectory", syncDirNeedsDirectory},

		{"FreeNeedsDirectory", freeNeedsDirectory},

		{"LockExcludes", lockExcludes},
		{"LockKeepsFile", lockKeepsFile},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.law(t, open(t)) })
	}
}

// The helpers end the test on an error that no law is about.

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, fs vfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := fs.Create(name)
	must(t, err)
	if content != "" {
		write(t, f, content, 0)
	}
	return f
}

func openFile(t *testing.T, fs vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	return f
}

func write(t *testing.T, f vfs.File, content string, off int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(content), off)
	must(t, err)
	if n != len(content) {
		t.Fatalf("WriteAt = %d, want %d", n, len(content))
	}
}

// content reads a whole file and checks that Size agrees.
func content(t *testing.T, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	must(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size+10))
	must(t, err)
	if int64(len(b)) != size {
		t.Fatalf("read %d bytes, Size = %d", len(b), size)
	}
	return string(b)
}

func wantContent(t *testing.T, f vfs.File, want string) {
	t.Helper()
	if got := content(t, f); got != want {
		t.Fatalf("content = %q, want %q", got, want)
	}
}

func wantLinked(t *testing.T, f vfs.File, want bool) {
	t.Helper()
	got, err := f.Linked()
	must(t, err)
	if got != want {
		t.Fatalf("Linked = %v, want %v", got, want)
	}
}

func wantNames(t *testing.T, fs vfs.FS, dir string, want ...string) {
	t.Helper()
	got, err := fs.ReadDir(dir)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("ReadDir(%s) = %q, want %q", dir, got, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func wantSomeError(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
}
