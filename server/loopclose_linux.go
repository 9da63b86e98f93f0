package server

import "time"

// expired ends a connection that took too long.
func (lc *loopConn) expired() {
	switch {
	case lc.phase == loopDraining, lc.driver.stopping && lc.parked == nil:
		lc.Close()
	case lc.Unsent():
		lc.driver.server.drops.note(dropSlow)
		lc.Abort()
	case lc.parked != nil:
		lc.unpark(true)
	case lc.turns > 0:
	case len(lc.In()) > 0 || !lc.served:
		lc.driver.server.drops.note(dropSlow)
		lc.refuse(faultTimeout)
	default:
		lc.Close()
	}
}

// refuse answers what is not a whole request, and ends the connection.
func (lc *loopConn) refuse(f fault) {
	d := lc.driver
	t := d.take()
	t.req.Reset()
	t.exchange = d.server.newExchange(&t.req, &t.resp, connInfo{peer: lc.Conn}, d.loop.Now())
	d.server.fail(t.exchange, f)
	t.done, t.last = true, true
	lc.add(t)
	lc.answer()
	lc.rest()
}

// hurry is for a server that stops.
func (lc *loopConn) hurry() {
	switch {
	case lc.phase == loopDraining:
		lc.SetDeadline(time.Now().Add(stopGrace))
	case lc.parked != nil:
		lc.unpark(true)
	case lc.turns > 0 || lc.Unsent():
	case len(lc.In()) == 0:
		lc.Close()
	case !lc.hurried:
		lc.hurried = true
		lc.SetDeadline(time.Now().Add(stopGrace))
	}
}

// finish closes the connection after its last answer. If the client may still be
// sending it is given time to see the answer first.
func (lc *loopConn) finish() {
	if lc.Ended() || lc.CloseWrite() != nil {
		lc.Close()
		return
	}
	lc.phase = loopDraining
	grace := lingerTime
	if lc.driver.stopping {
		grace = stopGrace
	}
	lc.SetDeadline(time.Now().Add(grace))
	lc.Resume()
	lc.drain()
}

// drain drops what the client sends after its last answer.
func (lc *loopConn) drain() {
	lc.drained += len(lc.In())
	lc.Consume(len(lc.In()))
	if lc.Ended() || lc.drained > lingerBytes {
		lc.Close()
	}
}

// release gives back what the response took of the budget.
func (lc *loopConn) release() {
	lc.driver.server.responses.release(lc.held)
	lc.held = 0
}

// crowded implements owner.
func (lc *loopConn) crowded() {
	lc.driver.server.drops.note(dropMemory)
	lc.leave() // a long-poll that waits is who gets the answer
	lc.Consume(len(lc.In()))
	if lc.phase == loopServing {
		lc.refuse(faultOverloaded)
	}
}

// left implements owner. Who has ended its side still gets all answers, but does
// not wait for news.
func (lc *loopConn) left() {
	if lc.parked != nil {
		lc.unpark(true)
	}
}

// gone implements owner.
func (lc *loopConn) gone() {
	lc.leave()
	lc.release()
	lc.forgetTurns()
}

// forgetTurns tells whoever works on a request that nobody wants the answer.
func (lc *loopConn) forgetTurns() {
	for t := lc.first; t != nil; {
		next := t.next
		t.next, t.conn = nil, nil
		if t.done || t.live {
			lc.driver.give(t)
		}
		t = next
	}
	lc.first, lc.last, lc.turns = nil, nil, 0
}
