package server

import (
	"time"

	"tailrace/internal/evloop"
)

// loopReader is an SSE reader on a loop: a place in a stream, and nothing that
// waits for it there. What the kernel does not take is not kept but made again
// when it does, then with all that has come since; only what it took in part is
// kept.
type loopReader struct {
	*evloop.Conn
	audience *audience
	at       int32 // in the audience

	behind  bool // in line for the next event
	loading bool // the next event is being read
	stalled bool // the kernel takes nothing
	ending  bool // as soon as the event under way is sent

	place
	frame    *frame // of which the kernel has taken a part
	unsent   int    // of it, when the time for taking more began
	comments time.Duration
	ends     time.Duration // both on the clock of the driver; negative: its token expires then
}

// follow makes the connection of a turn one of an SSE reader. All before it is
// answered.
func (lc *loopConn) follow(t *turn) {
	d, s, x := lc.driver, lc.driver.server, t.exchange
	now := d.loop.Now()
	r := &loopReader{Conn: lc.Conn, place: s.newPlace(x)}
	a := d.audience(x)
	head := s.beginStream(x, a.feed, takeBuffer(), r.shape, now)
	// What is left of a token is by the clock on the wall as it is now. The driver's own
	// clock does not know when that was set.
	allowed, life := x.allowedUntil().Sub(now), s.liveTime()
	d.setGrant(lc.Conn, x.grant)
	r.audience = a
	a.add(r)
	lc.Owner = r
	lc.first, lc.last, lc.turns = nil, nil, 0
	d.retired = append(d.retired, lc)
	d.give(t)
	r.comments = d.since(now.Add(s.commentIn()))
	r.ends = d.since(now.Add(min(life, max(0, allowed))))
	if allowed < life {
		r.ends = -max(1, r.ends)
	}
	r.SetSendBuffer(liveSendBuffer)
	r.Consume(len(r.In()))
	r.Resume()
	r.begin(head)
}

// begin sends the head, and with it the first event.
func (r *loopReader) begin(head []byte) {
	a := r.audience
	if a.feed.server.engine.Err() != nil {
		r.drop(dropFailed)
		return
	}
	a.refresh()
	f, state := a.frame(&r.place)
	a.refreshed()
	if state == feedMore {
		head = append(head, f.bytes...)
		r.took(f)
		if state = f.next; state == feedEnd {
			r.last(&frame{bytes: head, kept: true})
			return
		}
	}
	err := r.Write(head, nil)
	giveBuffer(head)
	switch {
	case err != nil:
		r.Close()
	case r.Unsent():
		n := int64(r.UnsentBytes()) // of which the connection has a copy
		if !a.feed.server.responses.reserve(n) {
			r.drop(dropMemory)
			return
		}
		r.frame = &frame{pins: 1, held: n, kept: true}
		r.ending = state == feedEnd
		r.stall()
	case a.driver.stopping:
		r.finish()
	default:
		r.arm()
		r.do(state)
	}
}

// took notes that the reader is going to have an event.
func (r *loopReader) took(f *frame) {
	floor := r.floor
	r.place = f.then
	r.floor = floor
	r.audience.driver.server.framesSent.Add(1)
}

// do goes on after an event, or without one.
func (r *loopReader) do(state feedState) {
	d := r.audience.driver
	switch state {
	case feedMore:
		if !r.behind {
			r.behind = true
			d.behind = append(d.behind, r)
		}
	case feedWait:
		if r.Left() {
			r.Close()
			return
		}
		d.parked(r.audience.feed.path)
	case feedLoad:
		r.load()
	case feedEnd:
		r.finish()
	case feedBroken:
		r.drop(dropFailed)
	case feedCorrupt, feedUnavailable, feedTrimmed:
		r.drop(state.reason())
	}
}

// hear implements member.
func (r *loopReader) hear() {
	if !r.busy() {
		r.next()
	}
}

// busy tells that the reader comes to its next event by itself.
func (r *loopReader) busy() bool {
	return r.behind || r.loading || r.stalled || r.ending
}

// next sends the next event, if there is one.
func (r *loopReader) next() {
	if f, state := r.audience.frame(&r.place); state == feedMore {
		r.give(f)
	} else {
		r.do(state)
	}
}

// give sends an event.
func (r *loopReader) give(f *frame) {
	if f.next == feedEnd {
		r.took(f)
		r.last(f)
		return
	}
	taken, err := r.Offer(f.bytes)
	switch {
	case err != nil:
		r.Close()
	case !taken:
		r.stall()
	case r.Unsent():
		r.took(f)
		if !r.audience.driver.server.pin(f) {
			r.drop(dropMemory)
			return
		}
		r.frame = f
		r.stall()
	default:
		r.took(f)
		r.do(f.next)
	}
}

// stall waits until the kernel takes more.
func (r *loopReader) stall() {
	d := r.audience.driver
	r.stalled, r.unsent = true, r.UnsentBytes()
	r.SetDeadline(d.loop.Now().Add(d.server.opts.SlowTimeout))
}

// moves tells whether a stalled reader has taken as much in its time as it had to.
func (r *loopReader) moves() bool {
	took := r.unsent - r.UnsentBytes()
	return took > 0 && float64(took) >= min(writeStep, bodyRateMin*r.audience.driver.server.opts.SlowTimeout.Seconds())
}

// sent implements owner: the kernel takes more again.
func (r *loopReader) sent() {
	r.stalled = false
	r.unpin()
	if r.ending || r.audience.driver.stopping {
		r.finish()
		return
	}
	if r.arm(); !r.busy() {
		r.next()
	}
}

func (r *loopReader) unpin() {
	if r.frame != nil {
		r.audience.driver.server.unpin(r.frame)
		r.frame = nil
	}
}

// arm sets the deadline of a reader that is not stalled.
func (r *loopReader) arm() {
	r.SetDeadline(r.audience.driver.begun.Add(min(r.comments, max(r.ends, -r.ends))))
}

// expired implements owner.
func (r *loopReader) expired() {
	d := r.audience.driver
	now := d.since(time.Now())
	switch {
	case r.stalled && !r.ending && !d.stopping && r.moves():
		r.stall()
		return
	case r.stalled:
		r.drop(dropSlow)
		return
	case r.ends < 0 && now >= -r.ends:
		r.expire()
		return
	case r.ends >= 0 && now >= r.ends:
		r.finish()
		return
	case !d.server.stillGranted(d.grantOf(r.Conn)):
		r.expire()
		return
	case now >= r.comments:
		r.comments = now + d.server.commentIn()
		taken, err := r.Offer(comments[r.shape])
		if err != nil {
			r.Close()
			return
		}
		if !taken || r.Unsent() {
			r.stall()
			return
		}
	}
	r.arm()
}

// comments are what keeps a connection from looking dead, by shape.
var comments = func() (all [shapes][]byte) {
	for sh := range all {
		all[sh] = appendComment(nil, shape(sh))
	}
	return all
}()

// input implements owner. What the reader may send is ignored: its request was
// the last on the connection. One that has ended its side is seen off when it has
// all there is.
func (r *loopReader) input() {
	r.Consume(len(r.In()))
	if r.Ended() && !r.busy() {
		r.Close()
	}
}

// crowded implements owner. It is not called, as nothing is kept.
func (r *loopReader) crowded() {}

// left implements owner. It is not called, as the connection is never paused.
func (r *loopReader) left() {}

// move implements member.
func (r *loopReader) move(at int32) { r.at = at }
