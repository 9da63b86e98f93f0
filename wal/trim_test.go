package wal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// from is a Prepare that names a place.
func from(p Place) func(Store) (Place, error) {
	return func(Store) (Place, error) { return p, nil }
}

// logFiles lists the numbers of the log files that have a name.
func logFiles(fs *memfs.FS) (all []uint64) {
	for n := uint64(1); n < 100; n++ {
		if file, err := fs.Open(filePath(n)); err == nil {
			file.Close()
			all = append(all, n)
		}
	}
	return all
}

// fillTo appends lone records until file n takes the frames.
func fillTo(t testing.TB, l *Files, w *life, n uint64) {
	t.Helper()
	for l.cur.number < n {
		if err := w.append(l, 50); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTrimGivesUpWholeFilesOnly(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 6)
	for _, c := range []struct {
		upTo  Pos
		first uint64
	}{
		{Pos{}, 1}, {Pos{1, 1 << 40}, 1}, {Pos{3, 0}, 3}, {Pos{2, 5000}, 3}, {Pos{3, 5000}, 3}, {Pos{5, headerBytes}, 5},
		{Pos{7, 0}, 6}, {Pos{1 << 50, 0}, 6}, // the file that takes frames stays
	} {
		if err := l.Trim(c.upTo); err != nil {
			t.Fatal(err)
		}
		s, err := ParseStore(readAll(t, mem, paths{testDir}.store()))
		if err != nil || s.First != c.first || s.Newest != 6 {
			t.Fatalf("trim up to %v: STORE is %+v, %v, want file %d first", c.upTo, s, err, c.first)
		}
	}
	w.save(0) // the first record of file 6
	if err := w.append(l, 10); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []memfs.Keep{memfs.KeepAll, memfs.KeepNone} {
		after := mem.Crash(nil, keep)
		l, err := w.clone().open(testOptions(after))
		if err != nil {
			t.Fatal(err)
		}
		if got := logFiles(after); !slices.Equal(got, []uint64{6, 7}) {
			t.Fatalf("log files %v after a crash that kept %v", got, keep)
		}
		mustClose(t, l)
	}
}

// A spare that was made before Trim carries a STORE of its own, which must not
// bring the files back.
func TestTrimOutlivesTheSpareMadeBefore(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 4)
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	w.save(0)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 5)
	if err := w.append(l, 10); err != nil {
		t.Fatal(err)
	}
	mem = mem.Crash(nil, memfs.KeepNone)
	if l, err = w.open(testOptions(mem)); err != nil {
		t.Fatal(err)
	}
	if l.store.First != 4 {
		t.Fatalf("the first file is %d", l.store.First)
	}
}

func TestTrimOfAClosedOrFailedLog(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 3)
	mustClose(t, l)
	if err := l.Trim(Pos{File: 2}); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	f := faultfs.New(mem)
	if l, err = w.open(testOptions(f)); err != nil {
		t.Fatal(err)
	}
	f.FailNth(faultfs.Rename, 1, errInjected)
	for range 2 {
		if err := l.Trim(Pos{File: 2}); !errors.Is(err, ErrFailed) || !errors.Is(err, errInjected) {
			t.Errorf("failed: %v", err)
		}
	}
	if _, err := l.Append(frameOf("a")); !errors.Is(err, errInjected) {
		t.Errorf("append: %v", err)
	}
}

// Without a page for the next STORE nothing happens and nothing is lost.
func TestTrimOnAFullDiskLeavesTheLogHealthy(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 4)
	if l.aside != nil || l.Spare() {
		l.discard(l.aside, l.paths.trim())
		l.aside = nil
	}
	mem.SetCapacity(mem.Used())
	w.save(0)
	for range 2 {
		if err := l.Trim(w.start().Pos); !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed) {
			t.Fatalf("trim: %v, want ErrNoSpace", err)
		}
	}
	if got := logFiles(mem); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		t.Fatalf("log files %v", got)
	}
	if err := w.append(l, 50); err != nil {
		t.Fatal(err)
	}
	mem.SetCapacity(mem.Used() + pageBytes)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatalf("trim with a page of space: %v", err)
	}
	mustClose(t, l)
}

// An open gives up what an owner before could not.
func TestOpenTrims(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 5)
	w.save(0)
	if w.start().Pos.File != 5 {
		t.Fatal("the last record is in another file")
	}
	mem = mem.Crash(nil, memfs.KeepNone)
	if l, err = w.open(testOptions(mem)); err != nil {
		t.Fatal(err)
	}
	if got := logFiles(mem); !slices.Equal(got, []uint64{5, 6}) {
		t.Fatalf("log files %v", got)
	}
	mustClose(t, l)
	if err := w.aftermath(testOptions(mem), mem); err != nil {
		t.Fatal(err)
	}
}

// What STORE does not count any more is not read, and a file that it counts is
// missed, wherever it stood.
func TestFirstFileDecidesWhatIsMissed(t *testing.T) {
	m, records := storeImage(t, "seal")
	last := m.frames(t, 2)[0]
	raised := func() image {
		c := image{}
		for name, b := range m {
			c[name] = slices.Clone(b)
		}
		s, err := ParseStore(c[paths{testDir}.store()])
		if err != nil {
			t.Fatal(err)
		}
		s.First = 2
		c[paths{testDir}.store()] = s.Append(nil)
		return c
	}
	o := func(fs *memfs.FS) Options {
		o := testOptions(fs)
		o.Prepare = from(Place{Pos{2, last.at}, last.Seq})
		return o
	}
	for name, damage := range map[string]func(m image){
		"whole":   func(image) {},
		"damaged": func(m image) { clear(m[filePath(1)]) },
		"gone":    func(m image) { delete(m, filePath(1)) },
	} {
		c := raised()
		damage(c)
		fs := c.mount(t)
		_, _, got, err := openWith(o(fs))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantRecords(t, got, records[4:])
		if got := logFiles(fs); !slices.Equal(got, []uint64{2, 3, 4}) {
			t.Fatalf("%s: log files %v", name, got)
		}
	}
	for _, n := range []uint64{2, 3} {
		c := raised()
		delete(c, filePath(n))
		_, _, err := Open(o(c.mount(t)), nil)
		wantCorrupt(t, err, filePath(n), 0)
	}
	delete(m, filePath(1))
	_, _, err := Open(o(m.mount(t)), nil)
	wantCorrupt(t, err, filePath(1), 0)
}

// Every operation of trimming, of using files again and of rotating into them.
func TestCrashAtEveryOperationOfTrim(t *testing.T) {
	reused := 0
	everyOperation(t, crashSeeds/2, func(o Options, w *life) error {
		l, err := w.open(o)
		if err != nil {
			return err
		}
		for l.cur.number < 3 {
			if err := w.append(l, 9000); err != nil {
				return err
			}
		}
		w.save(2) // in file 2: the next open trims
		abandon(o)
		return nil
	}, func(o Options, w *life) error {
		l, err := w.open(o)
		if err != nil {
			return err
		}
		for round := range 3 {
			for begin := l.cur.number; l.cur.number < begin+2; {
				if err := w.append(l, 9000+9000*round); err != nil {
					return err
				}
			}
			if round == 1 { // a spare that was made before
				if err := l.Allocate(); err != nil {
					return err
				}
			}
			w.save(1)
			if err := l.Trim(w.start().Pos); err != nil {
				return err
			}
			if err := l.Allocate(); err != nil {
				return err
			}
			if l.spare.reused {
				reused++
			}
		}
		if err := l.Witness(); err != nil {
			return err
		}
		return l.Close()
	})
	if reused == 0 {
		t.Error("no file was used again")
	}
}

// Trims run beside appends, and neither loses anything.
func TestTrimBesideAppends(t *testing.T) {
	mem := memfs.New()
	l, _, _ := mustOpen(t, testOptions(mem))
	var mu sync.Mutex
	var places []Place
	var sent []string
	g := NewGroup(l, GroupOptions{Committed: func(b *Batch) {
		mu.Lock()
		defer mu.Unlock()
		for r := range Records(b.Payload()) {
			sent, places = append(sent, string(r)), append(places, Place{b.Pos(), b.Seq()})
		}
	}})
	saved := 0
	done := make(chan struct{})
	var trimmer sync.WaitGroup
	trimmer.Go(func() {
		for last := false; !last; {
			select {
			case <-done:
				last = true
			default:
			}
			mu.Lock()
			saved = len(places)
			var start Place
			if saved > 0 {
				start = places[saved-1]
			}
			mu.Unlock()
			if err := g.Trim(start.Pos); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var writers sync.WaitGroup
	for s := range 4 {
		writers.Go(func() {
			for i := range 150 {
				b, _, err := g.Stage(Growth, nil, fmt.Appendf(nil, "%d/%d%s", s, i, strings.Repeat("x", 40*i)))
				for errors.Is(err, ErrBusy) {
					b, _, err = g.Stage(Growth, nil, fmt.Appendf(nil, "%d/%d%s", s, i, strings.Repeat("x", 40*i)))
				}
				if err != nil {
					t.Error(err)
					return
				}
				if <-b.Done(); b.Err() != nil {
					t.Error(b.Err())
				}
			}
		})
	}
	writers.Wait()
	close(done)
	trimmer.Wait()
	mustClose(t, g)
	if n := uint64(len(logFiles(mem))); n > l.cur.number/2 || l.cur.number < 8 {
		t.Errorf("%d log files are left, the newest is %d", n, l.cur.number)
	}
	o := testOptions(mem)
	o.Prepare = from(places[saved-1])
	_, _, got := mustOpen(t, o)
	// Records of one batch have one place, so they were saved together.
	for saved > 0 && saved < len(places) && places[saved] == places[saved-1] {
		saved++
	}
	wantRecords(t, got, sent[saved:])
}
