package wal

import (
	"errors"
	"slices"
	"time"
)

// Commit makes the oldest batch durable and returns false when there was none.
// An error is final and matches ErrFailed.
func (g *Group) Commit() (bool, error) {
	g.committing.Lock()
	defer g.committing.Unlock()
	g.mu.Lock()
	if g.err != nil || len(g.queue) == 0 {
		defer g.mu.Unlock()
		return false, g.err
	}
	b := g.queue[0]
	g.queue = slices.Delete(g.queue, 0, 1)
	var begin time.Time
	if !g.o.Manual {
		begin = time.Now()
		g.meters.begin(b, begin)
	}
	g.mu.Unlock()

	place, err := g.log.Append(Frame{Payload: b.payload, Records: b.records, At: g.o.Now()})
	if err != nil {
		return false, g.fail(err, b)
	}
	b.place = place
	g.mu.Lock()
	if !g.o.Manual {
		g.times.add(begin, time.Now())
	}
	g.meters.end(b)
	g.staged -= int64(len(b.payload))
	g.claimed -= FrameSize(len(b.payload))
	g.room = g.log.Room()
	g.untold = true
	full := g.full // then the clock decides when to try again
	if err = g.err; err == nil {
		g.durable.Store(b.N)
	}
	g.mu.Unlock()
	if err != nil {
		// Failed was called while this batch was written: no answer after that
		// claims success.
		return false, g.fail(err, b)
	}
	if !full && !g.log.Spare() {
		signal(g.spare)
	}
	g.o.Committed(b)
	g.mu.Lock()
	g.bufs.give(b.payload)
	b.payload = nil
	g.mu.Unlock()
	b.finish(nil)
	return true, nil
}

// Witness writes a witness for the newest frame. It does nothing when there is
// one, or when a staged batch is going to testify. An error is final and
// matches ErrFailed.
func (g *Group) Witness() error { return g.witness(false) }

// witness is Witness. held means that staged batches have to wait and testify
// for nothing; then it does nothing that would take the room claimed for them.
func (g *Group) witness(held bool) error {
	g.committing.Lock()
	defer g.committing.Unlock()
	g.mu.Lock()
	waits := len(g.queue) > 0 && (!held || g.claimed+FrameSize(0) > g.room)
	if g.err != nil || !g.untold || waits {
		defer g.mu.Unlock()
		return g.err
	}
	// Records staged from here on see that the witness takes room.
	g.claimed += FrameSize(0)
	g.mu.Unlock()
	if err := g.log.Witness(); err != nil {
		return g.fail(err, nil)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.claimed -= FrameSize(0)
	g.room = g.log.Room()
	g.untold = false
	return nil
}

// Allocate makes the next file of the log ready. An error that matches
// ErrNoSpace leaves everything healthy; ErrClosed means that the log was
// closed meanwhile; others are final and match ErrFailed.
func (g *Group) Allocate() error {
	err := g.log.Allocate()
	defer signal(g.allocated)
	full := errors.Is(err, ErrNoSpace) && !errors.Is(err, ErrFailed)
	if err != nil && !full {
		if errors.Is(err, ErrClosed) && !errors.Is(err, ErrFailed) {
			return err
		}
		return g.fail(err, nil)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.room = g.log.Room()
	g.full = full
	return err
}

// Trim gives up what the log holds in files before upTo.File. It does not wait
// for commits, nor they for it but for moments. The errors are those of
// Log.Trim: one that matches ErrNoSpace or ErrClosed leaves everything as it
// was; others are final and match ErrFailed.
func (g *Group) Trim(upTo Pos) error {
	err := g.log.Trim(upTo)
	switch {
	case err == nil:
		g.SpaceFreed() // a full disk may have a spare now
	case errors.Is(err, ErrFailed):
		return g.fail(err, nil)
	}
	return err
}

// SpaceFreed tells that the disk may have room again, so that a group that
// waits for it tries at once.
func (g *Group) SpaceFreed() { signal(g.spare) }
