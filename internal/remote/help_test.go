package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"tailrace/internal/vfs/memfs"
)

var (
	seedFlag   = flag.Uint64("remote.seed", 0, "seed of the random tests; 0 picks one")
	updateFlag = flag.Bool("update", false, "write the golden files again")
)

// testSeed picks the seed of a random test and says which it was.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed: -remote.seed=%d", seed)
	return seed
}

const (
	kib = 1 << 10
	mib = 1 << 20

	testDir  = "data/cache"
	testName = testDir + "/" + cellsName
)

var testStore = [16]byte{0xA, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xF}

// fill writes what file id has at off.
func fill(id uint64, p []byte, off int64) {
	var word [8]byte
	for n := 0; n < len(p); {
		at := off + int64(n)
		x := id*0x9E3779B97F4A7C15 ^ uint64(at/8)*0xBF58476D1CE4E5B9
		x ^= x >> 29
		binary.LittleEndian.PutUint64(word[:], x*0x94D049BB133111EB)
		n += copy(p[n:], word[at%8:])
	}
}

// span is a range that was asked for.
type span struct {
	id       uint64
	off, len int64
}

// bucket is a source that keeps count.
type bucket struct {
	gate chan struct{} // if not nil, each request takes one value first

	mu      sync.Mutex
	asked   []span
	running int
	fault   func(span) error
	spoil   func(s span, p []byte)
}

var errBucket = errors.New("bucket is away")

func (b *bucket) ReadAt(ctx context.Context, id uint64, p []byte, off int64) error {
	s := span{id, off, int64(len(p))}
	b.mu.Lock()
	b.asked = append(b.asked, s)
	b.running++
	fault, spoil := b.fault, b.spoil
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running--
		b.mu.Unlock()
	}()
	if b.gate != nil {
		select {
		case <-b.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fault != nil {
		if err := fault(s); err != nil {
			return err
		}
	}
	fill(id, p, off)
	if spoil != nil {
		spoil(s, p)
	}
	return nil
}

// take gives what was asked for since the last take.
func (b *bucket) take() []span {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

func (b *bucket) active() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}

func mustOpen(t testing.TB, o Options) *Cache {
	t.Helper()
	if o.FS == nil {
		o.FS = memfs.New()
	}
	if o.Dir == "" {
		o.Dir = testDir
	}
	if o.Store == [16]byte{} {
		o.Store = testStore
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settle waits until nothing is on its way into a slot. What a read waited for
// is kept after the read returned.
func settle(c *Cache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moving := func(s slot) bool { return s.pins > 0 && !s.live } // it is written, or erased
	for len(c.flights) > 0 || slices.ContainsFunc(c.slots.all, moving) {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
}

// read reads n bytes, which have to be right, and settles.
func read(t testing.TB, f *File, ask Ask, off, n int64) {
	t.Helper()
	if err := tryRead(f, ask, off, n); err != nil {
		t.Fatalf("read %d bytes of file %d at %d: %v", n, f.id, off, err)
	}
	settle(f.cache)
}

var errWrongBytes = errors.New("wrong bytes")

func tryRead(f *File, ask Ask, off, n int64) error {
	return readFrom(f, f.Reader(context.Background(), ask), off, n)
}

func readFrom(f *File, r io.ReaderAt, off, n int64) error {
	got, want := make([]byte, n), make([]byte, n)
	m, err := r.ReadAt(got, off)
	fill(f.id, want, off)
	if !bytes.Equal(got[:m], want[:m]) {
		return errWrongBytes
	}
	if err == nil && int64(m) != n || err == io.EOF && off+int64(m) != max(f.size, off) {
		return io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func wantAsked(t testing.TB, b *bucket, want ...span) {
	t.Helper()
	if got := b.take(); !slices.Equal(got, want) {
		t.Fatalf("asked for %v, want %v", got, want)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}
