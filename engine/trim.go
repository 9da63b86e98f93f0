package engine

import (
	"tailrace/index"
	"tailrace/internal/stream"
	"tailrace/wal"
)

// Change changes the policy or the lifetime of a stream, or drops what it has
// before an offset. Nothing of r is kept after the call.
func (e *Engine) Change(r *stream.Change) Ticket {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	s, t, wait := e.gate(r.Path, now)
	if wait {
		return t
	}
	rec, out := e.table.DecideChange(r, now)
	if rec.Kind == 0 {
		return e.answer(r.Path, out, now)
	}
	class := wal.Growth
	if !rec.HasPolicy && !rec.HasLife {
		class = wal.Reclaim // a trim makes room, on a full disk as well
	}
	info, code := e.stage(class, &rec)
	if code != stream.None {
		return settled(stream.Outcome{Code: code})
	}
	s.Touch(now)
	if last := e.trimDue(s); last != nil {
		info, out.Start = last, s.Start()
	}
	return Ticket{Outcome: out, batch: info.batch}
}

// trimDue trims a stream that has too much. The result is nil if it has not, or
// if the log has no room: then the next append tries again. Engine.mu is held.
func (e *Engine) trimDue(s *stream.Stream) *batchInfo {
	to, due := s.TooMuch()
	if !due {
		return nil
	}
	info, _ := e.trim(s, to)
	return info
}

// trim drops what a stream has before an offset. Engine.mu is held.
func (e *Engine) trim(s *stream.Stream, to stream.Offset) (*batchInfo, stream.Code) {
	return e.stage(wal.Reclaim, &stream.Record{Kind: stream.KindTrim, ID: s.ID, Start: to})
}

// release takes out of memory what nobody shows any more since a stream was
// trimmed or has ended: of the stream itself, and of those it shows. drop lets go
// of the bytes of an append. Engine.mu is held.
func (e *Engine) release(s *stream.Stream, drop func(index.Entry)) {
	for ; s != nil; s = s.Source() {
		if s.Removed() {
			continue
		}
		floor := e.table.Floor(s)
		if floor == 0 {
			return // and its sources are needed from there, too
		}
		e.trimmed.add(s.ID)
		l := localOf(s)
		if l == nil || l.index.Len() == 0 || stream.Offset(l.index.All()[0].End) > floor {
			continue
		}
		e.mark(s) // a flush that is under way wants it as it was
		for _, entry := range l.index.DropTo(uint64(floor)) {
			e.appends--
			drop(entry)
		}
	}
}

// raises reports whether a record may raise floors.
func raises(rec *stream.Record) bool {
	switch rec.Kind {
	case stream.KindTrim, stream.KindDelete, stream.KindExpire:
		return true
	}
	return rec.Kind == stream.KindChange && rec.Start != 0
}

// dropStaged lets go of an append, whose batch may not be a frame yet.
func (e *Engine) dropStaged(entry index.Entry) {
	if !e.frames.drop(entry) {
		e.inflight[entry.Frame-e.durable-1].dead += int(entry.Len)
	}
}
