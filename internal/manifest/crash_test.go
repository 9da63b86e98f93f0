package manifest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// life is what an engine knows of one store across its processes: the state
// that was acknowledged, and others that a crash may leave in its place: the one
// that an edit in flight leads to, and those a process found and did not settle.
type life struct {
	acked State
	other []State
	rng   *rand.Rand
}

func newLife(seed uint64) *life {
	return &life{acked: newState(), rng: rand.New(rand.NewPCG(seed, 9))}
}

// clone is another future of the same life.
func (w *life) clone() *life {
	c := *w
	c.rng = rand.New(rand.NewPCG(4, 4))
	return &c
}

// lawError is a law that does not hold. Other errors are of the file system.
type lawError struct{ err error }

func (e *lawError) Error() string { return e.err.Error() }

// load checks what a process finds.
func (w *life) load(fs vfs.FS) (*Loaded, error) {
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		return nil, err
	}
	possible := append([]State{w.acked}, w.other...)
	found := l.State()
	if !slices.ContainsFunc(possible, func(s State) bool { return sameState(s, found) }) {
		return nil, &lawError{fmt.Errorf("found %+v, acknowledged or possible is one of %+v", found, possible)}
	}
	if !l.Found || l.contents.Confirmed {
		possible = []State{found} // from now on it stays
	}
	w.acked, w.other = found, possible
	return l, nil
}

// open starts a process on the store.
func (w *life) open(fs vfs.FS) (*Manifest, error) {
	l, err := w.load(fs)
	if err != nil {
		return nil, err
	}
	m, err := l.Open(testOptions())
	if err != nil {
		return nil, err
	}
	if m.Settled() {
		w.other = nil
	}
	return m, nil
}

// edit appends a random edit.
func (w *life) edit(m *Manifest) error {
	return w.append(m, randomEdit(w.rng, m.State()))
}

func (w *life) append(m *Manifest, e Edit) error {
	before := m.State()
	next := before
	if err := next.Apply(e); err != nil {
		return &lawError{err}
	}
	w.other = append(w.other, next)
	err := m.Append(e)
	switch {
	case err == nil:
		w.acked, w.other = next, nil
		if !sameState(m.State(), next) {
			return &lawError{errors.New("an edit that was acknowledged is not in the state")}
		}
	case !sameState(m.State(), before):
		return &lawError{errors.New("an edit that failed is in the state")}
	case noSpace(err):
		w.other = w.other[:len(w.other)-1] // nothing of it was written
	}
	return err
}

func (w *life) edits(m *Manifest, n int) error {
	for range n {
		if err := w.edit(m); err != nil {
			return err
		}
	}
	return nil
}

// aftermath opens a store on a file system that works, works with it, loses
// power, and does so again. The state has to be there each time, and no file
// that it does not need.
func (w *life) aftermath(mem *memfs.FS) error {
	w = w.clone()
	for step := range 3 {
		m, err := w.open(mem)
		if err != nil {
			return fmt.Errorf("open %d after the crash: %w", step, err)
		}
		if got := len(mem.Snapshot()); got != 2 {
			return fmt.Errorf("open %d after the crash leaves %d files instead of CURRENT and a manifest", step, got)
		}
		if err := w.edits(m, 4*step); err != nil {
			return fmt.Errorf("edit %d after the crash: %w", step, err)
		}
		if step == 1 {
			if err := m.Close(); err != nil {
				return fmt.Errorf("close after the crash: %w", err)
			}
			continue
		}
		mem = mem.Crash(nil, memfs.KeepNone)
	}
	_, err := w.open(mem)
	return err
}

// outcomes runs check on each state a power cut may leave.
func outcomes(mem *memfs.FS, seeds uint64, check func(after *memfs.FS) error) error {
	for seed := range seeds {
		if err := check(mem.Crash(rand.New(rand.NewPCG(seed, 77)), memfs.KeepSome)); err != nil {
			return fmt.Errorf("some unsynced kept, seed %d: %w", seed, err)
		}
	}
	if err := check(mem.Crash(nil, memfs.KeepNone)); err != nil {
		return fmt.Errorf("nothing unsynced kept: %w", err)
	}
	if err := check(mem.Crash(nil, memfs.KeepAll)); err != nil {
		return fmt.Errorf("all unsynced kept: %w", err)
	}
	return nil
}

// act is one process of a scenario: it stops at the first error.
type act func(fs vfs.FS, w *life) error

// stopAfter is a file system whose k-th call is the last.
func stopAfter(base vfs.FS, k int) *faultfs.FS {
	f := faultfs.New(base)
	f.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == k} })
	return f
}

// killedAtRename is a process that dies when it has switched and not yet synced
// the switch: the next one sees a name that is not on the medium.
func killedAtRename(before act) act {
	return func(fs vfs.FS, w *life) error {
		if err := before(fs, w); err != nil {
			return err
		}
		f := faultfs.New(fs)
		f.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.Kind == faultfs.Rename} })
		if _, err := w.open(f); !errors.Is(err, faultfs.ErrStopped) {
			return fmt.Errorf("it was not killed: %w", err)
		}
		return nil
	}
}

// killedAtWrite dies when a group is written and not yet synced.
func killedAtWrite(fs vfs.FS, w *life) error {
	f := faultfs.New(fs)
	m, err := w.open(f)
	if err != nil {
		return err
	}
	if err := w.append(m, begun(m.State(), ActMerge, FileSegment)); err != nil { // takes space ahead
		return err
	}
	f.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.Kind == faultfs.WriteAt} })
	if err := w.append(m, Abort{m.State().Acts[0].ID}); !errors.Is(err, faultfs.ErrStopped) {
		return fmt.Errorf("it was not killed: %w", err)
	}
	return nil
}

func worked(n int) act {
	return func(fs vfs.FS, w *life) error {
		m, err := w.open(fs)
		if err != nil {
			return err
		}
		if err := w.edits(m, n); err != nil {
			return err
		}
		return m.Close()
	}
}

const crashSeeds = 4

// After a crash at any operation the state is the one before or after the edit
// in flight, and never less than what was acknowledged.
func TestCrashAtEveryOperation(t *testing.T) {
	nothing := func(vfs.FS, *life) error { return nil }
	prepared := map[string]act{
		"no store":                     nothing,
		"edits":                        worked(5),
		"no edits":                     worked(0),
		"killed when CURRENT was made": killedAtRename(nothing),
		"killed when it switched":      killedAtRename(worked(3)),
		"killed with a group unsynced": killedAtWrite,
	}
	total := 0
	for name, prepare := range prepared {
		t.Run(name, func(t *testing.T) {
			total += everyOperation(t, prepare, worked(10))
		})
	}
	t.Logf("%d crash points, %d outcomes each", total, crashSeeds+3)
}

func everyOperation(t *testing.T, prepare, run act) (cuts int) {
	t.Helper()
	start := func() (*memfs.FS, *life) {
		mem, w := newStore(t), newLife(3)
		if err := prepare(mem, w); err != nil {
			t.Fatalf("prepare: %v", err)
		}
		return mem, w
	}
	mem, w := start()
	counter := faultfs.New(mem)
	if err := run(counter, w); err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	ops := counter.Trace()
	for k, op := range ops {
		if !op.Kind.Mutates() {
			continue // a crash after it leaves the same as one before
		}
		cuts++
		// A killed process, then a machine that goes on.
		mem, w := start()
		err := run(stopAfter(mem, k+1), w)
		var law *lawError
		if errors.As(err, &law) {
			t.Fatalf("op %v: %v", op, err)
		}
		if err := w.aftermath(mem); err != nil {
			t.Fatalf("killed after %v: %v", op, err)
		}
		// A power cut.
		mem, w = start()
		if err := run(stopAfter(mem, k+1), w); err == nil && k < len(ops)-2 {
			t.Fatalf("op %v: the process did not end", op)
		}
		if err := outcomes(mem, crashSeeds, w.aftermath); err != nil {
			t.Fatalf("power cut after %v: %v", op, err)
		}
	}
	switches := slices.IndexFunc(ops, func(op faultfs.Op) bool { return op.Kind == faultfs.Rename })
	if cuts < 30 || switches < 0 {
		t.Fatalf("only %d operations could be cut, switches %v", cuts, switches)
	}
	return cuts
}

// Random work over generations of processes, each ended by a crash at a random
// operation with a random outcome.
func TestCrashesOverGenerations(t *testing.T) {
	seed := testSeed(t)
	for round := range uint64(120) {
		if err := generations(t, seed+round); err != nil {
			t.Fatalf("-manifest.seed=%d: %v", seed+round, err)
		}
	}
}

func generations(t *testing.T, seed uint64) error {
	w := newLife(seed)
	mem := newStore(t)
	for gen := range 5 {
		f := stopAfter(mem, 1+w.rng.IntN(120))
		m, err := w.open(f)
		for err == nil {
			err = w.edit(m)
		}
		if !errors.Is(err, faultfs.ErrStopped) {
			return fmt.Errorf("generation %d: %w\n%s", gen, err, f.TraceString())
		}
		keep := []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepAll, -1}[w.rng.IntN(4)]
		if keep >= 0 { // else it was only killed
			mem = mem.Crash(w.rng, keep)
		}
	}
	return w.aftermath(mem)
}
