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
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var crashSeeds = flag.Int("engine.crash-seeds", seedsDefault(), "seeds of the crash simulation, each of four generations of 300 steps")

// seedsDefault: the race detector makes a run many times as long, and finds
// what it finds in a few.
func seedsDefault() int {
	if raceEnabled {
		return 40
	}
	return 1000
}

const (
	generations        = 4
	stepsPerGeneration = 300
)

// TestCrashKeepsWhatWasAcknowledged stops a store anywhere, at a step or in
// the middle of an I/O operation, loses what was not synced, and opens it
// again. What is found must be exactly the records of the first so many
// batches, no fewer than were acknowledged. In between, what readers get is
// compared with the records too.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	first := firstSeed(t)
	var next atomic.Int64
	var wg sync.WaitGroup
	var all tally
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(*crashSeeds) || t.Failed() {
					return
				}
				seed := first + uint64(i)
				if err := crashRun(seed, &all); err != nil {
					t.Errorf("-engine.seed=%d -engine.crash-seeds=1: %v", seed, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d seeds x %d generations x %d steps in %v: %v", *crashSeeds, generations, stepsPerGeneration,
		time.Since(began).Round(time.Millisecond), &all)
	if *crashSeeds >= 500 && !t.Failed() {
		if never := all.never(); len(never) > 0 {
			t.Errorf("the runs never got to: %q", never)
		}
	}
}

// crashRun is one store through its generations.
func crashRun(seed uint64, all *tally) error { return newCrashes(seed, all).generations() }

func (r *crashes) generations() error {
	for g := range generations {
		for left := stepsPerGeneration; left > 0; {
			done, err := r.life(left)
			if err != nil {
				return fmt.Errorf("generation %d, %d steps to go: %w", g, left-done, err)
			}
			left -= max(done, 1)
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
	tally  *tally
	large  bool // some appends are larger than a block can be
	parted bool // segments are so small that streams are divided

	tier     *tierWorld  // or nil
	faults   *faultfs.FS // of this life
	ended    func(*faultfs.FS)
	full     bool   // the disk is
	capacity int64  // then
	backups  int    // begun
	ballast  int    // the largest there was
	acked    uint64 // batches that somebody was told of
	pending  []pendingTicket
	retries  []stream.Append  // producers' requests whose answer got lost
	shown    map[string]shown // the furthest that a reader saw of each path
}

// pendingTicket is one that is not ready yet.
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

func newCrashes(seed uint64, all *tally) *crashes {
	rng := rand.New(rand.NewPCG(seed, 0))
	r := &crashes{rng: rng, clock: newFakeClock(), disk: memfs.New(), oracle: newOracle(), tally: all}
	r.work = newWorkload(rng, r.clock)
	r.parted = seed%4 == 1
	if r.large = seed%32 == 7; r.large {
		r.work.largeBody = 1<<20 + 5000
	}
	return r
}

func (r *crashes) options(fs vfs.FS) Options {
	o := manualOptions(fs, r.clock, r.rng)
	o.SoloMinBytes = 1000
	if r.large {
		o.LogFileBytes, o.BodyBytesMax = 4<<20, 1<<20+64<<10
	}
	if r.parted {
		o.SegmentBytes = 400
	}
	if r.tier != nil {
		o.Tier = r.tier.options()
		o.BlockCacheBytes = 2 << 10 // so that reads go further
	}
	return o
}

// life opens the store, checks it, works on it for some steps and crashes.
func (r *crashes) life(steps int) (done int, err error) {
	r.tally.lives.Add(1)
	if r.rng.IntN(4) == 0 {
		if err := r.checkDisk("after a crash"); err != nil {
			return 0, err
		}
	}
	if r.rng.IntN(4) == 0 {
		if err := r.crashInOpen(); err != nil {
			return 0, err
		}
	}
	r.faults = faultfs.New(r.disk)
	kept := len(r.disk.Snapshot()["store/BALLAST"])
	r.ballast = max(r.ballast, kept)
	e, err := r.openTiered(r.faults)
	if r.full && kept < r.ballast && errors.Is(err, vfs.ErrNoSpace) {
		// Opening takes room, and of what is kept for that too much is used up.
		r.tally.noRoom.Add(1)
		r.lift()
		r.faults = faultfs.New(r.disk)
		e, err = r.openTiered(r.faults)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: open: %w", errLaw, err)
	}
	if err := r.check(e); err != nil {
		return 0, err
	}
	e.tap = func(batch uint64, head, body []byte) {
		if stream.Kind(head[0]) == stream.KindTrim {
			r.tally.dropped.Add(1)
		}
		r.oracle.tap(batch, head, body)
	}
	if err := r.retry(e); err != nil {
		return 0, err
	}
	r.arm()
	if done, err = r.run(e, steps); err != nil {
		return done, err
	}
	r.tally.sawFiles(r.faults)
	if r.ended != nil {
		r.ended(r.faults)
	}
	if e.Err() == nil && !r.faults.Stopped() {
		if err := r.end(e); err != nil {
			return done, err
		}
	}
	r.crash()
	return done, nil
}

// arm makes an I/O operation of the coming run fail or be the last one.
func (r *crashes) arm() {
	at := r.faults.Calls() + 1 + r.rng.IntN([]int{60, 400, 2000}[r.rng.IntN(3)])
	if w := r.tier; w != nil {
		if w.cutAt = 0; r.rng.IntN(3) == 0 {
			w.cutAt, w.after = w.calls+1+r.rng.IntN([]int{10, 60, 300}[r.rng.IntN(3)]), r.rng.IntN(2) == 0
		}
	}
	switch r.rng.IntN(3) {
	case 0: // power is lost after this operation
		r.faults.Inject(func(op faultfs.Op) faultfs.Fault {
			return faultfs.Fault{StopAfter: op.N >= at}
		})
	case 1: // this operation fails; the log must not say otherwise
		failure := error(errInjected)
		if r.rng.IntN(3) == 0 {
			failure = vfs.ErrNoSpace
		}
		struck := false
		r.faults.Inject(func(op faultfs.Op) faultfs.Fault {
			if struck || op.N < at || !op.Kind.Mutates() {
				return faultfs.Fault{}
			}
			struck = true
			return faultfs.Fault{Err: failure, Short: r.rng.IntN(int(max(op.Len, 1)))}
		})
	}
}

// end is for a life that no fault ended. Sometimes the store is closed: what is
// staged becomes durable on the way.
func (r *crashes) end(e *Engine) error {
	if r.full && r.rng.IntN(2) == 0 {
		if err := r.recoverFromFull(e); err != nil {
			return err
		}
	}
	if r.rng.IntN(5) > 0 || e.Err() != nil {
		return nil
	}
	idle := e.flush == nil && e.merge == nil && e.backup == nil
	if err := e.Close(); err != nil {
		return nil // the fault struck, or there was no room
	}
	r.tally.closes.Add(1)
	r.acked = e.durable
	r.pending = nil
	if used, named := r.disk.Used(), r.disk.Clone().Used(); idle && used != named {
		return fmt.Errorf("%w: a closed store holds %d bytes of files without a name", errLaw, used-named)
	}
	return r.checkDisk("after a clean end")
}

// crash loses power.
func (r *crashes) crash() {
	if r.tier != nil {
		r.tier.cutAt = 0
	}
	r.retries = r.retries[:0]
	for _, p := range r.pending {
		if p.append.Producer.ID != "" {
			r.retries = append(r.retries, p.append)
		}
	}
	r.pending = r.pending[:0]
	keep := []memfs.Keep{memfs.KeepNone, memfs.KeepSome, memfs.KeepSome, memfs.KeepAll}[r.rng.IntN(4)]
	r.cutPower(keep)
	if r.full && r.rng.IntN(2) == 0 {
		r.lift()
	}
}

// cutPower leaves what a power cut does. No real disk has more afterwards than
// it can hold: it does not give away the space of a file whose removal it may
// forget.
func (r *crashes) cutPower(keep memfs.Keep) {
	r.disk = r.disk.Crash(r.rng, keep)
	if r.full {
		r.capacity = max(r.capacity, r.disk.Used())
		r.disk.SetCapacity(r.capacity)
	}
}

// crashInOpen loses power in the middle of recovery.
func (r *crashes) crashInOpen() error {
	faults := faultfs.New(r.disk)
	at := 1 + r.rng.IntN(60)
	faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N >= at} })
	r.faults = faults
	e, err := r.openTiered(faults)
	if err == nil {
		err = r.check(e)
	}
	if err != nil && !errors.Is(err, faultfs.ErrStopped) && !(r.full && errors.Is(err, vfs.ErrNoSpace)) {
		return fmt.Errorf("%w: open until a crash: %w", errLaw, err)
	}
	r.cutPower(memfs.KeepSome)
	return nil
}

// TestOpeningTwiceChangesNothing opens a crashed store again and again.
func TestOpeningTwiceChangesNothing(t *testing.T) {
	seed := firstSeed(t)
	var all tally
	for i := range uint64(20) {
		r := newCrashes(seed+i, &all)
		if _, err := r.life(stepsPerGeneration); err != nil {
			t.Fatalf("-engine.seed=%d: %v", seed+i, err)
		}
		var first string
		for i := range 3 {
			e := mustOpen(t, r.options(r.disk))
			var got bytes.Buffer
			if err := dump(e, &got); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = got.String()
			} else if got.String() != first {
				t.Fatalf("open %d found\n%s\nthe first found\n%s", i+1, got.String(), first)
			}
			r.disk = r.disk.Crash(r.rng, memfs.KeepAll)
		}
	}
}
