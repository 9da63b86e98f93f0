package wal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var errInjected = errors.New("injected")

// faultScenarios together reach every call of the file seam in the package.
var faultScenarios = map[string]struct{ prepare, run act }{
	"life of a store": {
		prepare: func(Options, *life) error { return nil },
		run: func(o Options, w *life) error {
			for range 2 {
				l, err := w.open(o)
				if err != nil {
					return err
				}
				if err := work(l, w); err != nil {
					l.Close()
					return err
				}
				if err := l.Close(); err != nil {
					return err
				}
			}
			_, err := Verify(o.FS, o.Dir)
			return err
		},
	},
	"recovery": {
		prepare: func(o Options, w *life) error {
			l, err := w.open(o)
			if err == nil {
				err = work(l, w)
			}
			if err == nil {
				err = l.Allocate() // temporary files to remove
			}
			abandon(o)
			return err
		},
		run: func(o Options, w *life) error {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			return errors.Join(w.append(l, 10), l.Close())
		},
	},
	"trim": {
		prepare: func(o Options, w *life) error {
			l, err := w.open(o)
			for err == nil && l.cur.number < 3 {
				err = w.append(l, 14000)
			}
			w.save(1) // the next owner has files to trim
			abandon(o)
			return err
		},
		run: func(o Options, w *life) error {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			for begin := l.cur.number; err == nil && l.cur.number < begin+4; {
				err = w.append(l, 14000)
			}
			for range 2 { // without a spare and with one
				w.save(0)
				err = errors.Join(err, l.Trim(w.start().Pos), l.Allocate(), w.append(l, 40000), w.append(l, 40000))
			}
			return errors.Join(err, l.Close())
		},
	},
	"rotation at the last page": {
		prepare: func(Options, *life) error { return nil },
		run: func(o Options, w *life) (err error) {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			for l.rest() > 0 {
				if err := w.append(l, 50); err != nil {
					return err
				}
			}
			if err := l.Witness(); err != nil {
				return err
			}
			return w.append(l, 50)
		},
	},
	"leftovers of a fenced owner": {
		prepare: func(Options, *life) error { return nil },
		run: func(o Options, w *life) (err error) {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			mem := o.FS.(*faultfs.FS).Base()
			for _, path := range []string{l.paths.next(), l.paths.storeTmp(), l.paths.trim()} {
				file, err := mem.Create(path)
				if err != nil {
					return err
				}
				file.Close()
			}
			return l.Allocate()
		},
	},
	"full disk": {
		prepare: func(Options, *life) error { return nil },
		run: func(o Options, w *life) (err error) {
			f := o.FS.(*faultfs.FS)
			mem := f.Base().(*memfs.FS)
			l, err := w.open(o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			mem.SetCapacity(mem.Used() + 2*pageBytes)
			defer mem.SetCapacity(-1)
			if err := l.Allocate(); err != nil && (!errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed)) {
				return err
			}
			return w.append(l, 50)
		},
	},
	"large frames": {
		prepare: func(_ Options, w *life) error {
			w.frames = 100_000
			return nil
		},
		run: func(o Options, w *life) (err error) {
			mem := o.FS.(*faultfs.FS).Base().(*memfs.FS)
			l, err := w.open(o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			for l.cur.number < 4 {
				if err := errors.Join(w.append(l, 14000), w.append(l, 90000)); err != nil {
					return err
				}
			}
			w.save(0)
			if err := l.Trim(w.start().Pos); err != nil {
				return err
			}
			// Of two recycled files, one has to make room for the other.
			mem.SetCapacity(mem.Used() + pageBytes)
			defer mem.SetCapacity(-1)
			if err := l.Allocate(); err != nil {
				return err
			}
			mem.SetCapacity(-1)
			return errors.Join(w.append(l, 90000), w.append(l, 90000))
		},
	},
	"opening on a full disk":      fullDiskScenario(0),
	"opening on a disk near that": fullDiskScenario(40 * pageBytes), // a part of the ballast fits
	"ballast of another size": {
		prepare: func(o Options, w *life) error {
			w.frames = 100_000
			l, err := w.open(o)
			w.frames = 400_000
			return errors.Join(err, l.Close())
		},
		run: func(o Options, w *life) error {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			return errors.Join(w.append(l, 50), l.Close())
		},
	},
}

// fullDiskScenario opens a store that was killed on a disk with so much room.
func fullDiskScenario(room int64) (sc struct{ prepare, run act }) {
	sc.prepare = func(o Options, w *life) error {
		l, err := w.open(o)
		for err == nil && l.cur.number < 3 {
			err = w.append(l, 14000)
		}
		l.release()
		return err
	}
	sc.run = func(o Options, w *life) (err error) {
		mem := o.FS.(*faultfs.FS).Base().(*memfs.FS)
		mem.SetCapacity(mem.Used() + room)
		defer mem.SetCapacity(-1)
		l, err := w.open(o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		for range 2 { // on the full disk, and with room
			if err := l.Allocate(); err != nil && (!errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed)) {
				return err
			}
			if err := w.append(l, 50); err != nil {
				return err
			}
			mem.SetCapacity(-1)
		}
		return nil
	}
	return sc
}

// work appends over more than one file.
func work(l *Files, w *life) error {
	for i := range 20 {
		if err := w.append(l, 300*i); err != nil {
			return err
		}
		if i%5 == 0 {
			if err := l.Witness(); err != nil {
				return err
			}
		}
		if i == 3 {
			if err := l.Allocate(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Each call of the file seam fails once: alone, and (every other one, or all with
// -wal.all) as the first call of a disk that is dead from then on. Whatever it is, no acknowledgement is false
// afterwards, the failure is reported, and the store opens again.
func TestEveryCallFailsOnce(t *testing.T) {
	hit, seen := map[string]int{}, map[string]int{}
	runs := 0
	for _, name := range slices.Sorted(maps.Keys(faultScenarios)) {
		sc := faultScenarios[name]
		for _, dead := range []bool{false, true} {
			step := 1
			if dead && !*allFlag {
				step = 2
			}
			for k := 1; ; k += step {
				mem, w := memfs.New(), &life{}
				if err := sc.prepare(testOptions(mem), w); err != nil {
					t.Fatalf("%s: prepare: %v", name, err)
				}
				f := faultfs.New(mem)
				var struck faultfs.Op
				f.Inject(func(op faultfs.Op) faultfs.Fault {
					if op.N < k || op.N > k && !dead {
						return faultfs.Fault{}
					}
					if op.N == k {
						struck = op
					}
					if op.Kind == faultfs.WriteAt || op.Kind == faultfs.ReadAt {
						return faultfs.Fault{Err: errInjected, Short: int(op.Len / 2)}
					}
					return faultfs.Fault{Err: errInjected}
				})
				runs++
				err := sc.run(testOptions(f), w)
				maps.Copy(hit, f.Sites())
				maps.Copy(seen, f.Seen())
				if struck.N == 0 {
					if err != nil {
						t.Fatalf("%s: without a fault: %v", name, err)
					}
					break
				}
				if err := checkFault(struck, err, mem, w); err != nil {
					t.Fatalf("%s, %v failed, dead %v: %v", name, struck, dead, err)
				}
			}
		}
	}
	for _, site := range slices.Sorted(maps.Keys(seen)) {
		if strings.Contains(site, " tailrace/wal/") && !strings.Contains(site, "_test.go") && hit[site] == 0 {
			t.Errorf("never failed: %s", site)
		}
	}
	checkSites(t, hit)
	t.Logf("%d runs, each with one call failed", runs)
}

// checkFault checks the store after one injected fault, and err, what the
// process made of it.
func checkFault(op faultfs.Op, err error, mem *memfs.FS, w *life) error {
	var law *lawError
	var corrupt *frame.CorruptError
	switch {
	case errors.As(err, &law):
		return err
	case errors.As(err, &corrupt):
		return fmt.Errorf("a failed call was taken for corruption: %w", err)
	case err == nil && !forgiven(op.Kind):
		return errors.New("nobody noticed")
	case err != nil && !errors.Is(err, errInjected):
		return fmt.Errorf("another error was reported: %w", err)
	}
	mem.BreakLock(paths{testDir}.lock()) // the process is gone, on whatever path
	if err := w.aftermath(testOptions(mem), mem); err != nil {
		return fmt.Errorf("killed: %w", err)
	}
	keeps := []memfs.Keep{memfs.KeepSome, memfs.KeepNone}
	if !*allFlag {
		keeps = keeps[op.N%2:][:1]
	}
	for _, keep := range keeps {
		after := mem.Crash(rand.New(rand.NewPCG(uint64(op.N), 5)), keep)
		if err := w.aftermath(testOptions(after), after); err != nil {
			return fmt.Errorf("power cut, keep %v: %w", keep, err)
		}
	}
	return nil
}

// forgiven are the calls whose failure means nothing: all that a close could
// still do was synced before, and the lock ends with the process.
func forgiven(k faultfs.Kind) bool { return k == faultfs.Close || k == faultfs.Unlock }
