package server

import (
	"slices"
	"sync/atomic"
	"time"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// audience is all who follow one stream on one loop: event streams, and
// long-polls that wait. The engine tells it of news, whatever its size; the
// loop then looks at the stream for all of its members together.
//
// A look is a round over the members. It may take several passes. For all of it
// the stream ends where it did at its beginning, so that members who are at the
// same place stay together and get the same bytes.
type audience struct {
	driver *loopDriver
	feed   *feed
	stop   func() // nil: the stream was gone before it could be watched
	closed bool

	members []member
	at      int  // the next member of the round
	inRound bool // a round is under way
	to      stream.Offset
	looks   []look   // what was read in the round
	frames  []*frame // what was made of it
	fresh   bool     // what is read now is for nobody else
	version int      // how often that began anew
	touched bool     // in the driver's list of those that have read something
	loads   []*load  // what is read beside the loop

	news      atomic.Bool // something has happened since the last round began
	queued    bool        // in a line of the driver
	gated     bool        // nothing can be read until a ticket is ready
	window    uint32      // of the driver, in which the last round was
	began     time.Time
	notBefore time.Time // no round begins before
}

// member is one who follows a stream.
type member interface {
	// hear tells that there may be news.
	hear()
	// move says where in the audience the member is.
	move(at int32)
}

// look is what was read from an offset.
type look struct {
	from     stream.Offset
	bytesMax int
	result   engine.ReadResult
	ticket   engine.Ticket
	content  []byte // of the result, once somebody has put it together
}

// cold tells that there is more to read, on the disk.
func (l *look) cold() bool {
	return l.ticket.Err() == nil && l.ticket.Code == stream.OK && l.result.Cold
}

// looksKept and framesKept bound what is shared in a round: memory per stream.
// Members who are at that many different places share less.
const (
	looksKept  = 4
	framesKept = 4
)

// audience returns who follows the stream of a request that has nothing to read.
func (d *loopDriver) audience(x *exchange) *audience {
	if a := d.audiences[x.live.id]; a != nil {
		return a
	}
	a := &audience{driver: d, feed: d.server.newFeed(x)}
	// If the stream is gone by now the first look finds out.
	a.stop, _ = d.server.engine.WatchInline(a.feed.path, a.feed.id, a.notify)
	d.audiences[a.feed.id] = a
	return a
}

// notify says that something happened to the stream. It is called by whoever
// commits.
func (a *audience) notify() {
	if a.news.CompareAndSwap(false, true) {
		a.driver.news.put(a)
	}
}

// refresh is for somebody who has just come, or is told that there is nothing,
// and must not be told less than was acknowledged before: what is read until
// refreshed is what there is now. Members in a round go on with what they have, and
// get the rest in the next one.
func (a *audience) refresh() {
	switch {
	case !a.news.Load():
	case a.inRound:
		a.fresh = true
	default:
		a.begin()
	}
}

func (a *audience) refreshed() { a.fresh = false }

// begin forgets what was read.
func (a *audience) begin() {
	a.to = 0
	a.version++
	a.forget()
}

// forget gives up what was read and made of it: it may be much, and the next news
// far away.
func (a *audience) forget() {
	clear(a.looks)
	a.looks = a.looks[:0]
	a.dropFrames()
}

// add takes a member in. It has to look for itself once, after this.
func (a *audience) add(m member) {
	m.move(int32(len(a.members)))
	a.members = append(a.members, m)
}

// remove takes out the member at that place.
func (a *audience) remove(at int32) {
	hole, last := int(at), len(a.members)-1
	if a.inRound && hole < a.at {
		// The last one has not had its turn, so it must not come to stand before
		// those who are next.
		a.at--
		a.put(hole, a.members[a.at])
		hole = a.at
	}
	if hole < last {
		a.put(hole, a.members[last])
	}
	a.members[last] = nil
	a.members = a.members[:last]
	if last == 0 {
		a.close()
	}
}

func (a *audience) put(at int, m member) {
	a.members[at] = m
	m.move(int32(at))
}

func (a *audience) close() {
	a.closed = true
	a.forget()
	if a.stop != nil {
		a.stop()
	}
	delete(a.driver.audiences, a.feed.id)
}

// round gives turns to at most so many members until a time, and begins a new
// round if none is under way. It is true when the round is over.
func (a *audience) round(most int, until time.Time) (turns int, over bool) {
	if !a.inRound {
		a.inRound, a.at = true, 0
		a.begin()
		a.news.Store(false) // what happens from here on is for the next
	}
	for ; a.at < len(a.members) && turns < most && !a.gated; turns++ {
		m := a.members[a.at]
		a.at++
		m.hear()
		if turns%timeTurns == timeTurns-1 && time.Now().After(until) {
			most = 0
		}
	}
	if a.gated || a.at >= len(a.members) {
		a.inRound = false
	}
	return turns, !a.inRound
}

// read reads the stream from an offset up to where it ended when the round began.
// It is nil if nothing can be said before something is durable; the audience has
// news then.
func (a *audience) read(from stream.Offset, bytesMax int) *look {
	for i := range a.looks {
		if l := &a.looks[i]; !a.fresh && l.from == from && l.bytesMax == bytesMax {
			return l
		}
	}
	r := engine.ReadRequest{Path: a.feed.path, ID: a.feed.id, From: from, BytesMax: bytesMax, To: a.to}
	if a.fresh || from > a.to {
		r.To = 0 // it came later, and knows more
	}
	l := look{from: from, bytesMax: bytesMax}
	for again := true; again; {
		l.result, l.ticket = a.feed.server.reads.Read(r)
		a.driver.looked(a.feed.path)
		if !l.ticket.Ready() {
			a.wait(l.ticket)
			return nil
		}
		again = l.ticket.Retry && l.ticket.Err() == nil // what it waited for is durable by now
	}
	if a.fresh {
		return &l
	}
	if a.to == 0 {
		a.to = l.result.Tail
	}
	if len(a.looks) == looksKept {
		a.looks = slices.Delete(a.looks, 0, 1)
	}
	a.looks = append(a.looks, l)
	a.driver.touch(a)
	return &a.looks[len(a.looks)-1]
}

// wait has another round begin when the ticket is ready. That it is may be no
// news of this stream: a successor at its path is on its way to the log.
func (a *audience) wait(t engine.Ticket) {
	if a.gated {
		return
	}
	a.gated = true
	d := a.driver
	d.server.hooks.waiting(methodGet, a.feed.path)
	go func() {
		t.Wait() // how it ended is seen by whoever looks
		d.loop.Post(func() {
			a.gated = false
			a.news.Store(true) // it may have been, and nobody has looked
			d.news.put(a)
		})
	}()
}
