package server

import (
	"tailrace/internal/stream"
)

// parkedPoll is a long-poll that waits for news: the request as it came, and
// where its client is. It is parsed again when there is an answer.
type parkedPoll struct {
	conn     *loopConn
	audience *audience
	at       int32 // in the audience
	from     stream.Offset
	raw      []byte
}

// parkedBytesFree is how long a request that waits may be without being counted.
// Longer ones take their place in the budget for bodies.
const parkedBytesFree = 1 << 10

// bodyBytes is what the poll has taken of that budget.
func (p *parkedPoll) bodyBytes() int64 {
	if len(p.raw) <= parkedBytesFree {
		return 0
	}
	return int64(len(p.raw))
}

// park has a long-poll wait. All before it is answered.
func (lc *loopConn) park(t *turn) {
	d, x := lc.driver, t.exchange
	now := d.loop.Now()
	allowed := x.allowedUntil().Sub(now) // see loopConn.follow
	p := &parkedPoll{conn: lc, from: x.live.from, raw: t.raw}
	if !d.server.bodies.reserve(p.bodyBytes()) {
		d.server.readers.leave(d.peerOf(lc.Conn), x.tenant)
		t.done = true
		d.server.fail(x, faultOverloaded)
		lc.answer()
		return
	}
	a := d.audience(x)
	p.audience = a
	a.add(p)
	lc.parked = p
	lc.first, lc.last, lc.turns = nil, nil, 0
	d.give(t)
	if d.server.engine.Err() != nil {
		d.server.drops.of(dropFailed, a.feed.path)
		lc.Close()
		return
	}
	if lc.Left() || d.server.stopped() {
		lc.unpark(true)
		return
	}
	lc.SetDeadline(now.Add(min(d.server.opts.LongPollTimeout, max(0, allowed))))
	a.refresh()
	p.hear()
	a.refreshed()
	if lc.parked == p {
		d.parked(a.feed.path)
	}
}

// hear implements member.
func (p *parkedPoll) hear() {
	if l := p.audience.read(p.from, 0); l != nil && l.answers() {
		p.conn.unpark(false)
	}
}

// answers tells whether there is an answer for a long-poll.
func (l *look) answers() bool {
	r := &l.result
	return l.ticket.Err() != nil || l.ticket.Code != stream.OK || r.Cold || len(r.Parts) > 0 || r.AtEnd
}

// unpark answers a long-poll: with what there is, or if its time is up, that
// there is nothing.
func (lc *loopConn) unpark(over bool) {
	d, p := lc.driver, lc.parked
	t := d.take()
	if _, _, ok := d.parse(t, p.raw); !ok {
		panic("server: a request that was parsed cannot be parsed")
	}
	x := d.server.newExchange(&t.req, &t.resp, connInfo{peer: lc.Conn}, d.loop.Now())
	x.bodyRead = true
	t.exchange, t.raw, t.polls, t.last = x, p.raw, true, t.req.Header.ConnectionClose()
	lc.add(t)
	func() {
		defer d.contain(t)
		if f := d.server.parse(x, false); f != faultNone {
			// Its token has expired or is no longer good; nothing else changes.
			d.follow(t, d.server.fail(x, f))
			return
		}
		x.parsed = true
		x.tenant, x.welcomed = p.audience.feed.tenant, true
		x.live.id, x.live.from = p.audience.feed.id, p.from
		o := outcome{kind: kindAgain}
		if over {
			p.audience.refresh()
			defer p.audience.refreshed()
		}
		if l := p.audience.read(p.from, 0); l != nil {
			x.shared, x.content = true, l.content
			o = d.server.pollLook(x, &l.result, &l.ticket)
			l.content = x.content
		} else {
			x.result.Next = p.from
		}
		if over && (o.kind == kindLive || o.kind == kindAgain) {
			o = d.server.answerNothing(x)
		}
		d.follow(t, o)
	}()
	lc.leave()
	lc.progress()
}

// leave ends the waiting of a long-poll.
func (lc *loopConn) leave() {
	if p := lc.parked; p != nil {
		lc.parked = nil
		lc.driver.server.bodies.release(p.bodyBytes())
		p.audience.remove(p.at)
		lc.driver.server.readers.leave(lc.driver.peerOf(lc.Conn), p.audience.feed.tenant)
	}
}

// move implements member.
func (p *parkedPoll) move(at int32) { p.at = at }
