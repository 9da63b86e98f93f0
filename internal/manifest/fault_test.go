package manifest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var errInjected = errors.New("injected")

// eachCall runs a process once for each call k of it, which strikes, on a copy
// of the same store.
func eachCall(t *testing.T, fault func(op faultfs.Op) faultfs.Fault, check func(op faultfs.Op, err error, mem *memfs.FS, w *life) error) {
	t.Helper()
	for k := 1; ; k++ {
		mem, w := newStore(t), newLife(3)
		if err := worked(3)(mem, w); err != nil {
			t.Fatal(err)
		}
		f := faultfs.New(mem)
		var struck faultfs.Op
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N != k {
				return faultfs.Fault{}
			}
			struck = op
			return fault(op)
		})
		err := worked(14)(f, w)
		if struck.N == 0 {
			if err != nil {
				t.Fatalf("without a fault: %v", err)
			}
			return
		}
		if err := check(struck, err, mem, w); err != nil {
			t.Fatalf("%v failed: %v", struck, err)
		}
	}
}

// Whatever call fails, the failure is reported and final, no acknowledgement is
// false afterwards, and the store opens again.
func TestEveryFailureIsReportedAndFinal(t *testing.T) {
	half := func(op faultfs.Op) faultfs.Fault {
		f := faultfs.Fault{Err: errInjected}
		if op.Kind == faultfs.WriteAt || op.Kind == faultfs.ReadAt {
			f.Short = int(op.Len / 2)
		}
		return f
	}
	eachCall(t, half, func(op faultfs.Op, err error, mem *memfs.FS, w *life) error {
		var law *lawError
		var corrupt *frame.CorruptError
		switch {
		case errors.As(err, &law), errors.As(err, &corrupt):
			return err
		case err == nil && op.Kind != faultfs.Close:
			return errors.New("nobody noticed")
		case err != nil && !errors.Is(err, errInjected):
			return fmt.Errorf("another error was reported: %w", err)
		}
		if err := w.clone().aftermath(mem); err != nil {
			return fmt.Errorf("killed: %w", err)
		}
		for _, keep := range []memfs.Keep{memfs.KeepSome, memfs.KeepNone} {
			after := mem.Crash(rand.New(rand.NewPCG(uint64(op.N), 5)), keep)
			if err := w.clone().aftermath(after); err != nil {
				return fmt.Errorf("power cut, keep %v: %w", keep, err)
			}
		}
		return nil
	})
}

func TestFailureIsFinal(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.WriteAt, faultfs.SyncData} {
		for n := 1; n <= 2; n++ { // the group, its confirm
			f := faultfs.New(newStore(t))
			m := mustOpen(t, f)
			if _, err := m.Begin(ActFlush, FileSegment); err != nil { // takes space ahead
				t.Fatal(err)
			}
			before := m.State()
			f.FailNth(kind, n, errInjected)
			err := m.Append(Abort{1})
			if !errors.Is(err, ErrFailed) || !errors.Is(err, errInjected) {
				t.Fatalf("%s %d: %v", kind, n, err)
			}
			calls := f.Calls()
			if again := m.Append(Abort{1}); again == nil || again.Error() != err.Error() {
				t.Errorf("%s %d: the next edit gets %v instead of %v", kind, n, again, err)
			}
			if _, err := m.Begin(ActMerge); !errors.Is(err, ErrFailed) {
				t.Errorf("%s %d: the next act gets %v", kind, n, err)
			}
			if f.Calls() != calls {
				t.Errorf("%s %d: the medium was touched after the failure", kind, n)
			}
			if !sameState(m.State(), before) {
				t.Errorf("%s %d: an edit that failed is in the state", kind, n)
			}
		}
	}
}

func TestClosedTakesNoEdits(t *testing.T) {
	m := mustOpen(t, newStore(t))
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Append(Abort{1}); !errors.Is(err, ErrClosed) || errors.Is(err, ErrFailed) {
		t.Fatalf("an edit after the close: %v", err)
	}
}

// An edit that is refused costs nothing and ends nothing.
func TestRefusedEditWritesNothing(t *testing.T) {
	f := faultfs.New(newStore(t))
	m := mustOpen(t, f)
	calls := f.Calls()
	for _, edits := range [][]Edit{nil, {Abort{9}}, {begun(m.State(), ActFlush), Abort{9}}} {
		if err := m.Append(edits...); !errors.Is(err, ErrRefused) {
			t.Fatalf("%+v: %v", edits, err)
		}
	}
	if f.Calls() != calls {
		t.Error("the medium was touched")
	}
	mustAppend(t, m, begun(m.State(), ActFlush))
}
