package engine

import (
	"errors"
	"fmt"
	"math"

	"tailrace/internal/frame"
	"tailrace/internal/remote"
	"tailrace/internal/stream"
	"tailrace/segment"
)

// span is what is read of a stream from segments: the appends that end at or
// before to, from wherever the reader is.
type span struct {
	id uint64
	to uint64

	// cut: an append of the stream may reach over to, and is not shown.
	cut bool
}

// plan finds out whether the first append wanted lies in a segment. If so, and
// spans is not nil, it adds where to look, up to the first link of the chain
// that has what follows in memory. Engine.mu is held.
func (e *Engine) plan(s *stream.Stream, from, to stream.Offset, spans *[]span) bool {
	links := chain(s, from, to)
	cold := false
	for i := len(links) - 1; i >= 0; i-- {
		l := links[i]
		upTo := min(storedOf(l.stream), l.to)
		if from < upTo && l.stream.Base() < upTo {
			cold = true
			if spans == nil {
				return true
			}
			*spans = append(*spans, span{
				id: uint64(l.stream.ID), to: uint64(upTo), cut: upTo < storedOf(l.stream),
			})
		}
		if upTo < l.to {
			return cold // the rest of this link is in memory
		}
		from = max(from, l.to)
	}
	return cold
}

// ReadCold is Read that may wait for the disk, and for the bucket. Its result is
// never Cold. Bytes that do not verify are DataCorrupt, a bucket that does not
// answer in time is Unavailable.
func (e *Engine) ReadCold(r ReadRequest) (ReadResult, Ticket) {
	from, begun := stream.Offset(0), false
	for {
		e.mu.Lock()
		res, s, t := e.beginRead(&r)
		if s == nil {
			e.mu.Unlock()
			return res, t
		}
		if !begun {
			from, begun = r.From, true
		}
		res.From = min(from, res.Tail)
		var spans []span
		if !e.plan(s, res.Next, res.Tail, &spans) {
			e.meters.readMemory(false)
			e.collect(s, &res, r.BytesMax)
			res.finish()
			e.mu.Unlock()
			return res, t
		}
		v := e.pin()
		e.mu.Unlock()
		began := e.enterCold()
		full, err := e.readSpans(near, v, spans, &r, &res)
		e.leaveCold(began)
		if full, err = e.settleNear(full, err, &res); err != nil {
			full, err = e.readFar(err, v, spans, &r, &res)
		}
		e.mu.Lock()
		e.unpin(v)
		if err == nil && !full && len(res.Parts) > 0 {
			e.goOn(&r, &res)
		}
		e.mu.Unlock()
		if err != nil {
			return ReadResult{}, settled(stream.Outcome{Code: e.readFault(err)})
		}
		if len(res.Parts) > 0 || res.Stored != nil {
			res.finish()
			return res, t
		}
		// What is left of the append at the end of a link belongs to nobody: go
		// on behind it.
		r.From, r.ID, r.Touch = res.Next, res.ID, false
	}
}

// goOn adds to what the segments had what follows it in memory, as of now, so that
// a read does not end where a flush happened to. Engine.mu is held.
func (e *Engine) goOn(r *ReadRequest, res *ReadResult) {
	now, s, _ := e.beginRead(&ReadRequest{Path: r.Path, ID: res.ID, From: res.Next, To: r.To})
	if s == nil || now.Next != res.Next || e.plan(s, now.Next, now.Tail, nil) {
		return
	}
	budget := r.BytesMax
	for _, part := range res.Parts {
		budget -= len(part)
	}
	res.Info, res.ExpiresIn = now.Info, now.ExpiresIn
	e.collect(s, res, budget)
}

// readSpans adds to res what the segments have, in order and within the bounds
// of one result, and reports whether it came to one of these.
func (e *Engine) readSpans(h how, v *version, spans []span, r *ReadRequest, res *ReadResult) (full bool, err error) {
	budget := r.BytesMax
	for _, sp := range spans {
		for _, seg := range v.from(sp.id, uint64(res.Next)) {
			if uint64(res.Next) >= sp.to {
				break
			}
			full, err := e.readRun(h, seg, sp, r, res, &budget)
			if full || err != nil {
				return full, err
			}
		}
		if !sp.cut && uint64(res.Next) < sp.to {
			return false, &frame.CorruptError{Path: e.opts.Dir, Reason: fmt.Sprintf("the segments have stream %d up to %d, and should up to %d", sp.id, res.Next, sp.to)}
		}
		res.Next = max(res.Next, stream.Offset(sp.to))
	}
	return false, nil
}

// readRun reads what a segment has of a span. It reports whether the result is
// complete.
func (e *Engine) readRun(h how, seg *segmentFile, sp span, r *ReadRequest, res *ReadResult, budget *int) (full bool, err error) {
	run, ok, err := seg.reader.Run(sp.id)
	if err != nil && h.after(res).ask.Fresh {
		run, ok, err = e.freshRun(h, seg, sp.id)
	}
	if err != nil || !ok || run.End <= uint64(res.Next) || run.Start >= sp.to {
		return false, err
	}
	if run.Start > uint64(res.Next) {
		return true, &frame.CorruptError{Path: seg.path, Reason: fmt.Sprintf("run of stream %d begins at %d, and what comes before is missing from %d on", sp.id, run.Start, res.Next)}
	}
	seg.used.Store(e.clockMS.Load())
	h = h.after(res)
	reader, err := e.readerOf(seg, h, &run)
	if err != nil {
		return false, err
	}
	stop := uint64(math.MaxUint64)
	// A run that is smaller has no block of its own.
	if r.Stored && run.RawBytes() >= int64(e.opts.SoloMinBytes) {
		if len(res.Parts) > 0 {
			return true, nil // the next read can have the block that begins here
		}
		if ok, err := e.readStored(reader, &run, sp, res); ok || err != nil {
			return true, err
		}
		stop = blockAfter(&run, uint64(res.Next))
	}
	load := func(b segment.Handle) (*segment.Block, error) {
		if next := h.after(res); next.near && !h.near {
			return e.block(next, seg.info.ID, seg.in(next), b)
		}
		return e.block(h, seg.info.ID, reader, b)
	}
	err = reader.Appends(&run, uint64(res.Next), load, func(body []byte, end uint64) bool {
		if end > sp.to {
			return false
		}
		if len(res.Parts) > 0 && uint64(res.Next) >= stop {
			full = true
			return false
		}
		*budget -= len(body)
		if len(res.Parts) > 0 && (*budget < 0 || len(res.Parts) >= readAppendsMax) {
			full = true
			return false
		}
		res.Parts = append(res.Parts, body)
		res.Next = stream.Offset(end)
		return true
	})
	return full, err
}

// blockAfter is where the block behind the one begins that has what follows an
// offset. Who takes stored blocks is led there.
func blockAfter(run *segment.Run, after uint64) uint64 {
	if i, ok := run.Find(after); ok && i+1 < run.Blocks.Len() {
		return run.Blocks.At(i + 1).First
	}
	return math.MaxUint64
}

// readStored answers with a block as it is stored, if one begins just where the
// reader is, ends within the span and is a whole body.
func (e *Engine) readStored(from *segment.Reader, run *segment.Run, sp span, res *ReadResult) (bool, error) {
	i, ok := run.Find(uint64(res.Next))
	if !ok || run.Blocks.At(i).First != uint64(res.Next) {
		return false, nil
	}
	b, err := from.ReadStored(run.Handle(i))
	if err != nil || !b.Whole || b.Codec != segment.CodecZstd || b.End > sp.to {
		return false, err
	}
	res.Stored, res.StoredSize = b.Payload, b.Content
	res.Next = stream.Offset(b.End)
	return true, nil
}

// block returns a decoded block, from the cache if it is there.
func (e *Engine) block(h how, id uint64, from *segment.Reader, at segment.Handle) (*segment.Block, error) {
	for {
		b, err := e.blocks.get(blockKey{id, at.Pos}, h.near, func() (*segment.Block, error) { return from.ReadBlock(at) })
		// Who waits for somebody that must not ask the bucket asks it himself.
		if !errors.Is(err, remote.ErrNotCached) || h.near {
			return b, err
		}
	}
}

// damaged tells the operator of bytes that could not be read back.
func (e *Engine) damaged(err error) {
	e.damage.Add(1)
	e.opts.Logger.Error("stored data is damaged", "err", err)
}
