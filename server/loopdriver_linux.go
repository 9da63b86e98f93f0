package server

import (
	"bufio"
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/auth"
	"tailrace/internal/evloop"
	"tailrace/internal/stream"
)

// loopDriver is the driver that serves connections by an event loop. It runs
// the same handlers as the driver of fasthttp's goroutines, but never waits for
// one request: appends of a pass are staged together, made durable by one
// commit, and answered after it.
//
// What may block or is unusual it hands over before handling it: the connection
// with all that was read of it, so that fasthttp sees it as if from the start.
type loopDriver struct {
	server *Server
	loop   *evloop.Loop

	// For parsing and rendering, one request at a time.
	src bytes.Reader
	in  *bufio.Reader
	out answers
	uri fasthttp.URI

	waiting, waited []*turn // for tickets, oldest first; and memory for the next list
	free            []*turn
	conns           []*loopConn   // to be used again
	retired         []*loopConn   // the same, after the pass
	late            engine.Ticket // of the last commit by the loop: not ready if that is late
	watch           chan engine.Ticket
	watching        bool // for the first of waiting

	// Those who follow streams, and which of them have news.
	audiences map[stream.ID]*audience
	news      newsBox
	told      []*audience   // memory for the next list
	touched   []*audience   // that have read something in this pass
	line      []*audience   // with news, or in a round
	resting   []*audience   // with news, for the next window
	behind    []*loopReader // that have not got all there is
	window    uint32
	windowEnd time.Time
	turns     int       // of members in this window
	clockAt   time.Time // of the engine, in this pass
	answerAt  time.Time // when the answers after a commit are made; zero before it
	begun     time.Time

	peers    []*peer       // by the slots of connections
	grants   []*auth.Grant // of event streams, likewise; none without authentication
	corked   bool          // between PassBegin and PassEnd
	stopping bool
}

// owner is what a connection is at a time: one for requests, or a reader of an
// event stream.
type owner interface {
	input()
	crowded() // too much input is kept
	left()
	sent()
	expired()
	gone()  // it is closed
	hurry() // the server stops
}

// commitWaitMax is how long a commit by the loop may take before the loop goes on
// without it, and how long commits may usually take for the loop to try. Longer,
// and those wait who need no commit.
const commitWaitMax = time.Millisecond

func newLoopDriver(s *Server) (*loopDriver, error) {
	d := &loopDriver{server: s, watch: make(chan engine.Ticket, 1), audiences: make(map[stream.ID]*audience), begun: time.Now()}
	d.in = bufio.NewReaderSize(&d.src, headerBytesMax)
	d.out.w = bufio.NewWriterSize(&d.out, answerBytes)
	var err error
	if d.loop, err = evloop.New(d); err != nil {
		return nil, err
	}
	d.loop.InputMax = max(headerBytesMax, s.opts.BodyBytesInFlight/(inputShare*int64(loopsWanted())))
	d.news.wake = d.loop.Wake
	return d, nil
}

// run runs the loop until it was stopped.
func (d *loopDriver) run() {
	go d.watchTickets()
	defer close(d.watch)
	if err := d.loop.Run(); err != nil {
		// No request can be served any more, and the next start of the process
		// can do better.
		panic(err)
	}
}

// adopt takes a connection in.
func (d *loopDriver) adopt(fd int, p *peer, rest []byte, served bool) {
	if d.stopping {
		evloop.CloseFD(fd)
		d.server.conns.leave(p)
		return
	}
	lc := d.newConn()
	lc.served = served
	c, err := d.loop.Adopt(fd, rest, lc)
	if err != nil {
		d.server.opts.Logger.Warn("cannot serve a connection", "err", err)
		evloop.CloseFD(fd)
		d.server.conns.leave(p)
		return
	}
	lc.Conn = c
	d.setPeer(c, p)
	lc.arm()
}

// newConn takes a connection that became an event stream, or makes one. One for
// each of many readers would leave memory full of holes.
func (d *loopDriver) newConn() *loopConn {
	n := len(d.conns)
	if n == 0 {
		return &loopConn{driver: d}
	}
	lc := d.conns[n-1]
	d.conns = d.conns[:n-1]
	*lc = loopConn{driver: d}
	return lc
}

// stop ends the connections that wait for a request; the others end with their
// next answer.
func (d *loopDriver) stop() {
	d.stopping = true
	d.loop.All(func(c *evloop.Conn) { c.Owner.(owner).hurry() })
	d.ended()
}

// ended ends the loop of a server that stops when there is no connection left.
func (d *loopDriver) ended() {
	if d.stopping && d.loop.Len() == 0 {
		d.loop.Stop()
	}
}

// PassBegin implements evloop.Handler.
func (d *loopDriver) PassBegin() {
	d.server.engine.Cork()
	d.corked = true
	d.answerAt = time.Time{}
	if n := min(len(d.retired), turnsKept-len(d.conns)); n > 0 {
		d.conns = append(d.conns, d.retired[:n]...)
	}
	clear(d.retired)
	d.retired = d.retired[:0]
}

// PassEnd implements evloop.Handler. Everything of the pass is staged: now it is
// committed, and those are answered whose tickets are ready.
func (d *loopDriver) PassEnd() bool {
	kept := d.commit()
	if kept {
		d.answerAt = time.Now()
		if len(d.waiting) > 0 {
			d.resumeReady()
		}
		d.deliver()
		d.corked = false
	}
	d.server.engine.Uncork()
	return kept
}

// commit makes durable what is waited for, if that is going to be quick. It is
// false if it was not, and the loop has gone on meanwhile.
func (d *loopDriver) commit() bool {
	if len(d.waiting) == 0 {
		return true
	}
	newest := d.waiting[len(d.waiting)-1].exchange.ticket
	if newest.Ready() || !d.late.Ready() || d.server.engine.CommitTime() > commitWaitMax {
		return true
	}
	d.late = newest
	return d.loop.Lend(commitWaitMax, func() { d.server.engine.Lead() })
}

// resumeReady goes on with those whose tickets are ready, and has the loop woken
// when the first of the others is.
func (d *loopDriver) resumeReady() {
	list := d.waiting
	d.waiting = d.waited[:0]
	for i, t := range list {
		if list[i] = nil; !t.exchange.ticket.Ready() {
			d.waiting = append(d.waiting, t)
			continue
		}
		lc := t.conn
		if lc == nil {
			d.give(t) // the connection is gone
			continue
		}
		d.resume(t)
		lc.progress()
	}
	d.waited = list
	if len(d.waiting) > 0 && !d.watching {
		d.watching = true
		d.watch <- d.waiting[0].exchange.ticket
	}
}

// watchTickets wakes the loop when a ticket is ready for which it did not wait.
func (d *loopDriver) watchTickets() {
	for t := range d.watch {
		t.Wait() // how it ended is seen by whoever asks the ticket
		d.loop.Post(func() { d.watching = false })
	}
}

// Input implements evloop.Handler.
func (d *loopDriver) Input(c *evloop.Conn) { c.Owner.(owner).input() }

// Crowded implements evloop.Handler.
func (d *loopDriver) Crowded(c *evloop.Conn) { c.Owner.(owner).crowded() }

// Leaving implements evloop.Handler.
func (d *loopDriver) Leaving(c *evloop.Conn) { c.Owner.(owner).left() }

// Sent implements evloop.Handler.
func (d *loopDriver) Sent(c *evloop.Conn) { c.Owner.(owner).sent() }

// Expired implements evloop.Handler.
func (d *loopDriver) Expired(c *evloop.Conn) { c.Owner.(owner).expired() }

// Closed implements evloop.Handler.
func (d *loopDriver) Closed(c *evloop.Conn) {
	c.Owner.(owner).gone()
	d.server.conns.leave(d.peerOf(c))
	d.ended()
}

// setPeer notes where a connection comes from. Nothing is noted of those that are
// not counted, which are all of them unless a limit is set.
func (d *loopDriver) setPeer(c *evloop.Conn, p *peer) {
	at := int(c.Slot())
	if p == nil && at >= len(d.peers) {
		return
	}
	for at >= len(d.peers) {
		d.peers = append(d.peers, nil)
	}
	d.peers[at] = p
}

// answerTime is when an answer is made.
func (d *loopDriver) answerTime() time.Time {
	if d.answerAt.IsZero() {
		return time.Now()
	}
	return d.answerAt // many are made after a commit, at once
}

func (d *loopDriver) peerOf(c *evloop.Conn) *peer {
	if at := int(c.Slot()); at < len(d.peers) {
		return d.peers[at]
	}
	return nil
}

// setGrant notes what an event stream is by, nil if there is nothing to note.
func (d *loopDriver) setGrant(c *evloop.Conn, g *auth.Grant) {
	at := int(c.Slot())
	if g == nil && at >= len(d.grants) {
		return
	}
	for at >= len(d.grants) {
		d.grants = append(d.grants, nil)
	}
	d.grants[at] = g
}

// grantOf is what an event stream is by, or nil.
func (d *loopDriver) grantOf(c *evloop.Conn) *auth.Grant {
	if at := int(c.Slot()); at < len(d.grants) {
		return d.grants[at]
	}
	return nil
}

// broken ends all who follow streams: the log has failed, and there will be no
// news.
func (d *loopDriver) broken() {
	d.loop.All(func(c *evloop.Conn) {
		switch o := c.Owner.(type) {
		case *loopReader:
			o.drop(dropFailed)
		case *loopConn:
			if o.parked != nil {
				d.server.drops.note(dropFailed)
				o.Close()
			}
		}
	})
}
