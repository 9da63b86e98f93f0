package engine

import (
	"strings"
	"testing"
	"time"

	"tailrace/internal/vfs/faultfs"
)

// TestScrubFindsDamageOfWhatNobodyReads: each segment is read once in the given
// time, damage is counted and logged, and the next segment's turn comes.
func TestScrubFindsDamageOfWhatNobodyReads(t *testing.T) {
	seed := firstSeed(t)
	c := prepare(t, seed).begin(seed)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	all := c.e.version.segments()
	if all < 2 {
		t.Fatalf("%d segments", all)
	}
	pass := func() (n int) {
		for c.e.scrub() {
			n++
		}
		return n
	}
	if n := pass(); n != 0 {
		t.Errorf("%d segments of today were read", n)
	}
	c.clock.advance(c.e.opts.ScrubEvery)
	if n := pass(); n != all || c.e.Stats().Damage != 0 {
		t.Errorf("%d of %d segments were read, %d damaged", n, all, c.e.Stats().Damage)
	}
	if n := pass(); n != 0 {
		t.Errorf("%d segments were read again at once", n)
	}
	name := c.damageSegment(t, "store")
	c.clock.advance(c.e.opts.ScrubEvery - time.Millisecond)
	if n := pass(); n != 0 {
		t.Errorf("%d segments were read too early", n)
	}
	c.clock.advance(time.Millisecond)
	from := c.faults.Calls()
	if n := pass(); n != all || c.e.Stats().Damage != 1 {
		t.Errorf("%d of %d segments were read, %d damaged", n, all, c.e.Stats().Damage)
	}
	read := map[string]bool{}
	for _, op := range c.faults.Trace() {
		if op.N > from && op.Kind == faultfs.ReadAt {
			read[op.Name] = true
		}
	}
	if len(read) != all || !read[name] {
		t.Errorf("%v were read, %s is damaged", read, name)
	}

	// What a merge brings is new.
	if err := c.e.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(c.e.scrubbed) != all {
		t.Errorf("%d segments are remembered", len(c.e.scrubbed))
	}
}

// TestScrubEndsWithTheEngine: a close does not wait for the rate.
func TestScrubEndsWithTheEngine(t *testing.T) {
	clock := newFakeClock()
	clock.advance(time.Hour)
	faults := faultfs.New(prepare(t, firstSeed(t)).disk)
	e := mustOpen(t, Options{
		FS: faults, Dir: "store", LogFileBytes: 64 << 10, BodyBytesMax: 8 << 10, Clock: clock, MergeFanIn: 100,
		ScrubRate: 1, ScrubEvery: time.Minute,
	})
	reads := make(chan struct{}, 1)
	faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.ReadAt && strings.HasSuffix(op.Name, ".seg") {
			signal(reads)
		}
		return faultfs.Fault{}
	})
	done := make(chan bool)
	go func() { done <- e.scrub() }()
	<-reads
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if <-done {
		t.Error("a segment was read at once, at a byte a second")
	}
	if n := e.damage.Load(); n != 0 {
		t.Errorf("the end of a scrub counts as %d times damage", n)
	}
}

// TestReadErrorsAreDamageToScrub: what cannot be read back is as lost as what
// reads wrong.
func TestReadErrorsAreDamageToScrub(t *testing.T) {
	seed := firstSeed(t)
	c := prepare(t, seed).begin(seed)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	c.clock.advance(c.e.opts.ScrubEvery)
	c.faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.ReadAt && strings.HasSuffix(op.Name, ".seg") {
			return faultfs.Fault{Err: faultfs.ErrInjected}
		}
		return faultfs.Fault{}
	})
	for c.e.scrub() {
	}
	if got := c.e.Stats().Damage; got != int64(c.e.version.segments()) {
		t.Errorf("%d of %d segments are damaged", got, c.e.version.segments())
	}
}
