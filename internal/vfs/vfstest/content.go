package vfstest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"tailrace/internal/vfs"
)

var seed = flag.Uint64("vfstest.seed", 0, "seed of the random laws, 0 draws one")

// page is the unit of writes that an implementation may treat in a way of their
// own.
const page = 4096

func readStopsAtEnd(t *testing.T, fs vfs.FS) {
	f := create(t, fs, "a", "hello")
	defer f.Close()
	cases := []struct {
		off  int64
		len  int
		want string
		err  error
	}{
		{0, 5, "hello", nil},
		{1, 3, "ell", nil},
		{3, 5, "lo", io.EOF},
		{5, 1, "", io.EOF},
		{9, 1, "", io.EOF},
		{2, 0, "", nil},
	}
	for _, c := range cases {
		p := make([]byte, c.len)
		n, err := f.ReadAt(p, c.off)
		// io.ReaderAt leaves open whether a read that just reaches the end says so.
		if err == io.EOF && n == c.len {
			err = nil
		}
		if string(p[:n]) != c.want || err != c.err {
			t.Errorf("ReadAt(%d bytes, %d) = %q, %v, want %q, %v", c.len, c.off, p[:n], err, c.want, c.err)
		}
	}
}

func holesReadZeros(t *testing.T, fs vfs.FS) {
	f := create(t, fs, "a", "x")
	defer f.Close()
	write(t, f, "y", 10000)
	wantContent(t, f, "x"+strings.Repeat("\x00", 9999)+"y")
}

func truncateForgetsBytes(t *testing.T, fs vfs.FS) {
	f := create(t, fs, "a", strings.Repeat("x", 9000))
	defer f.Close()
	must(t, f.Sync())
	must(t, f.Truncate(5000))
	wantContent(t, f, strings.Repeat("x", 5000))
	must(t, f.Truncate(6000))
	wantContent(t, f, strings.Repeat("x", 5000)+strings.Repeat("\x00", 1000))
	write(t, f, "y", 6999)
	wantContent(t, f, strings.Repeat("x", 5000)+strings.Repeat("\x00", 1999)+"y")
	must(t, f.Truncate(0))
	wantContent(t, f, "")
	must(t, f.SyncData())
	wantContent(t, f, "")
}

func allocateOnlyGrows(t *testing.T, fs vfs.FS) {
	f := create(t, fs, "a", "hello")
	defer f.Close()
	must(t, f.Allocate(0))
	must(t, f.Allocate(3))
	wantContent(t, f, "hello")
	must(t, f.Allocate(8192))
	wantContent(t, f, "hello"+strings.Repeat("\x00", 8187))
	must(t, f.Allocate(100))
	if size, err := f.Size(); err != nil || size != 8192 {
		t.Fatalf("Size = %d, %v, want 8192", size, err)
	}
}

func negativeNumbersAreRefused(t *testing.T, fs vfs.FS) {
	f := create(t, fs, "a", "hello")
	defer f.Close()
	_, err := f.ReadAt(make([]byte, 1), -1)
	wantSomeError(t, "ReadAt(-1)", err)
	_, err = f.WriteAt([]byte("x"), -1)
	wantSomeError(t, "WriteAt(-1)", err)
	wantSomeError(t, "WriteSync(-1)", f.WriteSync(make([]byte, page), -page))
	wantSomeError(t, "Truncate(-1)", f.Truncate(-1))
	wantSomeError(t, "Allocate(-1)", f.Allocate(-1))
	wantContent(t, f, "hello")
}

// randomWritesReadBack compares with a slice of bytes.
func randomWritesReadBack(t *testing.T, fs vfs.FS) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-vfstest.seed=%d", s)
	rng := rand.New(rand.NewPCG(s, 0))

	f := create(t, fs, "a", "")
	defer f.Close()
	var model []byte
	grow := func(size int) {
		if size > len(model) {
			model = append(model, make([]byte, size-len(model))...)
		}
	}
	for i := range 500 {
		at := rng.IntN(20000)
		switch rng.IntN(10) {
		case 0:
			must(t, f.Sync())
		case 1:
			must(t, f.SyncData())
		case 2:
			must(t, f.Truncate(int64(at)))
			model = model[:min(at, len(model)):min(at, len(model))]
			grow(at)
		case 3:
			must(t, f.Allocate(int64(at)))
			grow(at)
		case 4, 5: // pages, which an implementation may write in a way of their own
			p := bytes.Repeat([]byte{byte(i)}, page*rng.IntN(4))
			at = at / page * page
			must(t, f.WriteSync(p, int64(at)))
			if len(p) > 0 {
				grow(at + len(p))
				copy(model[at:], p)
			}
		case 6:
			p := bytes.Repeat([]byte{byte(i)}, 1+rng.IntN(6000))
			must(t, f.WriteSync(p, int64(at)))
			grow(at + len(p))
			copy(model[at:], p)
		default:
			p := bytes.Repeat([]byte{byte(i)}, rng.IntN(6000))
			write(t, f, string(p), int64(at))
			if len(p) > 0 {
				grow(at + len(p))
				copy(model[at:], p)
			}
		}
		if got := content(t, f); got != string(model) {
			t.Fatalf("step %d: content differs from the model, %d bytes, want %d", i, len(got), len(model))
		}
	}
}

func concurrentWritesReadBack(t *testing.T, fs vfs.FS) {
	const writers, rounds, size = 4, 50, 1000
	f := create(t, fs, "a", "")
	defer f.Close()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			p, got := make([]byte, size), make([]byte, size)
			for r := range rounds {
				for i := range p {
					p[i] = byte(w*rounds + r)
				}
				off := int64(w * size)
				if _, err := f.WriteAt(p, off); err != nil {
					t.Error(err)
				}
				if err := f.SyncData(); err != nil {
					t.Error(err)
				}
				if _, err := f.ReadAt(got, off); err != nil && err != io.EOF || !bytes.Equal(got, p) {
					t.Errorf("writer %d round %d: another content read back, %v", w, r, err)
				}
				name := fmt.Sprintf("w%d", w)
				g, err := fs.Create(name)
				if err != nil {
					t.Error(err)
					return
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
				if err := fs.Remove(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantNames(t, fs, "", "a")
}

func closedFileRefusesAll(t *testing.T, fsys vfs.FS) {
	f := create(t, fsys, "a", "hello")
	must(t, f.Close())
	_, err := f.ReadAt(make([]byte, 1), 0)
	wantError(t, "ReadAt", err, fs.ErrClosed)
	_, err = f.WriteAt([]byte("x"), 0)
	wantError(t, "WriteAt", err, fs.ErrClosed)
	_, err = f.Size()
	wantError(t, "Size", err, fs.ErrClosed)
	_, err = f.Linked()
	wantError(t, "Linked", err, fs.ErrClosed)
	wantError(t, "Truncate", f.Truncate(0), fs.ErrClosed)
	wantError(t, "Allocate", f.Allocate(10), fs.ErrClosed)
	wantError(t, "Sync", f.Sync(), fs.ErrClosed)
	wantError(t, "SyncData", f.SyncData(), fs.ErrClosed)
	wantError(t, "WriteSync", f.WriteSync(make([]byte, page), 0), fs.ErrClosed)
	wantError(t, "Close", f.Close(), fs.ErrClosed)
}

func openedFileIsReadOnly(t *testing.T, fs vfs.FS) {
	must(t, create(t, fs, "a", "hello").Close())
	f := openFile(t, fs, "a")
	defer f.Close()
	_, err := f.WriteAt([]byte("x"), 0)
	wantSomeError(t, "WriteAt", err)
	wantSomeError(t, "WriteSync", f.WriteSync(make([]byte, page), 0))
	wantSomeError(t, "Truncate", f.Truncate(0))
	wantSomeError(t, "Allocate", f.Allocate(100))
	wantContent(t, f, "hello")
	// Recovery syncs what it has read before it believes it.
	must(t, f.Sync())
	must(t, f.SyncData())
}

func openWriteChangesTheFile(t *testing.T, fsys vfs.FS) {
	_, err := fsys.OpenWrite("a")
	wantError(t, "OpenWrite of nothing", err, fs.ErrNotExist)
	must(t, create(t, fsys, "a", "hello world").Close())
	f, err := fsys.OpenWrite("a")
	must(t, err)
	wantContent(t, f, "hello world")
	write(t, f, "J", 0)
	must(t, f.WriteSync([]byte("y"), 4))
	must(t, f.Truncate(5))
	must(t, f.Sync())
	must(t, f.Close())
	r := openFile(t, fsys, "a")
	defer r.Close()
	wantContent(t, r, "Jelly")
}

func handlesShareContent(t *testing.T, fs vfs.FS) {
	w := create(t, fs, "a", "")
	defer w.Close()
	r := openFile(t, fs, "a")
	defer r.Close()
	write(t, w, "hello", 0)
	wantContent(t, r, "hello")
	pages := strings.Repeat("p", 80*page)
	must(t, w.WriteSync([]byte(pages), 0))
	wantContent(t, r, pages)
	must(t, w.WriteSync([]byte(pages[:page]), page))
	must(t, r.Close())
	write(t, w, "j", 0)
	wantContent(t, w, "j"+pages[1:])
}
