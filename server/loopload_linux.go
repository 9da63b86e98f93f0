package server

import "time"

// load reads an event beside the loop, because it is on the disk or large. All
// readers who are at the same place wait for the same load.
type load struct {
	audience *audience
	place    place
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
		if l.place == r.place {
			l.waiting = append(l.waiting, r)
			return
		}
	}
	l := &load{audience: a, place: r.place, waiting: []*loopReader{r}}
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
			d.server.panicked(v)
			d.server.internalErrors.Add(1)
			f, state = nil, feedBroken
			g.release()
		}
		if !d.loop.Post(func() { l.done(f, state) }) && f != nil {
			d.server.responses.release(f.held)
		}
	}()
	gate := d.server.loops.loads
	gate <- struct{}{}
	out, next := g.next(nil)
	<-gate
	if next == feedFull && g.await(time.Now().Add(d.server.opts.LiveTime)) {
		gate <- struct{}{}
		out, next = g.next(nil)
		<-gate
	}
	if state = next; len(out) > 0 {
		if next == feedEnd {
			out = appendEnd(out, l.place.shape)
		}
		d.server.framesEncoded.Add(1)
		f, state = &frame{bytes: out, then: g.place, next: next, held: g.held, kept: true}, feedMore
		return
	}
	g.release()
}

// done gives the event to those who wait for it.
func (l *load) done(f *frame, state feedState) {
	a := l.audience
	for i, other := range a.loads {
		if other == l {
			last := len(a.loads) - 1
			a.loads[i], a.loads[last] = a.loads[last], nil
			a.loads = a.loads[:last]
			break
		}
	}
	for _, r := range l.waiting {
		if r.Closed() || r.Owner != owner(r) {
			continue // it has left meanwhile
		}
		r.loading = false
		switch {
		case r.stalled: // a comment is on its way; what follows is looked for after it
		case a.driver.stopping:
			r.finish()
		case f != nil:
			r.give(f)
		case state == feedFull:
			r.load() // until its own time is up
		default:
			r.do(state)
		}
	}
	if f != nil && f.pins == 0 {
		a.driver.server.responses.release(f.held)
	}
}
