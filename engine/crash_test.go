package engine

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var crashSeeds = flag.Int("engine.crash-seeds", 1000, "seeds of the crash matrix, each of four generations")

const generations = 4

// TestCrashKeepsWhatWasAcknowledged stops a store anywhere, at a step or in
// the middle of an I/O operation, loses what was not synced, and opens it
// again. What is found must be exactly the records of the first so many
// batches, no fewer than were acknowledged.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	first := firstSeed(t)
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(*crashSeeds) || t.Failed() {
					return
				}
				seed := first + uint64(i)
				if err := crashRun(seed); err != nil {
					t.Errorf("-engine.seed=%d -engine.crash-seeds=1: %v", seed, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d seeds x %d generations in %v", *crashSeeds, generations, time.Since(began).Round(time.Millisecond))
}

// crashRun is one store through its generations.
func crashRun(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &crashes{rng: rng, clock: newFakeClock(), disk: memfs.New(), oracle: newOracle()}
	r.work = newWorkload(rng, r.clock)
	for g := range generations {
		if err := r.generation(); err != nil {
			return fmt.Errorf("generation %d: %w", g, err)
		}
	}
	return nil
}

type crashes struct {
	rng    *rand.Rand
	clock  *fakeClock
	disk   *memfs.FS
	oracle *oracle
	work   *workload

	acked   uint64           // batches that somebody was told of
	pending []pendingTicket  // not yet ready
	retries []stream.Append  // producers' requests whose answer got lost
	shown   map[string]shown // the furthest that a reader saw of each path
}

type pendingTicket struct {
	ticket Ticket
	append stream.Append // if it was one with a producer
}

type shown struct {
	id     stream.ID
	tail   stream.Offset
	closed bool
}

var errLaw = errors.New("law broken")

// generation opens the store, checks it, works on it and crashes.
func (r *crashes) generation() error {
	faults := faultfs.New(r.disk)
	if r.rng.IntN(4) == 0 { // a crash while opening
		if err := r.crashInOpen(); err != nil {
			return err
		}
		faults = faultfs.New(r.disk)
	}
	e, err := Open(manualOptions(faults, r.clock, r.rng))
	if err != nil {
		return fmt.Errorf("%w: open: %w", errLaw, err)
	}
	if err := r.check(e); err != nil {
		return err
	}
	e.tap = r.oracle.tap
	if err := r.retry(e); err != nil {
		return err
	}
	r.arm(faults)
	if err := r.run(e); err != nil {
		return err
	}
	r.crash()
	return nil
}

// arm makes an I/O operation of the coming run fail or be the last one.
func (r *crashes) arm(faults *faultfs.FS) {
	at := faults.Calls() + 1 + r.rng.IntN(120)
	switch r.rng.IntN(3) {
	case 0: // power is lost after this operation
		faults.Inject(func(op faultfs.Op) faultfs.Fault {
			return faultfs.Fault{StopAfter: op.N >= at}
		})
	case 1: // this operation fails; the log must not say otherwise
		faults.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N == at && op.Kind.Mutates() {
				return faultfs.Fault{Err: errors.New("injected"), Short: r.rng.IntN(int(max(op.Len, 1)))}
			}
			return faultfs.Fault{}
		})
	}
}

// run does a random number of steps, or until the log fails.
func (r *crashes) run(e *Engine) error {
	for range r.rng.IntN(150) {
		switch n := r.rng.IntN(100); {
		case n < 62:
			r.ask(e, r.work.op())
		case n < 86:
			if _, err := e.Commit(); err != nil {
				return r.collect(e)
			}
		case n < 90:
			r.clock.advance(time.Duration(r.rng.IntN(4000)) * time.Millisecond)
		case n < 93:
			e.Sweep()
		case n < 96:
			if err := e.Allocate(); err != nil {
				return r.collect(e)
			}
		default:
			if err := e.Witness(); err != nil {
				return r.collect(e)
			}
		}
		if err := r.collect(e); err != nil {
			return err
		}
		if e.Err() != nil {
			return nil
		}
		r.look(e)
	}
	if r.rng.IntN(6) == 0 {
		// A clean end: what is staged becomes durable on the way.
		if err := e.Close(); err == nil {
			r.acked = e.durable
			r.pending = nil
		}
	}
	return nil
}

func (r *crashes) ask(e *Engine, op func(*Engine) Ticket) {
	t := op(e)
	if t.Retry {
		return // the next steps decide
	}
	p := pendingTicket{ticket: t}
	if n := len(r.work.sent); n > 0 && t.Code == stream.Appended {
		p.append = r.work.sent[n-1]
	}
	r.pending = append(r.pending, p)
}

// collect takes note of the tickets that became ready.
func (r *crashes) collect(e *Engine) error {
	kept := r.pending[:0]
	for _, p := range r.pending {
		switch {
		case !p.ticket.Ready():
			kept = append(kept, p)
		case p.ticket.Err() == nil && p.ticket.batch != nil:
			if p.ticket.batch.N > e.durable {
				return fmt.Errorf("%w: batch %d acknowledged, durable is %d", errLaw, p.ticket.batch.N, e.durable)
			}
			r.acked = max(r.acked, p.ticket.batch.N)
		case p.ticket.Err() != nil:
			kept = append(kept, p)
		}
	}
	r.pending = kept
	return nil
}

// look reads a path as a client would, and remembers what it was shown.
func (r *crashes) look(e *Engine) {
	path := r.work.path()
	info, t := e.Head(path)
	if t.Retry || !t.Ready() || t.Code != stream.OK {
		return
	}
	if r.shown == nil {
		r.shown = map[string]shown{}
	}
	r.shown[path] = shown{id: info.ID, tail: info.Tail, closed: info.Closed}
}

// crash loses power.
func (r *crashes) crash() {
	r.retries = r.retries[:0]
	for _, p := range r.pending {
		if p.append.Producer.ID != "" {
			r.retries = append(r.retries, p.append)
		}
	}
	r.pending = r.pending[:0]
	keep := []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepSome, memfs.KeepAll}[r.rng.IntN(4)]
	r.disk = r.disk.Crash(r.rng, keep)
}

// crashInOpen loses power in the middle of recovery.
func (r *crashes) crashInOpen() error {
	faults := faultfs.New(r.disk)
	at := 1 + r.rng.IntN(60)
	faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N >= at} })
	e, err := Open(manualOptions(faults, r.clock, r.rng))
	if err == nil {
		if err := r.check(e); err != nil {
			return err
		}
	}
	r.disk = r.disk.Crash(r.rng, memfs.KeepSome)
	return nil
}

// check compares a store that was just opened with the records.
func (r *crashes) check(e *Engine) error {
	staged := uint64(len(r.oracle.batches) - 1)
	if e.durable < r.acked || e.durable > staged {
		return fmt.Errorf("%w: %d batches recovered, %d acknowledged, %d staged", errLaw, e.durable, r.acked, staged)
	}
	want, err := r.oracle.state(e.durable)
	if err != nil {
		return err
	}
	var got bytes.Buffer
	dump(e, &got)
	if got.String() != want {
		return fmt.Errorf("%w: after %d batches\ngot:\n%s\nwant:\n%s", errLaw, e.durable, got.String(), want)
	}
	// What was recovered is from now on what everybody sees.
	r.oracle.cut(e.durable)
	r.acked = e.durable
	for path, was := range r.shown {
		s := e.table.Lookup(path)
		if s == nil || s.ID != was.id {
			continue // deleted or expired later; the records say so
		}
		if s.Tail < was.tail || was.closed && !s.Closed {
			return fmt.Errorf("%w: %s was shown with tail %d (closed %t), now %d (closed %t)", errLaw, path, was.tail, was.closed, s.Tail, s.Closed)
		}
	}
	r.shown = nil
	return nil
}

// retry sends again what producers got no answer for: each request must land
// exactly once.
func (r *crashes) retry(e *Engine) error {
	for _, again := range r.retries {
		for range 3 {
			t := e.Append(&again)
			if t.Retry {
				e.Commit()
				continue
			}
			if t.Code == stream.Appended {
				if dup := e.Append(&again); !dup.Retry && dup.Code != stream.Duplicate {
					return fmt.Errorf("%w: a repeated request of producer %s seq %d is %s", errLaw, again.Producer.ID, again.Producer.Seq, dup.Code)
				}
			}
			break
		}
	}
	return nil
}

// TestOpeningTwiceChangesNothing opens a crashed store again and again.
func TestOpeningTwiceChangesNothing(t *testing.T) {
	seed := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 7))
	r := &crashes{rng: rng, clock: newFakeClock(), disk: memfs.New(), oracle: newOracle()}
	r.work = newWorkload(rng, r.clock)
	if err := r.generation(); err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 3 {
		e := mustOpen(t, manualOptions(r.disk, r.clock, rng))
		var got bytes.Buffer
		dump(e, &got)
		if i == 0 {
			first = got.String()
		} else if got.String() != first {
			t.Fatalf("open %d found\n%s\nthe first found\n%s", i+1, got.String(), first)
		}
		r.disk = r.disk.Crash(rng, memfs.KeepAll)
	}
}
