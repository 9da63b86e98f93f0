package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// TestBytesAreAlwaysRight reads many files at a time in all ways from a source
// and a disk that fail, with budgets that are far too small. What comes back is
// what the source has, or an error that somebody made.
func TestBytesAreAlwaysRight(t *testing.T) {
	seed := testSeed(t)
	const floor, enough = 6, 3 * time.Second
	var right, failed int
	began := time.Now()
	for round := 0; round < floor || time.Since(began) < enough; round++ {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		r, f := raceForBytes(t, rng)
		right, failed = right+r, failed+f
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d reads were right, %d failed", right, failed)
	if right == 0 || failed == 0 {
		t.Error("one of the two never happened")
	}
}

var errDisk = errors.New("disk is away")

func raceForBytes(t *testing.T, rng *rand.Rand) (right, failed int) {
	disk := faultfs.New(memfs.New())
	b := &bucket{}
	faults := rand.New(rand.NewPCG(rng.Uint64(), 2)) // under mu
	var mu sync.Mutex
	chance := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return faults.IntN(n) == 0
	}
	b.fault = func(span) error {
		if chance(10) {
			return errBucket
		}
		return nil
	}
	o := Options{
		FS: disk, Source: b, CellBytes: []int64{0, 4 * kib, 20 * kib, 64 * kib}[rng.IntN(4)],
		Bytes:      []int64{0, 30 * kib, 200 * kib, 2 * mib}[rng.IntN(4)],
		FetchesMax: 1 + rng.IntN(4), WaitersMax: 1 + rng.IntN(8), AheadMax: 1 + rng.Int64N(mib),
	}
	c := mustOpen(t, o)
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if (op.Kind == faultfs.ReadAt || op.Kind == faultfs.WriteAt) && chance(20) {
			return faultfs.Fault{Err: errDisk, Short: int(op.Len / 2)}
		}
		return faultfs.Fault{}
	})
	files := make([]*File, 5)
	for i := range files {
		files[i] = c.File(uint64(i), 1+rng.Int64N(400*kib))
	}
	var group sync.WaitGroup
	for range 8 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 3))
		group.Go(func() {
			r, f := 0, 0
			for range 60 {
				switch err := readAnyhow(c, files, own); {
				case err == nil:
					r++
				case errors.Is(err, errBucket), errors.Is(err, ErrBusy), errors.Is(err, ErrNotCached), errors.Is(err, context.Canceled):
					f++
				default:
					t.Errorf("%+v: %v", o, err)
				}
			}
			mu.Lock()
			right, failed = right+r, failed+f
			mu.Unlock()
		})
	}
	group.Wait()
	settle(c)
	wantWhole(t, c)
	disk.Clear()
	wantError(t, c.Close(), nil)
	return right, failed
}

// readAnyhow is one step of a reader.
func readAnyhow(c *Cache, files []*File, rng *rand.Rand) error {
	f := files[rng.IntN(len(files))]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch rng.IntN(12) {
	case 0:
		c.Forget(f.id)
	case 1:
		go cancel()
	}
	ask := Ask{CachedOnly: rng.IntN(6) == 0, Sequential: rng.IntN(6) == 0, Fresh: rng.IntN(6) == 0}
	off := rng.Int64N(f.size)
	if rng.IntN(3) == 0 {
		ask.To = off + rng.Int64N(f.size)
	}
	r := f.Reader(ctx, ask)
	for range 1 + rng.IntN(5) {
		n := rng.Int64N(1 + []int64{100, 10 * kib, 400 * kib}[rng.IntN(3)])
		if err := readFrom(f, r, off, n); err != nil {
			return err
		}
		if off += n; off >= f.size {
			break
		}
	}
	return nil
}

// wantWhole checks what has to be so when nobody reads: no pins, every slot
// free or found, all counted.
func wantWhole(t *testing.T, c *Cache) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.slots
	free := map[uint32]bool{}
	for _, number := range s.free {
		if free[number] {
			t.Errorf("slot %d is free twice", number)
		}
		free[number] = true
	}
	cells, bytes := 0, int64(0)
	for i := range s.all {
		at := &s.all[i]
		if at.pins != 0 || at.live == free[uint32(i)] {
			t.Errorf("slot %d: %+v, free %v", i, *at, free[uint32(i)])
		}
		if at.live {
			cells++
			bytes += int64(at.entry.Length)
			if number, ok := s.find(place{at.entry.File, int64(at.entry.Cell)}); !ok || number != uint32(i) {
				t.Errorf("slot %d: %+v is found in %d, %v", i, *at, number, ok)
			}
		}
	}
	found := 0
	for _, cells := range s.files {
		found += len(cells)
	}
	if cells != s.cells || bytes != s.bytes || found != cells || c.blocked != 0 || len(c.flights) != 0 {
		t.Errorf("%d cells of %d bytes, %d found: %s", cells, bytes, found, fmt.Sprint(s.cells, s.bytes, c.blocked, len(c.flights)))
	}
}
