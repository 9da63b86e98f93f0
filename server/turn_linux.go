package server

import (
	"bufio"

	"github.com/valyala/fasthttp"
)

// turn is a request on a connection of a loop, from when it was read to when its
// answer is written.
type turn struct {
	req      fasthttp.Request
	resp     fasthttp.Response
	exchange *exchange
	conn     *loopConn // nil: it is closed, and nobody wants the answer
	next     *turn     // on the same connection
	step     step      // after the wait

	done    bool
	ordered bool // it is an append that was decided: others may follow it
	live    bool // it waits for news
	polls   bool // it is a long-poll that has waited
	drop    bool // the outcome is unknown: no answer
	last    bool // the connection ends with the answer

	kept bool   // the body is in memory of the exchange
	raw  []byte // the request as it was read, if it may have to be handed over
}

// turnsKept bounds the turns that wait for the next requests: memory per loop.
const turnsKept = 1024

func (d *loopDriver) take() *turn {
	n := len(d.free)
	if n == 0 {
		t := &turn{}
		t.resp.Header.SetNoDefaultContentType(true)
		return t
	}
	t := d.free[n-1]
	d.free = d.free[:n-1]
	return t
}

// give gives a turn back. The answer is written or not wanted.
func (d *loopDriver) give(t *turn) {
	if t.exchange != nil {
		d.server.free(t.exchange)
	}
	if len(d.free) >= turnsKept || cap(t.req.Header.RawHeaders()) > keepBufferBytes {
		return
	}
	t.resp.Reset()
	t.resp.Header.SetNoDefaultContentType(true)
	t.exchange, t.conn, t.next, t.raw = nil, nil, nil, nil
	t.step, t.done, t.ordered, t.live, t.polls, t.drop, t.last, t.kept = 0, false, false, false, false, false, false, false
	d.free = append(d.free, t)
}

// begin handles the request of a turn.
func (d *loopDriver) begin(t *turn) {
	defer d.contain(t)
	d.follow(t, d.server.handle(t.exchange))
}

// resume goes on with a turn whose ticket is ready.
func (d *loopDriver) resume(t *turn) {
	defer d.contain(t)
	t.ordered = false
	d.follow(t, d.server.resume(t.exchange, t.step))
}

// contain answers for a panic, which is a fault of ours and of this request only.
func (d *loopDriver) contain(t *turn) {
	if v := recover(); v != nil {
		d.server.panicked(v, t.exchange)
		d.fault(t)
	}
}

// fault makes the answer that the server has a fault.
func (d *loopDriver) fault(t *turn) {
	t.resp.Reset()
	t.resp.Header.SetNoDefaultContentType(true)
	t.resp.SkipBody = t.req.Header.IsHead()
	d.server.fail(t.exchange, faultInternal)
	t.done, t.last = true, true
}

// follow does what an outcome asks for, until that is to wait.
func (d *loopDriver) follow(t *turn, o outcome) {
	s, x := d.server, t.exchange
	for {
		switch o.kind {
		case kindDone:
			t.done = true
			t.last = t.last || t.resp.ConnectionClose()
			return
		case kindAgain:
			if t.polls {
				o = s.poll(x)
			} else {
				o = s.handle(x)
			}
			continue
		case kindDrop:
			t.done, t.drop = true, true
			return
		}
		if o.step != stepAppend || x.ticket.Retry {
			// An append that is staged needs nothing of the input any more.
			t.keep()
		}
		switch o.kind {
		case kindWait:
			t.step, t.ordered = o.step, o.step == stepAppend && !x.ticket.Retry
			s.hooks.waiting(x.head.method, view(x.head.name))
			d.waiting = append(d.waiting, t)
		case kindLoad:
			go d.load(t, o)
		case kindLive:
			t.live = true
		default:
			panic("server: a request that was read whole is said not to be")
		}
		return
	}
}

// keep copies what is still needed of the input before the loop goes on to other
// connections.
func (t *turn) keep() {
	if x := t.exchange; !t.kept {
		t.kept = true
		x.bodyBuf = append(x.bodyBuf[:0], x.body...)
		x.body = x.bodyBuf
	}
}

// load reads from the disk, beside the loop.
func (d *loopDriver) load(t *turn, o outcome) {
	panicked := true
	defer func() {
		if panicked {
			d.server.panicked(recover(), t.exchange)
		}
		if !d.loop.Post(func() { d.loaded(t, o, panicked) }) {
			d.server.free(t.exchange)
		}
	}()
	o = d.server.advance(t.exchange, o)
	panicked = false
}

// loaded takes up a turn whose reading is over.
func (d *loopDriver) loaded(t *turn, o outcome, panicked bool) {
	lc := t.conn
	switch {
	case lc == nil:
		d.give(t)
		return
	case panicked:
		d.fault(t)
	default:
		func() {
			defer d.contain(t)
			d.follow(t, o)
		}()
	}
	lc.progress()
}

// answers renders answers one after the other.
type answers struct {
	w     *bufio.Writer
	bytes []byte
}

// answerBytes is the room to render in; what is longer is copied in parts.
const answerBytes = 4 << 10

// Write implements io.Writer.
func (a *answers) Write(p []byte) (int, error) {
	a.bytes = append(a.bytes, p...)
	return len(p), nil
}

// add renders an answer. A body that is large is not copied but returned: it is
// in memory that does not change, to be sent after the bytes.
func (a *answers) add(t *turn) (body []byte) {
	if t.last {
		t.resp.SetConnectionClose()
	}
	if b := t.resp.Body(); len(b) > keepBufferBytes && !t.resp.SkipBody {
		t.resp.Header.SetContentLength(len(b))
		a.bytes = append(a.bytes, t.resp.Header.Header()...)
		return b
	}
	// Writing to memory does not fail.
	t.resp.Write(a.w)
	a.w.Flush()
	return nil
}
