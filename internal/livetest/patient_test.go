package livetest

import (
	"io"

	"tailrace/internal/sse/ssetest"
)

// passedMax is how many comments a reader gets while there is news for it.
const passedMax = 6

// patient is the body of an event stream whose reader watches for news that
// never comes. Comments are sent to a reader that has all there is. Some may be
// on their way before an append, but a server that goes on with them has
// forgotten this reader: the end of the response would hide that.
type patient struct {
	x      *reader
	body   io.Reader
	events *ssetest.Reader
	bound  bool // the response is of the reader's stream
	heard  int  // comments seen so far
	passed int  // of those, that came while there was news
}

// Read implements io.Reader. What came before is parsed by now.
func (p *patient) Read(b []byte) (int, error) {
	if n := p.events.Comments(); n > p.heard {
		p.heard = n
		p.look()
	}
	return p.body.Read(b)
}

// look counts comments that were read at once as one: they waited for the
// reader, not for the server.
func (p *patient) look() {
	x, s := p.x, p.x.tr.state()
	w := x.client.wire
	if !p.bound || !x.begun || x.at >= s.tail || s.ending || s.ended || x.tr.mortal || w.slow || w.stall {
		p.passed = 0
		return
	}
	if p.passed++; p.passed == passedMax && !x.w.pulse.busy() {
		x.fault(stale, "sse: %d comments and no news, and %d was acknowledged", p.passed, s.tail)
	}
}
