package memfs_test

import (
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

var seedFlag = flag.Uint64("memfs.seed", 0, "seed of the random tests, 0 draws one")

// seed returns the seed of a random test and prints it.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-memfs.seed=%d", s)
	return s
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, fs *memfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := fs.Create(name)
	must(t, err)
	write(t, f, content, 0)
	return f
}

// durable makes a file that every crash leaves as it is.
func durable(t testing.TB, fs *memfs.FS, name, content string) vfs.File {
	t.Helper()
	f := create(t, fs, name, content)
	must(t, f.Sync())
	must(t, fs.SyncDir(""))
	return f
}

func write(t testing.TB, f vfs.File, content string, off int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(content), off)
	must(t, err)
}

// read returns the content of a file, "" and false if there is none.
func read(t testing.TB, fsys *memfs.FS, name string) (string, bool) {
	t.Helper()
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	must(t, err)
	defer f.Close()
	return readFile(t, f), true
}

func readFile(t testing.TB, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if size > 0 {
		_, err = f.ReadAt(b, 0)
		must(t, err)
	}
	return string(b)
}

func wantFile(t testing.TB, fs *memfs.FS, name, want string) {
	t.Helper()
	got, ok := read(t, fs, name)
	if !ok {
		t.Fatalf("%s is missing", name)
	}
	if got != want {
		t.Fatalf("%s = %.80q, want %.80q", name, got, want)
	}
}

func wantMissing(t testing.TB, fs *memfs.FS, name string) {
	t.Helper()
	if _, ok := read(t, fs, name); ok {
		t.Fatalf("%s is there", name)
	}
}

// outcomes counts what KeepSome makes of the same state, over many draws.
func outcomes(t *testing.T, draws int, make func() *memfs.FS, outcome func(after *memfs.FS) string) map[string]int {
	t.Helper()
	rng := newRand(seed(t))
	fs := make()
	seen := map[string]int{}
	for range draws {
		seen[outcome(fs.Crash(rng, memfs.KeepSome))]++
	}
	return seen
}

// wantExactly checks that all of want came up, and nothing else.
func wantExactly(t *testing.T, seen map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if seen[w] == 0 {
			t.Errorf("outcome %q never came up", w)
		}
		delete(seen, w)
	}
	for o, n := range seen {
		t.Errorf("outcome %q came up %d times", o, n)
	}
}
