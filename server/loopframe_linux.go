package server

import "slices"

// frame returns the event for a reader at that place, or what else there is to
// do. There is one for all who are at the same place.
func (a *audience) frame(p *place) (*frame, feedState) {
	cursor := p.cursor(a.driver.clock())
	for _, f := range a.frames {
		if !a.fresh && f.from == p.from && f.cursor == cursor && f.shape == p.shape {
			if f.empty && p.told && f.next != feedEnd {
				return nil, feedWait
			}
			return f, feedMore
		}
	}
	l := a.read(p.from, eventBytesMax)
	if l == nil {
		return nil, feedWait // there will be news
	}
	r := &l.result
	if l.cold() {
		return nil, feedLoad
	}
	if state := a.feed.judge(p, r, &l.ticket); state != feedMore {
		return nil, state
	}
	if a.feed.large(r.Parts) > keepEventBytes {
		return nil, feedLoad
	}
	f := &frame{from: p.from, cursor: cursor, shape: p.shape, empty: len(r.Parts) == 0, then: *p}
	f.next = f.then.pass(r)
	f.bytes = a.feed.appendEvent(takeBuffer(), p.shape, cursor, r)
	if f.next == feedEnd {
		f.bytes = appendEnd(f.bytes, p.shape)
	}
	a.driver.server.framesEncoded.Add(1)
	if a.fresh {
		f.kept = true
		return f, feedMore
	}
	if len(a.frames) == framesKept {
		a.frames[0].forget()
		a.frames = slices.Delete(a.frames, 0, 1)
	}
	a.frames = append(a.frames, f)
	return f, feedMore
}

func (a *audience) dropFrames() {
	for _, f := range a.frames {
		f.forget()
	}
	clear(a.frames)
	a.frames = a.frames[:0]
}

// forget is for a frame that is given to nobody any more. Its memory is used
// again unless some have not got all of it.
func (f *frame) forget() {
	if f.pins == 0 && !f.kept {
		giveBuffer(f.bytes)
		f.bytes = nil
	}
}

// pin keeps the frame for a reader who has got a part of it. It is false if too
// much is kept already.
func (s *Server) pin(f *frame) bool {
	if f.kept = true; f.pins == 0 && f.held == 0 {
		if !s.responses.reserve(int64(len(f.bytes))) {
			return false
		}
		f.held = int64(len(f.bytes))
	}
	f.pins++
	return true
}

// unpin undoes pin.
func (s *Server) unpin(f *frame) {
	if f.pins--; f.pins == 0 {
		s.responses.release(f.held)
		f.held = 0
	}
}
