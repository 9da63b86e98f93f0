package engine

import (
	"fmt"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/segment"
	"tailrace/wal"
)

// flush turns the batches since the last checkpoint into a segment and a new
// checkpoint. It goes in steps, and the engine works on between them: no append
// waits for one. In order, each durable before the next:
//
//	begin    the manifest announces the files
//	write    the segment, and the rows of the streams that changed
//	commit   one edit makes the segment live and moves the checkpoint
//	drop     indexes forget what the segment has, frames leave memory
//	trim     the log gives up the files below the checkpoint
//
// A crash before the edit leaves files that the manifest calls unfinished, one
// after it leaves frames in the log that replay skips.
type flush struct {
	freeze *freeze
	end    logMark // of the frozen batch, once it is durable
	full   bool    // the checkpoint is a snapshot, not a delta
	began  time.Time
	next   func() (bool, error) // the step to do

	act     uint64
	segment outputSegment
	rows    outputRows

	frames  []*frameData // of the frozen batches, in order
	chunk   []taken      // scratch: what one step writes
	dropped int          // of freeze.changed
}

// logMark is the end of a batch in the log.
type logMark struct {
	batch uint64
	seq   uint64
	pos   wal.Pos // where its frame begins
	end   int64   // where that ends; 0 if an earlier process wrote it
	at    int64
}

// taken is a stream on its way into the files of a flush.
type taken struct {
	id stream.ID
	capture
}

// Bounds of one step, and so of how long it holds the engine's mutex.
const (
	visitStreamsMax  = 256
	visitRowBytesMax = 256 << 10
	dropStreamsMax   = 2048
)

// beginFlush freezes what is to be flushed. It is false when there is nothing.
func (e *Engine) beginFlush() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flush != nil || e.newest() == e.checkpoint.Batch {
		return false
	}
	full := e.wantsSnapshot()
	f := &flush{freeze: e.beginFreeze(full), full: full, began: time.Now()}
	f.next = func() (bool, error) { return e.awaitFrozen(f) }
	if f.freeze.batch == e.lastMark.batch {
		f.end = e.lastMark
	}
	e.frames.hold(f.freeze.batch)
	e.flush = f
	return true
}

// newest is the number of the newest batch, staged or durable.
func (e *Engine) newest() uint64 { return e.durable + uint64(len(e.inflight)) }

// awaitFrozen goes on once the frozen batch is durable: what a segment has must
// not be taken back.
func (e *Engine) awaitFrozen(f *flush) (bool, error) {
	e.mu.Lock()
	b := e.batch(f.freeze.batch)
	e.mu.Unlock()
	switch {
	case b == nil:
		f.next = func() (bool, error) { return true, e.openFlush(f) }
		return true, nil
	case e.opts.Manual:
		return false, nil
	}
	<-b.Done()
	return true, b.Err()
}

// openFlush announces the files and makes them.
func (e *Engine) openFlush(f *flush) error {
	rows := manifest.FileDelta
	if f.full {
		rows = manifest.FileSnapshot
	}
	act, err := e.manifest.Begin(manifest.ActFlush, manifest.FileSegment, rows)
	if err != nil {
		return err
	}
	f.act = act.ID
	if err := f.segment.open(e, act.Outputs[0], 0, nil); err != nil {
		return err
	}
	if err := f.rows.open(e, act.Outputs[1], f); err != nil {
		return err
	}
	e.mu.Lock()
	f.frames = e.frames.between(e.checkpoint.Batch, f.freeze.batch)
	e.mu.Unlock()
	f.next = func() (bool, error) { return true, e.writeFlush(f) }
	return nil
}

// writeFlush takes a few streams down and writes them.
func (e *Engine) writeFlush(f *flush) error {
	if !e.takeStreams(f) {
		f.next = func() (bool, error) { return true, e.commitFlush(f) }
		return nil
	}
	for i := range f.chunk {
		t := &f.chunk[i]
		if err := f.rows.put(t); err != nil {
			return err
		}
		if err := f.writeRun(t); err != nil {
			return err
		}
	}
	return nil
}

// writeRun writes the appends of a stream, which are one run.
func (f *flush) writeRun(t *taken) error {
	if len(t.entries) == 0 {
		return nil
	}
	size := int64(0)
	for _, entry := range t.entries {
		size += int64(entry.Len)
	}
	first := t.entries[0]
	if err := f.segment.begin(uint64(t.id), first.End-uint64(first.Len)-segment.AppendOverhead, t.json, size); err != nil {
		return err
	}
	begin := f.freeze.batch - uint64(len(f.frames)) + 1
	for _, entry := range t.entries {
		if err := f.segment.writer.Append(f.frames[entry.Frame-begin].slice(entry)); err != nil {
			return err
		}
	}
	return nil
}

// takeStreams fills the chunk. It is false at the end.
func (e *Engine) takeStreams(f *flush) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(f.chunk)
	f.chunk = f.chunk[:0]
	for rows := 0; len(f.chunk) < visitStreamsMax && rows < visitRowBytesMax; {
		id, c, ok := e.visit(f.freeze)
		if !ok {
			break
		}
		rows += len(c.row)
		f.chunk = append(f.chunk, taken{id, c})
	}
	return len(f.chunk) > 0
}

// commitFlush makes the files durable and live.
func (e *Engine) commitFlush(f *flush) error {
	info, opened, err := f.segment.finish(e)
	if err != nil {
		return err
	}
	if err := f.rows.finish(); err != nil {
		closeAll([]*segmentFile{opened})
		return err
	}
	added := manifest.Layer{From: e.checkpoint.Batch, To: f.freeze.batch}
	if opened != nil {
		added.Segments = []manifest.Segment{info}
	}
	to := manifest.Checkpoint{
		Batch: f.end.batch, Seq: f.end.seq, WALFile: f.end.pos.File, WALOffset: f.end.pos.Offset, At: f.end.at,
		LastStream: uint64(f.freeze.last), Snapshot: e.checkpoint.Snapshot,
	}
	if f.full {
		to.Snapshot = f.rows.file.ID
	} else {
		to.Deltas = append(append(to.Deltas, e.checkpoint.Deltas...), f.rows.file.ID)
	}
	shown := func() {
		e.checkpoint, e.checkpointAt = to, e.now()
		if e.rowsSince += f.rows.count; f.full {
			e.rowsSince = 0
		}
		e.freeze, e.flushStuck = nil, false
	}
	f.next = func() (bool, error) { return true, e.dropFlushed(f) }
	return e.commit(manifest.Commit{Act: f.act, Add: []manifest.Layer{added}, Checkpoint: &to}, shown, opened)
}

// dropFlushed takes out of memory what is in the segment now.
func (e *Engine) dropFlushed(f *flush) error {
	e.mu.Lock()
	ids := f.freeze.changed[f.dropped:]
	ids = ids[:min(len(ids), dropStreamsMax)]
	f.dropped += len(ids)
	for _, id := range ids {
		s := e.table.ByID(id)
		if s == nil || s.Local == nil {
			continue
		}
		l := localOf(s)
		e.appends -= l.index.Drop(f.freeze.batch)
		e.idle(l)
	}
	over := f.dropped == len(f.freeze.changed)
	if over {
		e.frames.release(f.freeze.batch)
	}
	e.mu.Unlock()
	if !over {
		return nil
	}
	f.next = func() (bool, error) { return false, e.trimFlushed(f) }
	return nil
}

// trimFlushed is the last step.
func (e *Engine) trimFlushed(f *flush) error {
	if err := e.group.Trim(e.notHeld(f.end.pos)); err != nil {
		return err
	}
	e.endFlush()
	e.flushed(f)
	return nil
}

// endFlush makes room for the next flush, and wakes who waited for it.
func (e *Engine) endFlush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flush = nil
	e.releaseHeld()
}

// failFlush gives a flush up before its commit. What it was to take out of
// memory stays there for the next one.
func (e *Engine) failFlush(f *flush, why error) error {
	e.mu.Lock()
	e.flushStuck = true
	e.meters.flushError.Inc()
	e.mu.Unlock()
	if err := e.giveUpFlush(f); err != nil {
		return err
	}
	return fmt.Errorf("engine: flush: %w", why)
}

// cancelFlush gives up the flush that is under way, if it is not committed, or
// leaves the rest of it to the next start.
func (e *Engine) cancelFlush() error {
	f := e.flush
	if e.checkpoint.Batch == f.freeze.batch {
		e.endFlush()
		return nil
	}
	return e.giveUpFlush(f)
}

func (e *Engine) giveUpFlush(f *flush) error {
	f.segment.discard()
	f.rows.discard()
	e.mu.Lock()
	e.abandonFreeze()
	e.frames.unhold()
	e.mu.Unlock()
	e.endFlush()
	if f.act == 0 {
		return nil
	}
	return e.abort(f.act)
}

// stepFlush does the next step and reports whether there is more to do. Errors
// end the flush, but only those of the log and the manifest the engine.
func (e *Engine) stepFlush() (more bool, err error) {
	f := e.flush
	more, err = f.next()
	if err == nil {
		return more, nil
	}
	if e.checkpoint.Batch == f.freeze.batch {
		// It was committed; only the log can fail after that.
		e.endFlush()
		return false, err
	}
	return false, e.failFlush(f, err)
}
