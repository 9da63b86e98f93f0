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

	maintainEvery = time.Second
	flushRetry    = time.Second
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
		e.rowsSince+len(e.changed) > deltaRows+e.table.Len()/deltaShare
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
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.flushNow:
		case <-tick.C:
		case <-e.stop:
			return
		}
		e.mu.Lock()
		wanted := e.wantsFlush()
		e.mu.Unlock()
		if !wanted {
			continue
		}
		if err := e.Flush(); err != nil && !e.survives(err) {
			return
		}
		signal(e.mergeNow)
	}
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
	if !e.beginFlush() {
		return nil
	}
	for {
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

// merger merges whenever it is worth it, and removes what nobody needs.
func (e *Engine) merger() {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.mergeNow:
		case <-tick.C:
		case <-e.stop:
			return
		}
		if err := e.Merge(); err != nil && !e.survives(err) {
			return
		}
		if err := e.sweepGarbage(); err != nil && !e.survives(err) {
			return
		}
	}
}

// Merge merges until nothing is worth it, or the engine is closed.
func (e *Engine) Merge() error {
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

// shut ends the manifest. If the log was closed well, the manifest says where
// it ends.
func (e *Engine) shut(clean bool) error {
	if clean && e.lastMark.seq > 0 {
		err := e.manifest.Append(manifest.Shut{Seq: e.lastMark.seq})
		if err != nil && !errors.Is(err, manifest.ErrNoSpace) {
			return errors.Join(err, e.manifest.Close())
		}
	}
	return e.manifest.Close()
}
