package engine

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// TestRepairLosesNothing: whatever a crash in the middle of a flush or a merge
// left, or of an append, repair says what it found, leaves nothing to do, and every record stays.
func TestRepairLosesNothing(t *testing.T) {
	seed := firstSeed(t)
	base := prepare(t, seed)
	var torn, acts, files int
	appends := func(c *cut) error {
		for range 16 {
			if err := c.do(appendTo("fork", "text/plain", strings.Repeat("over several sectors ", 200))); err != nil {
				return err
			}
		}
		return nil
	}
	for _, s := range []*scene{
		{base: base, act: (*cut).flushBusily}, {base: base, prelude: flushed, act: (*cut).mergeBusily}, {base: base, act: appends},
	} {
		whole, from, err := s.run(seed, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range whole.faults.Trace() {
			if op.N <= from || !op.Kind.Mutates() {
				continue
			}
			c, _, _ := s.run(seed, op.N-from)
			for k := range uint64(3) {
				disk := c.disk.Crash(rand.New(rand.NewPCG(seed+k, uint64(op.N))), memfs.KeepSome)
				r, err := Repair(c.options(disk))
				if err != nil {
					t.Fatalf("-engine.seed=%d: power cut after %v: %v", seed, op, err)
				}
				if r.Before.Torn != nil {
					torn++
				}
				acts += r.Acts
				files += r.Files
				if !r.After.Clean || r.After.Torn != nil || r.After.Streams != r.Before.Streams || r.After.LastAt < r.Before.LastAt {
					t.Errorf("-engine.seed=%d: power cut after %v: before %+v\nafter %+v", seed, op, r.Before, r.After)
				}
				again, err := Repair(c.options(disk))
				if err != nil || again.Acts != 0 || again.Files != 0 || again.Before.Torn != nil {
					t.Errorf("-engine.seed=%d: power cut after %v: repaired again: %+v, %v", seed, op, again, err)
				}
				if err := c.survives(disk); err != nil {
					t.Errorf("-engine.seed=%d: power cut after %v: %v", seed, op, err)
				}
			}
		}
	}
	t.Logf("%d torn tails, %d acts given up, %d files removed", torn, acts, files)
	if torn == 0 || acts == 0 || files == 0 {
		t.Error("something was never there to repair")
	}
}

// TestRepairRefusesWhatWouldLoseSomething names all damaged files and the
// streams, forks included, and changes nothing.
func TestRepairRefusesWhatWouldLoseSomething(t *testing.T) {
	c := (&image{disk: memfs.New(), oracle: newOracle()}).begin(1)
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(c.open())
	step(c.do(create("hit", "text/plain", strings.Repeat("hit", 2000))))
	step(c.do(create("safe", "text/plain", strings.Repeat("safe", 2000))))
	step(c.e.Flush())
	step(c.do(forkOf("fork", "hit")))
	step(c.do(create("late", "text/plain", "x")))
	step(c.e.Flush())
	step(c.do(create("later", "text/plain", "y")))
	step(c.e.Close())
	o := c.options(c.disk)
	for _, test := range []struct {
		name    string
		damage  []string // file and whether to flip a byte in the middle of it
		streams []string
		all     bool
	}{
		{name: "block", damage: []string{"seg/00000000000000000002.seg"}, streams: []string{"fork", "hit"}},
		{name: "two files", damage: []string{"seg/00000000000000000002.seg", "wal/"}, streams: []string{"fork", "hit"}},
		{name: "rows", damage: []string{"meta/"}, all: true},
		{name: "manifest", damage: []string{"manifest/"}, all: true},
		{name: "log", damage: []string{"wal/"}, all: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := c.disk.Clone()
			for _, prefix := range test.damage {
				var names []string
				for name := range disk.Snapshot() {
					if strings.HasPrefix(name, "store/"+prefix) {
						names = append(names, name)
					}
				}
				step(disk.Corrupt(slices.Min(names), 100, 1))
			}
			before := disk.Snapshot()
			o.FS = disk
			_, err := Repair(o)
			var damage *DamageError
			if !errors.As(err, &damage) || len(damage.Faults) != len(test.damage) {
				t.Fatalf("%v, want the damage of %d files", err, len(test.damage))
			}
			if ce := (*frame.CorruptError)(nil); !errors.As(err, &ce) {
				t.Errorf("%v is not a CorruptError", err)
			}
			f := damage.Faults[len(damage.Faults)-1] // segments come last
			if !slices.Equal(f.Streams, test.streams) || f.All != test.all {
				t.Errorf("streams %q, all %t; want %q, %t", f.Streams, f.All, test.streams, test.all)
			}
			after := disk.Snapshot()
			delete(after, "store/LOCK")
			delete(before, "store/LOCK")
			for name, b := range before {
				if !slices.Equal(after[name], b) {
					t.Errorf("%s was changed", name)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files, there were %d", len(after), len(before))
			}
		})
	}
}

// TestRepairLeavesOthersAlone: no store is made, and one in use is not touched.
func TestRepairLeavesOthersAlone(t *testing.T) {
	fs := memfs.New()
	if err := fs.MkdirAll("store"); err != nil {
		t.Fatal(err)
	}
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	if _, err := Repair(o); err == nil || len(fs.Snapshot()) > 0 {
		t.Errorf("an empty directory: %v, %d files", err, len(fs.Snapshot()))
	}
	e := mustOpen(t, o)
	faults := faultfs.New(fs)
	o.FS = faults
	if _, err := Repair(o); err == nil {
		t.Error("a store in use was repaired")
	}
	for _, op := range faults.Trace() {
		if op.Kind.Mutates() && op.Kind != faultfs.Lock {
			t.Errorf("%v in a store that is in use", op)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func forkOf(path, from string) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: path, From: from, TTL: stream.NoTTL})
	}
}

// TestLoseStreamsInKeepsTheRest damages each block of a segment in turn: the
// streams that are named are gone, every other one is as it was, and the store
// has no fault any more.
func TestLoseStreamsInKeepsTheRest(t *testing.T) {
	seed := firstSeed(t)
	base := prepare(t, seed)
	c := base.begin(seed)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	// A fork that ends before the damage of its source stays, whatever that is.
	for _, op := range []func(*Engine) Ticket{
		create("long", "text/plain", strings.Repeat("a", 5000)),
		forkOf("early fork", "long"),
		appendTo("long", "text/plain", strings.Repeat("b", 5000)),
		forkOf("late fork", "long"),
		appendTo("long", "text/plain", strings.Repeat("c", 5000)),
	} {
		if err := c.do(op); err != nil {
			t.Fatal(err)
		}
		if err := c.e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	streamsOf := func(e *Engine) map[string]string {
		all := map[string]string{}
		for s := range e.table.All {
			if s.Gone {
				continue
			}
			parts, _, code := readAll(t, e, s.Path, 0)
			if code != stream.OK {
				t.Fatalf("read %s: %v", s.Path, code)
			}
			all[s.Path] = string(bytes.Join(parts, []byte("|")))
		}
		return all
	}
	before := streamsOf(c.e)
	type place struct {
		path string
		at   int64
	}
	var places []place
	for _, l := range c.e.version.layers {
		for _, s := range l.segments {
			seen := map[uint64]bool{}
			for run := range s.reader.Runs {
				for i := range run.Blocks.Len() {
					if h := run.Handle(i); !seen[h.Pos] {
						seen[h.Pos] = true
						places = append(places, place{s.path, int64(h.Pos) + int64(h.Len) - 1})
					}
				}
			}
		}
	}
	if err := c.e.Close(); err != nil {
		t.Fatal(err)
	}
	kept, gone, early := 0, 0, 0
	for _, p := range places {
		disk := c.disk.Clone()
		if err := disk.Corrupt(p.path, p.at, 1); err != nil {
			t.Fatal(err)
		}
		o := c.options(disk)
		var damage *DamageError
		if _, err := Repair(o); !errors.As(err, &damage) {
			t.Fatalf("-engine.seed=%d: damage at %v: %v", seed, p, err)
		}
		lost, _, err := LoseStreamsIn(o, p.path)
		if err != nil {
			t.Fatalf("-engine.seed=%d: damage at %v: %v", seed, p, err)
		}
		if !slices.Equal(lost, damage.Faults[0].Streams) {
			t.Errorf("-engine.seed=%d: damage at %v: %q are lost, %q were named", seed, p, lost, damage.Faults[0].Streams)
		}
		e := mustOpen(t, o)
		want := maps.Clone(before)
		for _, name := range lost {
			delete(want, name)
		}
		if got := streamsOf(e); !maps.Equal(got, want) {
			t.Errorf("-engine.seed=%d: damage at %v: %d streams are left, want %d", seed, p, len(got), len(want))
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if slices.Contains(lost, "long") && !slices.Contains(lost, "early fork") {
			early++
		}
		kept += len(want)
		gone += len(lost)
		if _, _, err := LoseStreamsIn(o, p.path); err == nil {
			t.Errorf("a store without fault lost something")
		}
	}
	t.Logf("%d blocks damaged, %d streams lost and %d kept in all", len(places), gone, kept)
	if early == 0 || kept == 0 {
		t.Error("no fork stayed while its source was lost")
	}

	// Damage elsewhere is not its business.
	disk := c.disk.Clone()
	for _, p := range []place{places[0], {"store/CURRENT", 20}} {
		if err := disk.Corrupt(p.path, p.at, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := LoseStreamsIn(c.options(disk), places[0].path); err == nil {
		t.Error("a store with other damage was changed")
	}
}
