package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// countAccounts makes the accounts anew, by a walk over the table. What is kept
// of a stream is found from those who read it, and not from those who are read.
func countAccounts(e *Engine) map[string]account {
	lowest, highest := map[stream.ID]stream.Offset{}, map[stream.ID]stream.Offset{}
	for reader := range e.table.All {
		if reader.Gone {
			continue
		}
		// The source shows the reader what ends between its start and the least base on
		// the way.
		for s, to := reader, reader.Tail+1; s != nil && reader.Start() < to; s = s.Source() {
			if low, ok := lowest[s.ID]; !ok || reader.Start() < low {
				lowest[s.ID] = reader.Start()
			}
			to = min(to, s.Base())
		}
	}
	all := map[string]account{}
	for s := range e.table.All {
		if !s.Gone {
			highest[s.ID] = s.Tail
		}
		if source := s.Source(); source != nil && source.Gone {
			highest[source.ID] = max(highest[source.ID], s.Base())
		}
	}
	for s := range e.table.All {
		name := project.Default
		if e.opts.Projects {
			name = project.Of(s.Path)
		}
		own := all[name]
		own.streams++
		if low, ok := lowest[s.ID]; ok && max(low, s.Base()) < highest[s.ID] {
			own.stored += int64(highest[s.ID] - max(low, s.Base()))
		}
		all[name] = own
	}
	return all
}

func checkAccounts(e *Engine) error {
	want := countAccounts(e)
	got := map[string]account{}
	stored := int64(0)
	for name, own := range e.accounts.byName {
		got[name] = *own
		stored += own.stored
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("accounts %v, the table says %v", got, want)
	}
	if e.accounts.stored != stored {
		return fmt.Errorf("%d bytes of all, %d together", e.accounts.stored, stored)
	}
	return nil
}

// TestAccountsAreWhatTheTableSays holds the accounts against the table after
// every request, sweep, flush, merge, end and crash.
func TestAccountsAreWhatTheTableSays(t *testing.T) {
	seed := firstSeed(t)
	forks, gone, trimmed, emptied := 0, 0, 0, 0
	for run := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed+run, 7))
		fs, clock := memfs.New(), newFakeClock()
		options := func() Options {
			o := manualOptions(fs, clock, rng)
			o.Projects = run%3 > 0
			return o
		}
		e := mustOpen(t, options())
		w := newWorkload(rng, clock)
		for i := range 300 {
			op := w.op()
			w.saw(do(t, e, func() Ticket { return op(e) }))
			var err error
			switch rng.IntN(40) {
			case 0, 1, 2:
				clock.advance(time.Duration(rng.IntN(10_000)) * time.Millisecond)
			case 3, 4, 5:
				for e.Sweep() {
					settle(t, e)
				}
			case 6:
				settle(t, e)
				err = e.Flush()
			case 7:
				err = e.Merge()
			case 8:
				settle(t, e)
				err = e.Allocate()
			case 9:
				if err = e.Close(); err == nil {
					e = mustOpen(t, options())
				}
			case 10:
				settle(t, e)
				fs = fs.Crash(rng, memfs.KeepSome)
				e = mustOpen(t, options())
			}
			if err == nil {
				err = checkAccounts(e)
			}
			if err != nil {
				t.Fatalf("-engine.seed=%d, step %d: %v", seed+run, i, err)
			}
			for s := range e.table.All {
				forks += s.Forks()
				if s.Gone {
					gone++
				}
				if s.Start() > 0 && s.Forks() > 0 {
					trimmed++
				}
			}
			if len(e.accounts.byName) == 0 {
				emptied++
			}
		}
		for _, s := range sortedStreams(e.table) {
			if err := e.Allocate(); err != nil { // the file may be full as it is
				t.Fatal(err)
			}
			switch out := do(t, e, func() Ticket { return e.Delete(s.Path) }); out.Code {
			case stream.Deleted, stream.Gone, stream.NotFound:
			default:
				t.Fatalf("-engine.seed=%d: delete: %s", seed+run, out.Code)
			}
		}
		settle(t, e)
		if len(e.accounts.byName) != 0 || e.Stats().StoredBytes != 0 {
			t.Fatalf("-engine.seed=%d: after everything was deleted %v are left, and %d bytes", seed+run, e.Projects(), e.Stats().StoredBytes)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if forks == 0 || gone == 0 || trimmed == 0 || emptied == 0 {
		t.Errorf("forks %d, gone %d, trimmed with forks %d, empty %d: the test has lost its reach", forks, gone, trimmed, emptied)
	}
}

// TestAppendsBookWithoutAllocating: an append finds its account by a part of its
// path.
func TestAppendsBookWithoutAllocating(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.Projects = true
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("acme/a", "text/plain", "x"))
	if got := testing.AllocsPerRun(100, func() {
		e.accounts.add("acme/a", 0, 6)
		e.quotaOf("acme/a", nil, 6)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
