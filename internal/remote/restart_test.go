package remote

import (
	"math/rand/v2"
	"testing"

	"tailrace/internal/vfs/memfs"
)

func TestRestartKeepsCells(t *testing.T) {
	fs, b := memfs.New(), &bucket{}
	o := Options{FS: fs, Bytes: 16 * mib, Source: b}
	const size = 5*mib + 99
	c := mustOpen(t, o)
	read(t, c.File(7, size), Ask{}, 0, size)
	read(t, c.File(8, size), Ask{}, mib, 10)
	before := c.Stats()
	wantError(t, c.Close(), nil)
	b.take()
	for range 2 {
		c = mustOpen(t, o)
		if s := c.Stats(); s.Cells != before.Cells || s.Bytes != before.Bytes || s.Damaged != 0 {
			t.Fatalf("%+v, want what was in %+v", s, before)
		}
		read(t, c.File(7, size), Ask{}, 0, size)
		read(t, c.File(8, size), Ask{CachedOnly: true}, mib, 10)
		wantAsked(t, b)
		wantError(t, c.Close(), nil)
	}
	// A forgotten file stays so.
	c = mustOpen(t, o)
	c.Forget(7)
	wantError(t, c.Close(), nil)
	c = mustOpen(t, o)
	defer c.Close()
	if s := c.Stats(); s.Cells != 1 || s.Damaged != 0 {
		t.Errorf("%+v", s)
	}
}

// What another store or another size left is no cell of ours, even where its
// bytes are still in the file.
func TestOtherCachesAreEmptied(t *testing.T) {
	for _, change := range []struct {
		name string
		f    func(o *Options)
	}{
		{"store", func(o *Options) { o.Store[3]++ }},
		{"less", func(o *Options) { o.Bytes -= 2 * mib }},
		{"more", func(o *Options) { o.Bytes += 2 * mib }},
		{"cells", func(o *Options) { o.CellBytes = 128 * kib }},
	} {
		fs, b := memfs.New(), &bucket{}
		o := Options{FS: fs, Bytes: 16 * mib, CellBytes: 256 * kib, Source: b, Store: testStore}
		c := mustOpen(t, o)
		read(t, c.File(1, 8*mib), Ask{}, 0, 8*mib)
		wantError(t, c.Close(), nil)
		old := fs.Snapshot()[testName]
		change.f(&o)
		c = mustOpen(t, o)
		if s := c.Stats(); s.Cells != 0 || s.Damaged != 0 {
			t.Errorf("%s: %+v", change.name, s)
		}
		wantError(t, c.Close(), nil)
		// The new header with all else as it was.
		f, err := fs.OpenWrite(testName)
		wantError(t, err, nil)
		_, err = f.WriteAt(old[headerBytes:], headerBytes)
		wantError(t, err, nil)
		c = mustOpen(t, o)
		if s := c.Stats(); s.Cells != 0 || s.Damaged == 0 {
			t.Errorf("%s: old table under a new header: %+v", change.name, s)
		}
		wantError(t, c.Close(), nil)
	}
}

// TestCrashNeverLies cuts the power while cells come and go, keeps none, some
// or all of what was not synced, which is everything, and reads on.
func TestCrashNeverLies(t *testing.T) {
	seed := testSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	kept, damaged, lost := 0, int64(0), 0
	for round := range 60 {
		fs := memfs.New()
		b := &bucket{}
		o := Options{FS: fs, Bytes: 256 * kib, Source: b, Store: testStore}
		for range 4 {
			c := mustOpen(t, o)
			s := c.Stats()
			if s.Cells > 0 {
				kept++
			} else {
				lost++
			}
			for range 60 {
				f := c.File(rng.Uint64N(4), 200*kib+7)
				off := rng.Int64N(f.size)
				switch rng.IntN(20) {
				case 0:
					c.Forget(f.id)
				case 1:
					read(t, f, Ask{Fresh: true}, off, rng.Int64N(20*kib))
				default:
					read(t, f, Ask{}, off, rng.Int64N(20*kib))
				}
				if rng.IntN(10) == 0 { // the system writes what it likes when it likes
					wantError(t, c.disk.file.Sync(), nil)
				}
			}
			damaged += c.Stats().Damaged
			fs = fs.Crash(rng, memfs.Keep(round%3))
			if round%3 == int(memfs.KeepNone) {
				b.take()
			}
			o.FS = fs
			c.Close() // it says that the power is lost
			if err := fs.MkdirAll(testDir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d starts with cells, %d without, %d damaged cells", kept, lost, damaged)
	if kept == 0 || damaged == 0 {
		t.Error("nothing was torn")
	}
}
