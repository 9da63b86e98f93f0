package server

import "time"

// hurry implements owner.
func (r *loopReader) hurry() {
	if !r.Unsent() {
		r.finish()
		return
	}
	r.ending = true
	r.SetDeadline(time.Now().Add(stopDelivery))
}

// finish ends the response the way that says it is complete.
func (r *loopReader) finish() { r.last(&frame{bytes: appendEnd(nil, r.shape), kept: true}) }

// expire ends the response of a reader whose token has expired, and tells it so.
func (r *loopReader) expire() {
	r.last(&frame{bytes: appendEnd(appendExpired(nil, r.shape, r.from), r.shape), kept: true})
}

// last writes the last bytes of the response, and ends the connection.
func (r *loopReader) last(f *frame) {
	d := r.audience.driver
	f.kept = true // leaving may be the end of the audience and its frames
	r.leave()
	lc := d.newConn()
	lc.Conn, lc.served, lc.phase = r.Conn, true, loopEnding
	lc.Owner = lc
	err := lc.End(f.bytes)
	switch {
	case err != nil:
		lc.Close()
		return
	case lc.Unsent() && !lc.hold(f):
		d.server.drops.note(dropMemory)
		lc.Close()
		return
	}
	lc.rest()
	if d.stopping && lc.Unsent() && !lc.Closed() {
		lc.SetDeadline(time.Now().Add(stopDelivery))
	}
}

// hold keeps the memory of a last event until it is sent. It is false if too much
// is kept already.
func (lc *loopConn) hold(f *frame) bool {
	if f.pins == 0 && f.held > 0 {
		lc.held, f.held = f.held, 0
		return true
	}
	n := int64(len(f.bytes))
	if !lc.driver.server.responses.reserve(n) {
		return false
	}
	lc.held = n
	return true
}

// drop gives up a reader, without an end, since this is none of the stream. It can
// come back to its offset. What one that takes nothing has not taken is dropped as
// well: the kernel would go on for minutes to offer it.
func (r *loopReader) drop(why dropReason) {
	r.audience.driver.server.drops.of(why, r.audience.feed.path)
	if r.stalled {
		r.Abort()
	} else {
		r.Close()
	}
}

// gone implements owner: the connection is closed.
func (r *loopReader) gone() { r.leave() }

// leave takes the reader out of the audience.
func (r *loopReader) leave() {
	r.unpin()
	r.audience.remove(r.at)
	d := r.audience.driver
	d.setGrant(r.Conn, nil)
	d.server.readers.leave(d.peerOf(r.Conn), r.audience.feed.tenant)
	r.ending = true
}
