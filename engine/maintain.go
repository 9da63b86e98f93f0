package engine

import (
	"errors"
	"time"

	"tailrace/internal/manifest"
	"tailrace/wal"
)

// When to flush, beside Options.FlushBytes and FlushAge.
const (
	// logFilesMax is how much log a store keeps before it flushes what is little:
	// it bounds what opening has to read.
	logFilesMax = 8

	// deltasMax bounds the files of a checkpoint.
	deltasMax = 32

	// Rows in deltas may be this part of all rows before a snapshot is written.
	deltaShare = 4
	deltaRows  = 4096

	// maintainEvery is how often it is looked what there is to do, and how long a
	// failure is waited out at first; retryMax is how long at last. A disk may
	// have room again at any time.
	maintainEvery = time.Second
	retryMax      = 8 * time.Second
)

// wantsFlush reports whether it is time. Engine.mu is held.
func (e *Engine) wantsFlush() bool {
	if e.flush != nil || e.durable == e.checkpoint.Batch {
		return false
	}
	return e.unflushedBytes() >= e.opts.FlushBytes ||
		e.lastMark.pos.File >= e.checkpoint.WALFile+logFilesMax ||
		e.now()-e.checkpointAt >= e.opts.FlushAge.Milliseconds()
}

// wantsSnapshot reports whether the next checkpoint should have all streams.
// Engine.mu is held.
func (e *Engine) wantsSnapshot() bool {
	return e.checkpoint.Snapshot == 0 || len(e.checkpoint.Deltas) >= deltasMax ||
		e.rowsSince+len(e.sorted)+len(e.changed) > deltaRows+e.table.Len()/deltaShare
}

// holdCommits makes the committer wait while more than the budget is in memory
// and a flush is making room.
func (e *Engine) holdCommits() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	// Never what the flush itself waits for.
	if e.unflushedBytes() <= e.opts.FrameBytesMax || e.flush == nil || e.durable < e.flush.freeze.batch {
		return nil
	}
	if e.held == nil {
		e.held = make(chan struct{})
	}
	return e.held
}

// releaseHeld lets the committer go on. Engine.mu is held.
func (e *Engine) releaseHeld() {
	if e.held != nil {
		close(e.held)
		e.held = nil
	}
}

// flusher flushes whenever it is time.
func (e *Engine) flusher() {
	failures := 0
	for e.await(e.flushNow, failures) {
		e.mu.Lock()
		wanted := e.wantsFlush()
		e.mu.Unlock()
		if !wanted {
			continue
		}
		if err := e.Flush(); err == nil {
			failures = 0
		} else if failures++; !e.survives(err) {
			return
		}
		signal(e.diskNow)
		signal(e.mergeNow)
		signal(e.tierNow)
		signal(e.evictNow)
	}
}

// merger merges whenever it is worth it, and removes what nobody needs.
func (e *Engine) merger() {
	failures := 0
	for e.await(e.mergeNow, failures) {
		if err := errors.Join(e.Merge(), e.sweepGarbage()); err == nil {
			failures = 0
		} else if failures++; !e.survives(err) {
			return
		}
	}
}

// evicter lets segments leave the disk. It does not wait for merges: one that is
// considerate of appends takes long, and many may follow each other, while the disk
// has a budget.
func (e *Engine) evicter() {
	failures := 0
	for e.await(e.evictNow, failures) {
		if err := e.evict(); err == nil {
			failures = 0
		} else if failures++; !e.survives(err) {
			return
		}
	}
}

// await waits until there may be reason to do something, and after failures
// longer each time. It is false when the engine is closed.
func (e *Engine) await(reason <-chan struct{}, failures int) bool {
	d := maintainEvery
	if failures > 0 {
		reason = nil
		d = min(maintainEvery<<min(failures-1, 10), retryMax)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-reason:
	case <-timer.C:
	case <-e.stop:
		return false
	}
	return true
}

// survives reports whether the engine lives on after an error of maintenance.
// If so it is tried again; if not the engine has failed.
func (e *Engine) survives(err error) bool {
	if errors.Is(err, wal.ErrFailed) || errors.Is(err, wal.ErrClosed) {
		return false // the log tells everybody
	}
	if errors.Is(err, manifest.ErrFailed) {
		e.group.Fail(err)
		return false
	}
	e.opts.Logger.Warn("maintenance failed and is tried again", "err", err)
	return true
}

// Flush makes a segment of everything that is in none, and returns when the log
// is not needed for it any more.
func (e *Engine) Flush() error {
	e.flushing.Lock()
	defer e.flushing.Unlock()
	e.sortChanged()
	if !e.beginFlush() {
		return nil
	}
	for {
		if e.stopping() {
			return e.cancelFlush()
		}
		more, err := e.stepFlush()
		if err != nil || !more {
			return err
		}
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Merge merges until nothing is worth it, or the engine is closed.
func (e *Engine) Merge() error {
	e.merging.Lock()
	defer e.merging.Unlock()
	for e.beginMerge() {
		for {
			if e.stopping() {
				return e.cancelMerge()
			}
			more, err := e.stepMerge()
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

func (e *Engine) stopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}
