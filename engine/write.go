package engine

import (
	"tailrace/internal/stream"
	"tailrace/wal"
)

// Create creates a stream or a fork. Nothing of r is kept after the call. A fork
// that copies a part of an append which is not in memory is decided by
// CreateCold; the ticket is Cold then.
func (e *Engine) Create(r *stream.Create) Ticket {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.create(r, nil)
}

// CreateCold is Create that may wait for the disk. Its ticket is never Cold.
func (e *Engine) CreateCold(r *stream.Create) Ticket {
	var a *anchor
	for {
		e.mu.Lock()
		t := e.create(r, a)
		e.mu.Unlock()
		if !t.Cold {
			return t
		}
		var code stream.Code
		if a, code = e.loadAnchor(r.From, r.FromOffset); code != stream.None {
			return settled(stream.Outcome{Code: code})
		}
	}
}

// create is Create with what was read of the source, if anything. Engine.mu is
// held.
func (e *Engine) create(r *stream.Create, a *anchor) Ticket {
	now := e.now()
	if _, t, wait := e.gate(r.Path, now); wait {
		return t
	}
	copied := content{engine: e, anchor: a}
	if r.From != "" {
		if t, wait := e.gateSource(r, now); wait {
			return t
		}
		if r.SubOffset != 0 && e.table.Lookup(r.Path) == nil && copied.cold(r) {
			return Ticket{Cold: true}
		}
	}
	rec, out := e.table.DecideCreate(r, now, copied)
	if rec.Kind == 0 {
		return e.answer(r.Path, out, now)
	}
	if code := e.admit(len(rec.Path)+len(rec.ContentType)+len(rec.From)+len(rec.ExpiresText)+streamCost, len(rec.Body)); code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	if code := e.mayCreate(&rec, out.Tail); code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	info, code := e.stage(wal.Growth, &rec)
	if code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	if r.KeepBytes != 0 {
		e.trimDue(e.table.Lookup(r.Path)) // it may inherit more than it is to keep
	}
	return Ticket{Outcome: out, batch: info.batch}
}

// gateSource makes a fork wait for its source. With a sub-offset the append
// that follows the offset is copied, so it must be durable. All before the
// source's base is, since the source itself is; but there may be nothing between
// the offset and the base, and then it is the first of the source's own.
func (e *Engine) gateSource(r *stream.Create, now int64) (Ticket, bool) {
	if _, t, wait := e.gate(r.From, now); wait {
		return t, true
	}
	if r.SubOffset == 0 {
		return Ticket{}, false
	}
	s := e.table.Lookup(r.From)
	if s == nil || !r.HasFromOffset {
		return Ticket{}, false // nothing follows the tail
	}
	from := max(r.FromOffset, s.Base())
	l := localOf(s)
	if l == nil || from < l.stored() {
		return Ticket{}, false // a segment has it
	}
	next := l.index.Between(uint64(from), uint64(s.Tail))
	if len(next) == 0 {
		return Ticket{}, false
	}
	b := e.batch(next[0].Frame)
	return Ticket{Retry: true, batch: b}, b != nil
}

// Append appends, closes or does both in one step. Nothing of r is kept after
// the call.
func (e *Engine) Append(r *stream.Append) Ticket {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	s, t, wait := e.gate(r.Path, now)
	if wait {
		return t
	}
	rec, out := e.table.DecideAppend(r, now)
	if rec.Kind == 0 {
		return e.answer(r.Path, out, now)
	}
	class := wal.Growth
	if len(rec.Body) == 0 {
		class = wal.Reclaim // a close must go through on a full disk
	} else if code := e.admit(0, len(rec.Body)); code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	code, squeeze := e.mayAppend(s, &rec, out.Tail)
	if code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	info, code := e.stage(class, &rec)
	if code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	s.Touch(now)
	e.drop(s, squeeze)
	return Ticket{Outcome: out, batch: info.batch}
}

// Delete deletes a stream.
func (e *Engine) Delete(path string) Ticket {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if _, t, wait := e.gate(path, now); wait {
		return t
	}
	rec, out := e.table.DecideDelete(path)
	if rec.Kind == 0 {
		return e.answer(path, out, now)
	}
	info, code := e.stage(wal.Reclaim, &rec)
	if code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	return Ticket{Outcome: out, batch: info.batch}
}

// gate returns the stream at path, or nil. It makes the caller wait while
// something that decides what is there is on its way to the log. The first to
// find a stream past its deadline sends the expiry there.
func (e *Engine) gate(path string, now int64) (s *stream.Stream, t Ticket, wait bool) {
	if g, ok := e.gates[path]; ok {
		return nil, Ticket{Retry: true, batch: e.batch(g.batch)}, true
	}
	s = e.table.Lookup(path)
	if s == nil || !s.Due(now) {
		return s, Ticket{}, false
	}
	info, code := e.expire(s, now)
	if code != stream.None {
		return nil, settled(stream.Outcome{Code: code}), true
	}
	if info == nil {
		return s, Ticket{}, false
	}
	return nil, Ticket{Retry: true, batch: info.batch}, true
}

// answer is the ticket of an outcome that changes nothing: it waits for the
// newest record of the stream, which the decision has looked at. A success is
// a use of the stream.
func (e *Engine) answer(path string, out stream.Outcome, now int64) Ticket {
	s := e.table.Lookup(path)
	if s == nil {
		return settled(out)
	}
	if out.Code.Success() {
		e.touch(s, now)
	}
	t := Ticket{Outcome: out}
	if l := localOf(s); l != nil {
		t.batch = e.batch(l.last)
	}
	return t
}

// admit refuses growth that would not fit: cost in the table of streams, and a body
// as an append.
func (e *Engine) admit(cost, body int) stream.Code {
	switch {
	case body > e.opts.BodyBytesMax:
		return stream.BodyTooLarge
	case e.disk.low:
		return stream.DiskFull
	case e.stagedOps >= e.opts.InFlightMax:
		return stream.Overloaded
	case cost > 0 && e.tableBytes()+int64(cost) > e.opts.tableBytesMax():
		return stream.MemoryFull
	case body == 0:
		return stream.None
	}
	// What no segment has yet. The committer waits for a flush long before this;
	// it is for when that does not help.
	have := e.unflushedBytes()
	switch limit := e.opts.FrameBytesMax; {
	case have == 0:
	case e.flushStuck && have+int64(body) > limit:
		return stream.DiskFull
	case have+int64(body) > 2*limit:
		return stream.Overloaded
	}
	return stream.None
}

// tableBytes is what the streams occupy, but for their appends.
func (e *Engine) tableBytes() int64 {
	return int64(e.text) + int64(e.table.Len())*streamCost + int64(e.producers)*producerCost
}

// unflushedBytes is what the appends occupy that no segment has yet, those of
// staged batches included.
func (e *Engine) unflushedBytes() int64 {
	m := e.frames.bytes + int64(e.appends)*appendCost
	for _, info := range e.inflight {
		m += int64(info.size)
	}
	return m
}
