package engine

import (
	"context"
	"errors"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/remote"
	"tailrace/internal/stream"
	"tailrace/segment"
)

// mayBeFar reports whether a segment that has left the disk has something of a
// stream that a read may want. Engine.mu is held.
func (e *Engine) mayBeFar(s *stream.Stream, from, to stream.Offset) bool {
	var spans []span
	e.plan(s, from, to, &spans)
	for _, sp := range spans {
		for i := range e.version.layers {
			for _, seg := range e.version.layers[i].find(sp.id) {
				if seg.far != nil && seg.reader.Has(sp.id) {
					return true
				}
			}
		}
	}
	return false
}

// settleNear ends a read that asked nothing of the bucket. What it has found
// before it needed the bucket is an answer; an error that is left is one for
// which the bucket may know a way out.
func (e *Engine) settleNear(full bool, err error, res *ReadResult) (bool, error) {
	if err != nil && len(res.Parts) > 0 && e.tier != nil {
		return true, nil // the next read begins where this one ended
	}
	return full, err
}

// errBusy means that too many reads wait for the bucket.
var errBusy = errors.New("engine: too many reads wait for the bucket")

// readFar goes on with a read that the disk alone did not serve: blocks are in
// the bucket, or do not verify on the disk and may be whole there. It takes no
// longer than TierOptions.ReadTimeout, and keeps no other read waiting.
func (e *Engine) readFar(why error, v *version, spans []span, r *ReadRequest, res *ReadResult) (full bool, err error) {
	if e.tier == nil {
		return false, why
	}
	select {
	case e.farGate <- struct{}{}:
		defer e.leaveFar(time.Now())
	default:
		return false, errBusy
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.tier.opts.ReadTimeout)
	defer cancel()
	h := how{ctx: ctx}
	if errors.Is(why, remote.ErrNotCached) {
		if full, err = e.readSpans(h, v, spans, r, res); !isCorrupt(err) {
			return e.settleNear(full, err, res)
		}
		why = err
	}
	if len(res.Parts) > 0 {
		return true, nil
	}
	// What did not verify may be right where it came from.
	h.ask.Fresh = true
	if full, err = e.readSpans(h, v, spans, r, res); err == nil {
		e.opts.Logger.Warn("bytes that did not verify were read from the bucket", "err", why)
		e.damage.Add(1)
	}
	return e.settleNear(full, err, res)
}

func isCorrupt(err error) bool {
	var ce *frame.CorruptError
	return errors.As(err, &ce)
}

// readerOf is what reads the blocks of a run.
func (e *Engine) readerOf(seg *segmentFile, h how, run *segment.Run) (*segment.Reader, error) {
	if seg.far == nil {
		if h.ask.Fresh && e.tier != nil {
			return e.wholeFrom(h, seg)
		}
		return seg.reader, nil
	}
	// Who goes on in order is read ahead for, to the end of the run: what follows is
	// of another stream.
	if n := run.Blocks.Len(); n > 0 {
		h.ask.End = int64(run.Blocks.At(n - 1).End())
	}
	return seg.in(h), nil
}

// freshRun finds a run by the index that the bucket has, where that of the disk
// cannot be read.
func (e *Engine) freshRun(h how, seg *segmentFile, id uint64) (segment.Run, bool, error) {
	whole, err := e.wholeFrom(h, seg)
	if err != nil {
		return segment.Run{}, false, err
	}
	return whole.Run(id)
}

// wholeFrom reads a segment from the bucket, whatever the disk has of it. Without
// an object it is what the disk has.
func (e *Engine) wholeFrom(h how, seg *segmentFile) (*segment.Reader, error) {
	state := e.manifest.State()
	info, ok := state.Find(seg.info.ID)
	if !ok || info.Place < manifest.PlaceBoth {
		return seg.reader, nil
	}
	return segment.Open(seg.path, namedObject{h.ctx, e.tier.store, e.tier.nameOf(info.Object())}, info.Bytes)
}

// isOfBucket tells the error of a bucket from one of the disk.
func isOfBucket(err error) bool {
	var of *objstore.Error
	return errors.As(err, &of) || errors.Is(err, remote.ErrBusy) || errors.Is(err, errBusy) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// readFault is what a read is answered that failed.
func (e *Engine) readFault(err error) stream.Code {
	if !isOfBucket(err) {
		e.damaged(err)
		return stream.DataCorrupt
	}
	if e.tier.unavailable.Add(1); !errors.Is(err, errBusy) {
		e.opts.Logger.Warn("the bucket did not serve a read", "err", err)
	}
	return stream.Unavailable
}
