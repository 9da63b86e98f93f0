package wal

import (
	"errors"
	"runtime"
	"time"
)

// The goroutines of a Group that is not Manual: one commits, one makes spares.

// allocateRetry is how often a full disk is asked again.
const allocateRetry = time.Second

// drain commits until nothing is staged or the log failed.
func (g *Group) drain() {
	for {
		if !g.o.Manual {
			g.awaitRelease()
			g.awaitSpare()
			g.gather()
			if g.corked() {
				return // Uncork wakes
			}
		}
		if ok, _ := g.Commit(); !ok {
			return
		}
	}
}

// awaitSpare waits while the next file is being made and the current one could
// not take another batch of the largest size. Callers that stage as fast as
// they are answered are slowed down by that to what the medium can do, where
// they would be refused once the file is full.
func (g *Group) awaitSpare() {
	for first := true; g.wantsSpare(); first = false {
		if first {
			g.waitsForSpare()
		}
		select {
		case <-g.allocated:
		case <-g.quit:
			return
		}
	}
}

// wantsSpare tells whether awaitSpare waits.
func (g *Group) wantsSpare() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	short := g.room-g.reserve-g.claimed < FrameSize(g.o.FrameBytesMax)
	return short && len(g.queue) > 0 && !g.full && g.err == nil && !g.log.Spare()
}

// Lead commits what is staged in the goroutine of the caller, who spares the
// switch to the committer and back by that. It is false if there is nothing to
// commit, or the committer would wait for something else than the medium first;
// what is staged is then the committer's. It is called with a cork in place, or
// the committer may be faster.
func (g *Group) Lead() bool {
	if g.o.Hold != nil && g.o.Hold() != nil || g.wantsSpare() {
		return false
	}
	ok, _ := g.Commit() // a failure was told to everybody by fail
	if ok && g.unwatched.CompareAndSwap(true, false) {
		signal(g.wake) // for the witness
	}
	return ok
}

// awaitRelease waits while Hold keeps the next batch from being committed. The
// frame before it gets its witness all the same: the wait may be long.
func (g *Group) awaitRelease() {
	for g.o.Hold != nil && g.waiting() {
		released := g.o.Hold()
		if released == nil {
			return
		}
		var idle <-chan time.Time
		if g.o.WitnessIdle > 0 && g.owesWitness() {
			idle = time.After(g.o.WitnessIdle)
		}
		select {
		case <-released:
		case <-idle:
			g.witness(true) // a failure was told to everybody by fail
		case <-g.ended:
			return
		case <-g.quit:
			return
		}
	}
}

// corked tells whether the open batch is the next and waits for more. A group
// that is being closed waits for nobody.
func (g *Group) corked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.corks > 0 && len(g.queue) == 1 && g.queue[0].N > g.uncorked && !g.closed
}

// waiting tells whether a batch is staged.
func (g *Group) waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0
}

// gather lets others run as long as that adds to the open batch. A commit costs
// the same for one record as for many, so whoever can stage without waiting for
// anything goes first; when nobody can, this returns at once.
func (g *Group) gather() {
	for seen := -1; ; {
		g.mu.Lock()
		n := 0
		if len(g.queue) == 1 {
			n = g.queue[0].records
		}
		g.mu.Unlock()
		if n <= seen || n == 0 {
			return
		}
		seen = n
		runtime.Gosched()
	}
}

// commitAll is the committer: the one goroutine that writes to the log. It ends
// after Close, with everything committed.
func (g *Group) commitAll() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.drain()
		// Who leads need not wake the committer for each commit: it sees when it
		// looks at the clock that there was another.
		var idle <-chan time.Time
		g.unwatched.Store(true)
		if g.o.WitnessIdle > 0 && g.owesWitness() && !g.waiting() { // what is staged is going to testify
			g.unwatched.Store(false)
			timer.Reset(max(g.idleRest(), 0))
			idle = timer.C
		}
		select {
		case <-g.wake:
		case <-idle:
			if g.idleRest() <= 0 {
				g.Witness() // a failure was told to everybody by fail
			}
		case <-g.quit:
			g.drain()
			return
		}
	}
}

func (g *Group) owesWitness() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.untold && g.err == nil
}

// idleRest is how much longer the log has to be idle for a witness.
func (g *Group) idleRest() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.o.WitnessIdle - time.Since(g.times.last)
}

// allocateAhead makes a spare whenever there is none. It ends when the group
// failed or is closed.
func (g *Group) allocateAhead() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var retry <-chan time.Time
		switch err := g.Allocate(); {
		case err == nil:
			if !g.log.Spare() {
				// It is in service already, and whoever took it may have seen the
				// disk still called full, when nobody asks for another.
				continue
			}
		case errors.Is(err, ErrNoSpace) && !errors.Is(err, ErrFailed):
			timer.Reset(allocateRetry)
			retry = timer.C
		default:
			return
		}
		select {
		case <-g.spare:
		case <-retry:
		case <-g.quit:
			return
		}
	}
}
