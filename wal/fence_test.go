package wal

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

func TestSecondOpenIsRefused(t *testing.T) {
	fs := memfs.New()
	l, _, _ := mustOpen(t, testOptions(fs))
	mustAppend(t, l, "a")
	before := fs.Snapshot()
	if _, _, err := Open(testOptions(fs), nil); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second open: %v, want ErrLocked", err)
	}
	if !sameFiles(before, fs.Snapshot()) {
		t.Fatal("the second open changed something")
	}
	mustAppend(t, l, "b")
	mustClose(t, l)
	_, _, got := mustOpen(t, testOptions(fs)) // Close gave the lock back
	wantRecords(t, got, []string{"a", "b"})
}

func sameFiles(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}

// The lock is lost without notice: the older owner is fenced at its next
// commit, whatever that is, and none of its bytes reach the new log.
func TestNewerOwnerFencesTheOlder(t *testing.T) {
	type step func(l *Files) error
	appendStep := func(l *Files) error { _, err := l.Append(frameOf("stale")); return err }
	cases := map[string]struct {
		before, stale step
		frames        int
	}{
		"append":                 {frames: 3, stale: appendStep},
		"append to a fresh file": {frames: 0, stale: appendStep},
		"witness":                {frames: 3, stale: (*Files).Witness},
		"close":                  {frames: 3, stale: (*Files).Close},
		"trim":                   {frames: 20, stale: func(l *Files) error { return l.Trim(Pos{File: 2}) }},
		"rotation": {frames: 12, stale: func(l *Files) error {
			_, err := l.Append(frameOf("stale", string(make([]byte, 20000))))
			return err
		}},
		"rotation with spare": {frames: 12, before: (*Files).Allocate, stale: func(l *Files) error {
			_, err := l.Append(frameOf("stale", string(make([]byte, 20000))))
			return err
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fs := memfs.New()
			old, _, _ := mustOpen(t, testOptions(fs))
			var want []string
			for _, r := range names("old", c.frames) {
				mustAppend(t, old, r)
				want = append(want, r)
			}
			if c.before != nil {
				if err := c.before(old); err != nil {
					t.Fatal(err)
				}
			}
			fs.BreakLock(paths{testDir}.lock())
			l, _, got := mustOpen(t, testOptions(fs))
			wantRecords(t, got, want)
			if err := c.stale(old); !errors.Is(err, ErrFenced) || !errors.Is(err, ErrFailed) {
				t.Fatalf("the older owner: %v, want ErrFenced", err)
			}
			if _, err := old.Append(frameOf("stale")); !errors.Is(err, ErrFenced) && err != ErrClosed {
				t.Fatalf("the older owner, again: %v", err)
			}
			if l.Epoch() <= old.Epoch() {
				t.Fatalf("epochs %d and %d", old.Epoch(), l.Epoch())
			}
			old.Close()
			for range 20 { // over a rotation: the older owner took nothing away
				mustAppend(t, l, "new")
				want = append(want, "new")
			}
			mustClose(t, l)
			_, _, got = mustOpen(t, testOptions(fs))
			wantRecords(t, got, want)
		})
	}
}

// Rotation puts files in service by their temporary names. When somebody else's
// file has such a name, it is not taken, nor is somebody else's STORE replaced.
func TestRotationTakesOnlyItsOwnFiles(t *testing.T) {
	for _, path := range []string{paths{testDir}.next(), paths{testDir}.storeTmp(), paths{testDir}.store()} {
		fs := memfs.New()
		l, _, _ := mustOpen(t, testOptions(fs))
		for l.rest() > 0 {
			mustAppend(t, l, "a")
		}
		want := slices.Repeat([]string{"a"}, int(l.cur.seq))
		if err := l.Allocate(); err != nil {
			t.Fatal(err)
		}
		replaceFile(t, fs, path, readAll(t, fs, path))
		_, err := l.Append(frameOf("b"))
		if !errors.Is(err, ErrFenced) {
			t.Fatalf("%s was replaced: %v", path, err)
		}
		if _, err := fs.Open(path); err != nil {
			t.Fatalf("%s was taken: %v", path, err)
		}
		if err := l.Close(); !errors.Is(err, ErrFenced) {
			t.Fatal(err)
		}
		_, _, got := mustOpen(t, testOptions(fs))
		wantRecords(t, got, want)
	}
}

// The same of a trim: it neither takes nor replaces a STORE that is not its own.
func TestTrimTakesOnlyItsOwnFiles(t *testing.T) {
	for _, path := range []string{paths{testDir}.trim(), paths{testDir}.store()} {
		fs, w := memfs.New(), &life{}
		l, err := w.open(testOptions(fs))
		if err != nil {
			t.Fatal(err)
		}
		fillTo(t, l, w, 4)
		if err := l.Allocate(); err != nil {
			t.Fatal(err)
		}
		replaceFile(t, fs, path, readAll(t, fs, path))
		stores := func() (all []string) {
			for _, name := range []string{l.paths.store(), l.paths.trim(), l.paths.storeTmp()} {
				all = append(all, string(readAll(t, fs, name)))
			}
			return all
		}
		before := stores()
		if err := l.Trim(Pos{File: 4}); !errors.Is(err, ErrFenced) {
			t.Fatalf("%s was replaced: %v", path, err)
		}
		if !slices.Equal(stores(), before) || len(logFiles(fs)) != 4 {
			t.Fatalf("%s was replaced, and something changed", path)
		}
		l.Close()
		if l, err = w.open(testOptions(fs)); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
	}
}

// The older owner acknowledges frames while the newer one is between its scan
// and its rename: they have to be in the new log.
func TestFencingLosesNothingAcknowledgedMeanwhile(t *testing.T) {
	mem := memfs.New()
	old, _, _ := mustOpen(t, testOptions(mem))
	want := names("r", 3)
	for _, r := range want {
		mustAppend(t, old, r)
	}
	mem.BreakLock(paths{testDir}.lock())
	f := faultfs.New(mem)
	renamed, late := false, 0
	var fenced error
	f.Inject(func(op faultfs.Op) faultfs.Fault {
		renaming := op.Kind == faultfs.Rename && op.To == filePath(1)
		if late < 3 || renaming || renamed {
			_, err := old.Append(frameOf("late"))
			switch {
			case err == nil && renamed:
				t.Error("acknowledged after the newer owner's rename")
			case err == nil:
				want = append(want, "late")
				late++
			case fenced == nil:
				fenced = err
			}
		}
		renamed = renamed || renaming
		return faultfs.Fault{}
	})
	l, _, got, err := openWith(testOptions(f))
	if err != nil {
		t.Fatal(err)
	}
	if late != 4 || !errors.Is(fenced, ErrFenced) {
		t.Fatalf("%d late frames, then %v", late, fenced)
	}
	f.Inject(nil)
	if len(got) > len(want) && slices.Equal(got[len(want):], []string{"late"}) {
		want = append(want, "late") // the frame that was refused: its outcome is unknown
	}
	wantRecords(t, got, want)
	mustClose(t, l)
	_, _, got = mustOpen(t, testOptions(mem))
	wantRecords(t, got, want)
}

// The older owner even rotates, at any operation of the newer one's open. Only
// one of them goes on, and the log has everything that was acknowledged, or
// refuses to open and says so.
func TestFencingAtEveryOperationOfOpen(t *testing.T) {
	for _, spare := range []bool{false, true} {
		fenceAtEveryOperationOfOpen(t, false, false, spare)
		fenceAtEveryOperationOfOpen(t, true, false, spare)
		fenceAtEveryOperationOfOpen(t, true, true, spare)
	}
}

// fenceAtEveryOperationOfOpen has the older owner rotate, or trim, with or
// without a spare. saves is whether the newer one finds files that it gives up
// itself.
func fenceAtEveryOperationOfOpen(t *testing.T, saves, trims, spare bool) {
	refused := 0
	k := 1
	for ; ; k++ {
		mem := memfs.New()
		old, _, _ := mustOpen(t, testOptions(mem))
		var acked []string
		var places []Place
		put := func(l *Files, name string, n int) error {
			for _, r := range names(name, n) {
				place, err := l.Append(frameOf(r))
				if err != nil {
					return err
				}
				acked, places = append(acked, r), append(places, place)
			}
			return nil
		}
		before := 5
		if saves {
			before = 50
		}
		if err := put(old, "old", before); err != nil {
			t.Fatal(err)
		}
		var saved Place
		if saves {
			saved, acked = places[before/2], acked[before/2+1:]
		}
		prepare := func(Store) (Place, error) { return saved, nil }
		if spare {
			if err := old.Allocate(); err != nil {
				t.Fatal(err)
			}
		}
		mem.BreakLock(paths{testDir}.lock())
		f := faultfs.New(mem)
		reached := false
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N == k {
				reached = true
				if trims {
					saved, acked = places[len(places)-1], nil
					old.Trim(saved.Pos) // it may be fenced
				} else {
					put(old, "late", 14) // it may be fenced
				}
			}
			return faultfs.Fault{}
		})
		o := testOptions(f)
		o.Prepare = prepare
		l, _, _, err := openWith(o)
		if !reached {
			break
		}
		oldErr := put(old, "later", 1)
		if err == nil {
			if oldErr == nil {
				t.Fatalf("op %d: two owners", k)
			}
			if err := put(l, "new", 20); err != nil {
				t.Fatalf("op %d: the newer owner: %v", k, err)
			}
			mustClose(t, l)
		}
		old.Close()
		mem.BreakLock(paths{testDir}.lock())
		o = testOptions(mem)
		o.Prepare = prepare
		_, _, got, err := openWith(o)
		var corrupt *frame.CorruptError
		if errors.As(err, &corrupt) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("op %d: %v", k, err)
		}
		for _, r := range acked {
			if !slices.Contains(got, r) {
				t.Fatalf("op %d: %s was acknowledged and is lost", k, r)
			}
		}
	}
	t.Logf("saves %v, trims %v, spare %v: %d operations, at %d of them the store refuses to open", saves, trims, spare, k-1, refused)
	if refused > 2 {
		t.Errorf("the store refuses to open after %d of %d operations", refused, k-1)
	}
}
