package server

import (
	"slices"
	"time"

	"tailrace/engine"
)

// load reads an event beside the loop, because it is on the disk or large. All
// readers who are at the same place wait for the same load.
type load struct {
	audience *audience
	place    place
	version  int // of the audience: who comes after news does not join
	waiting  []*loopReader
}

// loadsMax is how many events are read at a time: each holds the bytes of one
// event. Others wait.
const loadsMax = 64

// load has the reader wait for its next event.
func (r *loopReader) load() {
	a := r.audience
	r.loading = true
	for _, l := range a.loads {
		if l.place == r.place && l.version == a.version && !a.news.Load() {
			l.waiting = append(l.waiting, r)
			return
		}
	}
	l := &load{audience: a, place: r.place, version: a.version, waiting: []*loopReader{r}}
	a.loads = append(a.loads, l)
	go l.run(a.driver, &reading{feed: a.feed, place: l.place})
}

// run reads the event. It waits for its turn, for the disk, and for the memory
// that a large one takes.
func (l *load) run(d *loopDriver, g *reading) {
	var f *frame
	state := feedBroken
	defer func() {
		if v := recover(); v != nil {
			d.server.panicked(v, nil)
			d.server.internalErrors.Add(1)
			f, state = nil, feedBroken
			g.release()
		}
		l.post(f, state)
	}()
	out, next := l.next(d, g)
	if next == feedFull && g.await(time.Now().Add(d.server.opts.LiveTime)) {
		out, next = l.next(d, g)
	}
	if next == feedWait {
		// That was so when it was read. What came since was news to nobody who waited
		// for this, so each looks once more.
		next = feedMore
	}
	if state = next; len(out) > 0 {
		if next == feedEnd {
			out = appendEnd(out, l.place.shape)
		}
		f, state = &frame{bytes: out, then: g.place, next: next, held: g.held, kept: true}, feedMore
		return
	}
	g.release()
}

// next reads with one of the tokens for that, which nobody holds who waits for the
// log. Who waits for a bucket has others than who waits for the disk.
func (l *load) next(d *loopDriver, g *reading) ([]byte, feedState) {
	g.settle()
	gate := d.server.loops.loads
	if r, _ := d.server.reads.Read(engine.ReadRequest{Path: g.path, ID: g.id, From: g.from, BytesMax: 1}); r.Far {
		gate = d.server.loops.farLoads
	}
	gate <- struct{}{}
	defer func() { <-gate }()
	return g.next(nil)
}

// post gives the event to those who wait for it, some in each pass.
func (l *load) post(f *frame, state feedState) {
	d := l.audience.driver
	if !d.loop.Post(func() { l.done(f, state) }) && f != nil && f.pins == 0 {
		d.server.responses.release(f.held)
	}
}

// done gives the event to those who wait for it.
func (l *load) done(f *frame, state feedState) {
	a := l.audience
	if at := slices.Index(a.loads, l); at >= 0 {
		a.loads = slices.Delete(a.loads, at, at+1) // nobody joins any more
	}
	until := time.Now().Add(passTime)
	for n := 0; n < len(l.waiting); n++ {
		if n == passTurns || n%timeTurns == timeTurns-1 && time.Now().After(until) {
			l.waiting = l.waiting[n:]
			l.post(f, state)
			return
		}
		l.give(l.waiting[n], f, state)
		l.waiting[n] = nil
	}
	if f != nil && f.pins == 0 {
		a.driver.server.responses.release(f.held)
		f.held = 0
	}
}

// give gives it to one.
func (l *load) give(r *loopReader, f *frame, state feedState) {
	if r.Closed() || r.Owner != owner(r) {
		return // it has left meanwhile
	}
	r.loading = false
	switch {
	case r.stalled: // a comment is on its way; what follows is looked for after it
	case l.audience.driver.stopping:
		r.finish()
	case f != nil:
		r.give(f)
	case state == feedFull:
		r.load() // until its own time is up
	default:
		r.do(state)
	}
}
