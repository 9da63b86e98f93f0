package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// life is what is known of one store across its processes: every record sent,
// in order, how many were acknowledged, and how many are durable elsewhere, so
// that the log is needed for the others only.
type life struct {
	sent   []string
	places []Place // of the acknowledged ones
	acked  int
	saved  int
	n      int // records ever sent: no two are equal
	frames int // Options.FrameBytesMax of all its processes
}

// append sends one record of about size bytes.
func (w *life) append(l Log, size int) error {
	w.n++
	record := fmt.Sprintf("%d:%s", w.n, strings.Repeat("z", size))
	w.sent = append(w.sent, record)
	place, err := l.Append(frameOf(record))
	if err != nil {
		return err
	}
	w.acked, w.places = len(w.sent), append(w.places, place)
	return nil
}

// save makes all but so many of the acknowledged records durable elsewhere.
func (w *life) save(left int) { w.saved = max(w.saved, w.acked-left) }

// start is the place of the newest record that was saved.
func (w *life) start() (p Place) {
	if w.saved > 0 {
		p = w.places[w.saved-1]
	}
	return p
}

func (w *life) prepare(Store) (Place, error) { return w.start(), nil }

// open starts a process on the store and checks what it finds. A law that does
// not hold is a lawError; other errors are of the file system.
func (w *life) open(o Options) (*Files, error) {
	var h history
	o.Prepare, o.FrameBytesMax = w.prepare, w.frames
	l, _, err := Open(o, h.replay)
	if err != nil {
		return nil, err
	}
	if err := w.found(&h); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// found is told what a restart replayed. From then on it stays: a client may
// have seen it.
func (w *life) found(h *history) error {
	if err := checkPrefix(h.records, w.sent[w.saved:w.acked], w.sent[w.saved:]); err != nil {
		return &lawError{err}
	}
	n := w.saved + len(h.records)
	for i := w.saved; i < n; i++ {
		place := Place{h.pos[i-w.saved], h.seqs[i-w.saved]}
		if i < w.acked && w.places[i] != place {
			return &lawError{fmt.Errorf("record %d was at %v and is at %v", i, w.places[i], place)}
		}
		if i >= w.acked {
			w.places = append(w.places, place)
		}
	}
	w.sent, w.acked = w.sent[:n:n], n
	return nil
}

type lawError struct{ err error }

func (e *lawError) Error() string { return e.err.Error() }

func (w *life) clone() *life {
	return &life{sent: slices.Clone(w.sent), places: slices.Clone(w.places), acked: w.acked, saved: w.saved, n: w.n, frames: w.frames}
}

// aftermath opens a store on a file system that works, twice, works with it,
// loses power, and opens it again. Everything has to be there each time.
func (w *life) aftermath(o Options, mem *memfs.FS) error {
	w = w.clone()
	o.FS = mem
	for step := range 3 {
		l, err := w.open(o)
		if err != nil {
			return fmt.Errorf("open %d after the crash: %w", step, err)
		}
		if step > 0 {
			sizes := slices.Repeat([]int{100}, 14) // enough to rotate
			if w.frames > 0 {
				sizes = []int{100, w.frames - 100, 100, w.frames - 100}
			}
			for _, size := range sizes {
				if err := w.append(l, size); err != nil {
					return fmt.Errorf("append %d after the crash: %w", step, err)
				}
			}
		}
		if step == 1 {
			if err := l.Close(); err != nil {
				return fmt.Errorf("close after the crash: %w", err)
			}
			continue
		}
		mem = mem.Crash(nil, memfs.KeepNone)
		o.FS = mem
	}
	if _, err := VerifyReplay(mem, testDir, w.prepare, nil); err != nil {
		return fmt.Errorf("verify after the crash: %w", err)
	}
	_, err := w.open(o)
	return err
}

// outcomes runs check on each state a power cut may leave, and on the state a
// killed process leaves, which is the one that is seen.
func outcomes(mem *memfs.FS, seeds uint64, check func(name string, after *memfs.FS) error) error {
	for seed := range seeds {
		after := mem.Crash(rand.New(rand.NewPCG(seed, 77)), memfs.KeepSome)
		if err := check(fmt.Sprintf("some unsynced kept, seed %d", seed), after); err != nil {
			return err
		}
	}
	if err := check("nothing unsynced kept", mem.Crash(nil, memfs.KeepNone)); err != nil {
		return err
	}
	return check("all unsynced kept", mem.Crash(nil, memfs.KeepAll))
}

// act is one process of a scenario: it stops at the first error.
type act func(o Options, w *life) error

// everyOperation runs an act once for each operation k of it on a copy of the
// same store, which dies after k, and checks every outcome. prepare makes the
// store; it must do the same each time.
func everyOperation(t *testing.T, seeds uint64, prepare, run act) {
	t.Helper()
	start := func() (*memfs.FS, *life) {
		mem, w := memfs.New(), &life{}
		if err := prepare(testOptions(mem), w); err != nil {
			t.Fatalf("prepare: %v", err)
		}
		return mem, w
	}
	mem, w := start()
	counter := faultfs.New(mem)
	if err := run(testOptions(counter), w); err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	ops := counter.Trace()
	if !*allFlag {
		seeds = max(1, seeds/4)
	}
	cuts := 0
	for k, op := range ops {
		if !op.Kind.Mutates() {
			continue // a crash after it leaves the same as one before
		}
		cuts++
		// A killed process, then a machine that goes on.
		mem, w := start()
		f := stopAfter(mem, k+1)
		err := run(testOptions(f), w)
		var law *lawError
		if errors.As(err, &law) {
			t.Fatalf("op %v: %v", op, err)
		}
		mem.BreakLock(paths{testDir}.lock())
		if err := w.aftermath(testOptions(mem), mem); err != nil {
			t.Fatalf("killed after %v: %v", op, err)
		}
		// A power cut.
		mem, w = start()
		run(testOptions(stopAfter(mem, k+1)), w)
		err = outcomes(mem, seeds, func(name string, after *memfs.FS) error {
			if err := w.aftermath(testOptions(after), after); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("power cut after %v: %v", op, err)
		}
	}
	if cuts < 4 {
		t.Fatalf("only %d operations could be cut", cuts)
	}
	t.Logf("%d operations, %d of them change the medium, each with %d outcomes", len(ops), cuts, seeds+3)
}

// stopAfter is a file system whose k-th call is the last.
func stopAfter(base vfs.FS, k int) *faultfs.FS {
	f := faultfs.New(base)
	f.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == k} })
	return f
}

// abandon leaves the store as a killed process does.
func abandon(o Options) {
	base := o.FS
	if f, ok := base.(*faultfs.FS); ok {
		base = f.Base()
	}
	base.(*memfs.FS).BreakLock(paths{o.Dir}.lock())
}

// fillFile appends until the next lone record would rotate.
func fillFile(l *Files, w *life) error {
	for l.rest() >= 2*pageBytes {
		if err := w.append(l, 50); err != nil {
			return err
		}
	}
	return w.append(l, 50)
}

const crashSeeds = 12

func TestCrashAtEveryOperationOfRotation(t *testing.T) {
	for _, spare := range []bool{true, false} {
		t.Run(fmt.Sprintf("spare=%v", spare), func(t *testing.T) {
			prepare := func(o Options, w *life) error {
				l, err := w.open(o)
				if err != nil {
					return err
				}
				if err := w.append(l, 50); err != nil {
					return err
				}
				return l.Close()
			}
			everyOperation(t, crashSeeds, prepare, func(o Options, w *life) error {
				l, err := w.open(o)
				if err != nil {
					return err
				}
				if err := fillFile(l, w); err != nil {
					return err
				}
				if spare {
					if err := l.Allocate(); err != nil {
						return err
					}
				}
				for range 2 {
					if err := w.append(l, 5000); err != nil {
						return err
					}
				}
				return l.Witness()
			})
		})
	}
}

func TestCrashAtEveryOperationOfRecovery(t *testing.T) {
	abandonWith := func(n int, closing bool) act {
		return func(o Options, w *life) error {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			for range n {
				if err := w.append(l, 3000); err != nil {
					return err
				}
			}
			if closing {
				return l.Close()
			}
			abandon(o)
			return nil
		}
	}
	// A process that is killed right after it renamed something to that name:
	// the next one sees a name that is not on the medium yet.
	killedAtRename := func(before act, to string) act {
		return func(o Options, w *life) error {
			if err := before(o, w); err != nil {
				return err
			}
			f := faultfs.New(o.FS)
			f.Inject(func(op faultfs.Op) faultfs.Fault {
				return faultfs.Fault{StopAfter: op.Kind == faultfs.Rename && op.To == to}
			})
			o.FS = f
			if _, err := w.open(o); !errors.Is(err, faultfs.ErrStopped) {
				return fmt.Errorf("it was not killed: %w", err)
			}
			abandon(o)
			return nil
		}
	}
	nothing := func(Options, *life) error { return nil }
	cases := map[string]act{
		"killed when STORE was made":      killedAtRename(nothing, paths{testDir}.store()),
		"killed when file 1 was made":     killedAtRename(nothing, filePath(1)),
		"killed when file 1 was replaced": killedAtRename(abandonWith(5, false), filePath(1)),
		"killed when file 2 was made":     killedAtRename(abandonWith(5, false), filePath(2)),
		"no store":                        nothing,
		"no frames":                       abandonWith(0, false),
		"frames":                          abandonWith(5, false),
		"several files":                   abandonWith(40, false),
		"closed":                          abandonWith(20, true),
		"closed and empty":                abandonWith(0, true),
		"torn tail": func(o Options, w *life) error {
			if err := abandonWith(5, false)(o, w); err != nil {
				return err
			}
			mem := o.FS.(*memfs.FS)
			return mem.Corrupt(filePath(1), headerBytes+5*pageBytes+100, 1)
		},
		"sealed and not cut": func(o Options, w *life) error {
			l, err := w.open(o)
			if err != nil {
				return err
			}
			for l.rest() > 0 {
				if err := w.append(l, 50); err != nil {
					return err
				}
			}
			abandon(o)
			return l.Witness() // with the seal
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			everyOperation(t, crashSeeds, prepare, func(o Options, w *life) error {
				l, err := w.open(o)
				if err != nil {
					return err
				}
				if err := w.append(l, 10); err != nil {
					return err
				}
				return l.Close()
			})
		})
	}
}

// Random work over generations of processes, each ended by a crash at a random
// operation with a random outcome.
func TestCrashesOverGenerations(t *testing.T) {
	seed := testSeed(t)
	for round := range uint64(150) {
		if err := generations(seed+round, 4); err != nil {
			t.Fatalf("-wal.seed=%d: %v", seed+round, err)
		}
	}
}

func generations(seed uint64, n int) error {
	rng := rand.New(rand.NewPCG(seed, 3))
	mem, w := memfs.New(), &life{}
	for gen := range n {
		f := stopAfter(mem, 1+rng.IntN(160))
		err := randomProcess(testOptions(f), w, rng)
		if err != nil && !errors.Is(err, faultfs.ErrStopped) {
			return fmt.Errorf("generation %d: %w\n%s", gen, err, f.TraceString())
		}
		keep := []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepAll, -1}[rng.IntN(4)]
		if keep < 0 {
			mem.BreakLock(paths{testDir}.lock())
			continue
		}
		mem = mem.Crash(rng, keep)
	}
	return w.aftermath(testOptions(mem), mem)
}

// randomProcess opens the store and works until something fails.
func randomProcess(o Options, w *life, rng *rand.Rand) error {
	l, err := w.open(o)
	for range 100 {
		if err != nil {
			return err
		}
		switch rng.IntN(14) {
		case 0, 12:
			err = l.Allocate()
		case 13:
			w.save(rng.IntN(10))
			err = l.Trim(w.start().Pos)
		case 1, 2:
			err = l.Witness()
		case 3:
			err = w.append(l, rng.IntN(30000))
		case 4:
			if rng.IntN(4) == 0 {
				if err = l.Close(); err == nil {
					l, err = w.open(o)
				}
			}
		default:
			err = w.append(l, rng.IntN(6000))
		}
	}
	return err
}
