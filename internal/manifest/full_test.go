package manifest

import (
	"errors"
	"fmt"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// On a full disk no act begins, acts that have begun end, and with space again
// everything goes on.
func TestFullDiskStopsBeginsOnly(t *testing.T) {
	mem := newStore(t)
	m := mustOpen(t, mem)
	mem.SetCapacity(mem.Used() + 40*pageBytes)
	var acts []Act
	var err error
	for len(acts) < 100 {
		var a Act
		if a, err = m.Begin(ActMerge, FileSegment); err != nil {
			break
		}
		acts = append(acts, a)
	}
	if !noSpace(err) || len(acts) == 0 || len(acts) == 100 {
		t.Fatalf("after %d acts: %v", len(acts), err)
	}
	before := m.State()
	for range 3 {
		if _, err := m.Begin(ActFlush); !noSpace(err) {
			t.Fatalf("an act began on a full disk: %v", err)
		}
	}
	if !sameState(m.State(), before) {
		t.Fatal("an act that did not begin is in the state")
	}
	for _, a := range acts {
		if _, err := m.Extend(a.ID, FileSegment); err != nil {
			t.Fatalf("extend on a full disk: %v", err)
		}
		mustAppend(t, m, Abort{a.ID})
		mustAppend(t, m, Removed{m.State().Garbage})
	}
	mem.SetCapacity(-1)
	for range 20 {
		if _, err := m.Begin(ActFlush, FileSegment); err != nil {
			t.Fatalf("with space again: %v", err)
		}
	}
	l, err := Load(mem.Crash(nil, memfs.KeepNone), testDir, testStore)
	if err != nil || !sameState(l.State(), m.State()) {
		t.Fatalf("found %+v, %v", l.State(), err)
	}
}

// A store opens on a full disk, with its state, and takes edits when there is
// space.
func TestFullDiskOpens(t *testing.T) {
	for _, unsettled := range []bool{false, true} {
		t.Run(fmt.Sprintf("unsettled=%v", unsettled), func(t *testing.T) {
			mem, w := newStore(t), newLife(1)
			prepare := worked(6)
			if unsettled {
				prepare = killedAtWrite
			}
			if err := prepare(mem, w); err != nil {
				t.Fatal(err)
			}
			mem.SetCapacity(mem.Used())
			before := len(mem.Snapshot())
			m, err := w.open(mem)
			if err != nil {
				t.Fatal(err)
			}
			if m.Settled() == unsettled {
				t.Fatalf("settled is %v", m.Settled())
			}
			for range 3 {
				if err := w.edit(m); !noSpace(err) {
					t.Fatalf("an edit without space: %v", err)
				}
			}
			if got := len(mem.Snapshot()); got != before {
				t.Fatalf("%d files became %d", before, got)
			}
			// A power cut in this situation.
			if err := outcomes(mem.Clone(), crashSeeds, w.aftermathWithSpace); err != nil {
				t.Fatal(err)
			}
			mem.SetCapacity(-1)
			if err := w.edits(m, 10); err != nil {
				t.Fatal(err)
			}
			if !m.Settled() {
				t.Fatal("edits are durable and nothing is settled")
			}
			if err := w.aftermath(mem.Crash(nil, memfs.KeepNone)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (w *life) aftermathWithSpace(mem *memfs.FS) error {
	mem.SetCapacity(-1)
	return w.aftermath(mem)
}

func TestNewStoreNeedsSpace(t *testing.T) {
	mem := newStore(t)
	mem.SetCapacity(0)
	if _, err := open(mem); !noSpace(err) {
		t.Fatalf("a store was made on a full disk: %v", err)
	}
	mem.SetCapacity(-1)
	mustOpen(t, mem)
}

// A switch that finds no space is put off: the file grows beyond its limit, and
// one switch makes up for it later.
func TestFullDiskPutsTheSwitchOff(t *testing.T) {
	mem := newStore(t)
	f := faultfs.New(mem)
	w := newLife(5)
	m, err := w.open(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Create {
			return faultfs.Fault{Err: vfs.ErrNoSpace}
		}
		return faultfs.Fault{}
	})
	number := m.number
	if err := w.edits(m, 30); err != nil {
		t.Fatal(err)
	}
	if m.number != number || m.pos <= testOptions().LimitBytes {
		t.Fatalf("file %d ends at %d", m.number, m.pos)
	}
	f.Clear()
	if err := w.edits(m, 1); err != nil {
		t.Fatal(err)
	}
	if m.number != number+1 {
		t.Fatalf("file %d is in use instead of %d", m.number, number+1)
	}
	if err := w.aftermath(mem.Crash(nil, memfs.KeepNone)); err != nil {
		t.Fatal(err)
	}
}

// A full disk met from any one call on leaves an edit that fails and may be
// tried again, or it is final.
func TestFullDiskAtEveryCall(t *testing.T) {
	healthy := map[faultfs.Kind]int{}
	for k := 1; ; k++ {
		mem, w := newStore(t), newLife(3)
		if err := worked(3)(mem, w); err != nil {
			t.Fatal(err)
		}
		f := faultfs.New(mem)
		var struck faultfs.Op
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N == k {
				struck = op
			}
			if op.N == k || struck.N > 0 && (op.Kind == faultfs.Create || op.Kind == faultfs.Allocate) {
				return faultfs.Fault{Err: vfs.ErrNoSpace}
			}
			return faultfs.Fault{}
		})
		m, err := w.open(f)
		for n := 0; err == nil && n < 14; n++ {
			if err = w.edit(m); noSpace(err) {
				healthy[struck.Kind]++
				f.Clear()
				err = w.edit(m)
			}
		}
		var law *lawError
		if errors.As(err, &law) || noSpace(err) && m != nil {
			t.Fatalf("%v met a full disk: %v", struck, err)
		}
		if err := w.clone().aftermath(mem); err != nil {
			t.Fatalf("%v met a full disk, killed: %v", struck, err)
		}
		if err := w.aftermath(mem.Crash(nil, memfs.KeepNone)); err != nil {
			t.Fatalf("%v met a full disk, power cut: %v", struck, err)
		}
		if struck.N == 0 {
			break
		}
	}
	t.Logf("calls from which on an edit failed, and its next try succeeded: %v", healthy)
	for _, kind := range []faultfs.Kind{faultfs.Create, faultfs.Allocate, faultfs.Sync} {
		if healthy[kind] == 0 {
			t.Errorf("a full disk at no %s was survived", kind)
		}
	}
}
