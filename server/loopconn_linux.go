package server

import (
	"bytes"
	"time"

	"tailrace/internal/evloop"
)

// loopConn is a connection of a loop.
type loopConn struct {
	*evloop.Conn
	driver *loopDriver

	// The requests that were read and not answered, in their order.
	first, last *turn
	turns       int

	scanned int // bytes of the input in which no head of a request ends
	need    int // bytes of the input that the next request has, if known
	parked  *parkedPoll
	held    int64 // of the budget for responses, by what is unsent
	drained int

	phase    loopPhase
	arriving bool // part of a request is there, and its time runs
	served   bool // a request was answered
	hurried  bool // the server stops, and what is left has little time
}

// loopPhase is what a connection is good for.
type loopPhase uint8

const (
	loopServing  loopPhase = iota
	loopEnding             // no further request is read, and it closes once all is sent
	loopDraining           // the last answer is sent, and what still comes is dropped
)

// passMax is how many requests of one connection are handled at a time, so that
// the others come to their turn.
const passMax = 32

// turnsMax is how many appends of one connection may be on their way to the log:
// memory per connection that pipelines.
const turnsMax = 64

// input implements owner: it takes the requests out of the input that can be handled now.
func (lc *loopConn) input() {
	switch {
	case lc.phase == loopDraining:
		lc.drain()
		return
	case lc.parked != nil && lc.Left():
		lc.left()
		return
	}
	for n := 0; lc.phase == loopServing && !lc.over() && !lc.Unsent() && lc.takes(); n++ {
		if n == passMax {
			lc.Again()
			break
		}
		if !lc.next() {
			break
		}
		if t := lc.last; lc.turns >= turnsMax || t.done && len(t.resp.Body()) > answerBytes {
			lc.answer()
		}
		if lc.turns >= turnsMax {
			break
		}
	}
	lc.answer()
	lc.rest()
}

// over reports whether the connection is closed, or an event stream's by now.
func (lc *loopConn) over() bool { return lc.Closed() || lc.Owner != owner(lc) }

// takes reports whether the next request may be handled although others have no
// answer yet. Only appends follow appends: what comes after them in any other
// way is to see what they did. Nothing follows the last request.
func (lc *loopConn) takes() bool {
	if lc.parked != nil || lc.last != nil && lc.last.last {
		return false
	}
	follows := bytes.HasPrefix(lc.In(), post)
	for t := lc.first; t != nil; t = t.next {
		if !t.done && (!follows || !t.ordered) {
			return false
		}
	}
	return true
}

var post = []byte("POST ")

// add puts a turn at the end of the line.
func (lc *loopConn) add(t *turn) {
	if t.conn = lc; lc.last == nil {
		lc.first = t
	} else {
		lc.last.next = t
	}
	lc.last = t
	lc.turns++
}

// answer sends the answers that are there, in the order of the requests.
func (lc *loopConn) answer() {
	d := lc.driver
	out := &d.out
	out.bytes = out.bytes[:0]
	for t := lc.first; t != nil && t.done && !t.drop && !lc.over() && !lc.Unsent(); t = lc.first {
		if lc.first = t.next; lc.first == nil {
			lc.last = nil
		}
		lc.turns--
		lc.served = true
		t.last = t.last || t.resp.ConnectionClose() || lc.first == nil && d.server.stopped()
		if t.last {
			lc.phase = loopEnding
		}
		last := t.last
		d.server.conclude(t.exchange, d.answerTime())
		if body := out.add(t); body != nil {
			lc.write(out.bytes, body)
			out.bytes = out.bytes[:0]
			if lc.Unsent() {
				lc.held, t.exchange.held = t.exchange.held, 0
			}
		}
		d.give(t)
		if last {
			lc.forgetTurns() // there are some only after a fault of ours
			break
		}
	}
	if len(out.bytes) > 0 {
		lc.write(out.bytes, nil)
	}
	if t := lc.first; t != nil && !lc.over() && !lc.Unsent() {
		switch {
		case t.drop:
			lc.Close()
		case t.live:
			lc.wait(t)
		}
	}
	if cap(out.bytes) > keepBufferBytes {
		out.bytes = nil
	}
}

// write sends an answer. If that fails there is nobody to answer.
func (lc *loopConn) write(head, body []byte) {
	if !lc.over() && lc.Write(head, body) != nil {
		lc.Close()
	}
}

// progress goes on after a turn has its outcome.
func (lc *loopConn) progress() {
	if lc.over() {
		return
	}
	lc.answer()
	lc.rest()
	if lc.over() || lc.Unsent() {
		return
	}
	if lc.Resume(); len(lc.In()) > 0 || lc.Ended() {
		lc.Again()
	}
}

// sent goes on after the kernel has taken everything.
func (lc *loopConn) sent() {
	lc.release()
	lc.progress()
}

// rest leaves the connection until something happens: it ends, is paused, or
// waits, with a deadline for what it waits for.
func (lc *loopConn) rest() {
	switch {
	case lc.over():
		return
	case lc.Unsent(), lc.turns > 0, lc.parked != nil:
		// What is not read stays with the kernel.
		if len(lc.In()) > 0 || lc.Ended() {
			lc.Pause()
		}
	case lc.phase == loopEnding:
		lc.finish()
		return
	case lc.driver.stopping && lc.phase == loopServing && !lc.Ended():
		lc.hurry()
		return
	case lc.Ended() && lc.phase == loopServing:
		if len(lc.In()) == 0 {
			lc.Close()
			return
		}
		// A request that is cut off has an answer, which fasthttp knows.
		lc.handOver()
		return
	}
	lc.arm()
}

// arm sets the time for what the connection waits for.
func (lc *loopConn) arm() {
	o := &lc.driver.server.opts
	now := lc.driver.loop.Now()
	switch {
	case lc.phase == loopDraining, lc.parked != nil:
	case lc.Unsent():
		allowance := time.Duration(0)
		if n := lc.UnsentBytes(); n > prefetchBytes {
			allowance = time.Duration(n) * time.Second / bodyRateMin
		}
		lc.SetDeadline(now.Add(o.WriteTimeout + allowance))
	case lc.turns > 0:
		lc.arriving = false
		lc.SetDeadline(noTime)
	case len(lc.In()) > 0 || !lc.served:
		if !lc.arriving {
			lc.arriving = true
			lc.SetDeadline(now.Add(o.ReadTimeout))
		}
	default:
		lc.arriving = false
		lc.SetDeadline(now.Add(o.IdleTimeout))
	}
}

// handOver has fasthttp serve the connection, from the next request on. All
// before it is answered.
func (lc *loopConn) handOver() {
	p := lc.driver.peerOf(lc.Conn)
	fd, rest := lc.Detach()
	defer lc.driver.ended()
	lc.driver.server.fromLoop(fd, p, rest)
}

// wait has a live reader wait for news. All before it is answered.
func (lc *loopConn) wait(t *turn) {
	s := lc.driver.server
	t.live = false
	// All who follow a stream are those of one tenant, whatever is configured
	// meanwhile, so that each gives back what it has taken.
	if a := lc.driver.audiences[t.exchange.live.id]; a != nil {
		t.exchange.tenant = a.feed.tenant
	}
	f := s.readers.admit(lc.driver.peerOf(lc.Conn), t.exchange.tenant)
	switch {
	case f != faultNone:
		t.done = true
		s.fail(t.exchange, f)
		lc.answer()
	case t.exchange.live.mode == modeSSE:
		lc.follow(t)
	default:
		lc.park(t)
	}
}
