package engine

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var crashAll = flag.Bool("engine.crash-all", false, "many outcomes of every crash point, and crashes in every recovery from one")

// cutSeeds is how many times what was not synced is kept in part.
func cutSeeds() int {
	switch {
	case *crashAll:
		return 40
	case raceEnabled:
		return 0
	}
	return 3
}

// scene is something that an engine does, to be cut at every operation of it.
type scene struct {
	base *image
	// prelude brings the engine up to the act; it is never cut.
	prelude func(c *cut) error
	act     func(c *cut) error
	opening bool // the act begins with Open, which is cut too
}

// image is a store as a process that was killed left it.
type image struct {
	disk   *memfs.FS
	oracle *oracle
	acked  uint64
}

// cut is one run of a scene.
type cut struct {
	*crashes
	e *Engine
}

// begin opens a copy of the store. Every run of a seed does the same I/O.
func (b *image) begin(seed uint64) *cut {
	rng := rand.New(rand.NewPCG(seed, 31))
	r := &crashes{
		rng: rng, clock: newFakeClock(), disk: b.disk.Clone(), oracle: b.oracle.clone(), acked: b.acked,
		tally: new(tally), shown: map[string]shown{},
	}
	r.work = newWorkload(rng, r.clock)
	r.faults = faultfs.New(r.disk)
	return &cut{crashes: r}
}

func (c *cut) open() error {
	e, err := Open(c.options(c.faults))
	if err != nil {
		return err
	}
	c.e = e
	e.tap = c.oracle.tap
	return nil
}

// commit makes what is staged durable, and so acknowledged.
func (c *cut) commit() error {
	for {
		more, err := c.e.Commit()
		if err != nil {
			return err
		}
		c.acked = c.e.durable
		if !more {
			return nil
		}
	}
}

// do asks until it is decided, and commits.
func (c *cut) do(op func(*Engine) Ticket) error {
	for range 4 {
		t := op(c.e)
		if err := c.commit(); err != nil {
			return err
		}
		if !t.Retry {
			return nil
		}
	}
	return errors.New("told to retry for ever")
}

// run does the scene. stop, if not 0, is the operation after which there is no
// more power; 1 is the first of the act.
func (s *scene) run(seed uint64, stop int) (c *cut, from int, err error) {
	c = s.base.begin(seed)
	arm := func() {
		if from = c.faults.Calls(); stop > 0 {
			c.faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == from+stop} })
		}
	}
	if s.opening {
		arm()
	}
	if err = c.open(); err == nil && s.prelude != nil {
		err = s.prelude(c)
	}
	if !s.opening {
		if err != nil {
			return c, 0, fmt.Errorf("prelude: %w", err)
		}
		arm()
	}
	if err == nil {
		err = s.act(c)
	}
	return c, from, err
}

// everyCut cuts a scene after each of its operations that changes the medium,
// and opens what is left in every outcome. It returns the number of outcomes.
func everyCut(t *testing.T, seed uint64, s *scene) (outcomes int) {
	t.Helper()
	whole, from, err := s.run(seed, 0)
	if err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	cuts := 0
	for _, op := range whole.faults.Trace() {
		if op.N <= from || !op.Kind.Mutates() {
			continue
		}
		cuts++
		c, _, _ := s.run(seed, op.N-from)
		if !c.faults.Stopped() {
			t.Fatalf("%v was not reached again", op)
		}
		for i := range cutSeeds() + 2 {
			keep := memfs.KeepSome
			if i < 2 {
				keep = []memfs.Keep{memfs.KeepNone, memfs.KeepAll}[i]
			}
			rng := rand.New(rand.NewPCG(seed+uint64(i), uint64(op.N)))
			if err := c.survives(c.disk.Crash(rng, keep)); err != nil {
				t.Fatalf("-engine.seed=%d: power cut after %v, unsynced data kept: %v %d: %v", seed, op, keep, i, err)
			}
			outcomes++
		}
	}
	if cuts < 4 {
		t.Fatalf("only %d operations could be cut", cuts)
	}
	t.Logf("%d operations change the medium, %d outcomes", cuts, outcomes)
	return outcomes
}

// survives opens what a power cut left: Check finds no fault, all that was
// acknowledged is there, and the store works on.
func (c *cut) survives(disk *memfs.FS) error {
	next := (&image{disk: disk, oracle: c.oracle, acked: c.acked}).begin(1)
	if err := next.checkDisk("after the crash"); err != nil {
		return err
	}
	if err := next.open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := next.check(next.e); err != nil {
		return err
	}
	for i := range 2 {
		err := next.do(appendTo(fmt.Sprintf("later%d", i), "text/plain", "later"))
		if err == nil {
			err = next.do(create(fmt.Sprintf("later%d", i), "text/plain", "later"))
		}
		if err == nil {
			err = next.e.Flush()
		}
		if err == nil {
			err = next.e.Merge()
		}
		if err != nil {
			return fmt.Errorf("work after the crash: %w", err)
		}
	}
	if err := next.same(next.e); err != nil {
		return fmt.Errorf("after work: %w", err)
	}
	if err := next.e.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return next.checkDisk("after work")
}

// prepare makes the store that scenes begin with: several layers, with a
// stream that is Gone and its fork, streams that are dead, and others by chance.
// The newest deletes, and a little more, are in the log only.
func prepare(t *testing.T, seed uint64) *image {
	t.Helper()
	empty := &image{disk: memfs.New(), oracle: newOracle()}
	c := empty.begin(seed)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("-engine.seed=%d: prepare: %v", seed, err)
		}
	}
	must(c.open())
	for round := range 3 {
		for range 25 {
			must(c.do(c.work.op()))
			if c.rng.IntN(3) == 0 {
				must(c.e.Allocate())
			}
		}
		switch round {
		case 0:
			must(c.do(create("source", "text/plain", "shared by both")))
			must(c.do(create("dead", "text/plain", "of no use soon")))
		case 1:
			must(c.do(func(e *Engine) Ticket {
				return e.Create(&stream.Create{Path: "fork", From: "source", TTL: stream.NoTTL})
			}))
			must(c.do(appendTo("source", "text/plain", "not seen by the fork")))
			must(c.do(create("dead too", "text/plain", "of no use soon")))
		}
		must(c.e.Flush())
	}
	must(c.do(create("newest", "text/plain", "in no segment yet")))
	for _, path := range []string{"source", "dead", "dead too"} {
		must(c.do(func(e *Engine) Ticket { return e.Delete(path) }))
	}
	if s := c.e.table.ByID(c.e.table.Lookup("fork").Source().ID); !s.Gone {
		t.Fatal("the source is not Gone")
	}
	return &image{disk: c.disk.Crash(nil, memfs.KeepAll), oracle: c.oracle, acked: c.acked}
}
