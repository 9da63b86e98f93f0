package server

import (
	"sync"
	"time"
)

// newsBox is where audiences with news wait for their loop to come by. It may be
// used from everywhere.
type newsBox struct {
	wake func()

	mu   sync.Mutex
	list []*audience
}

func (b *newsBox) put(a *audience) {
	b.mu.Lock()
	b.list = append(b.list, a)
	b.mu.Unlock()
	b.wake()
}

// take returns what is there, in spare's memory the next time.
func (b *newsBox) take(spare []*audience) []*audience {
	b.mu.Lock()
	list := b.list
	b.list = spare[:0]
	b.mu.Unlock()
	return list
}

// Pace of deliveries. An event costs the same whatever is in it, so under load
// streams are looked at less often, and events get larger instead of more.
const (
	// deliverWindow is how often a stream is looked at when there is much to
	// deliver. Longer, and events are late; shorter, and deliveries take what
	// appends could have.
	deliverWindow = 20 * time.Millisecond

	// freeTurns is how many members a window serves before a stream has to wait for
	// the next one after it was looked at. Less, and streams wait on idle machines.
	freeTurns = 64

	// passTurns is how many members are served in a pass: how long everybody else
	// waits.
	passTurns = 256

	// behindTurns is how many of them may be readers that catch up.
	behindTurns = 64

	// passTime is how long they are served, if their events are large, and timeTurns
	// how often that is looked at.
	passTime  = 2 * time.Millisecond
	timeTurns = 16
)

// deliver gives news to those who follow streams, within the bounds of a pass.
func (d *loopDriver) deliver() {
	now := d.loop.Now()
	d.clockAt = time.Time{}
	if !now.Before(d.windowEnd) {
		d.windowEnd = now.Add(deliverWindow)
		d.window++
		d.turns = 0
		d.line = append(d.line, d.resting...)
		clear(d.resting)
		d.resting = d.resting[:0]
	}
	d.told = d.news.take(d.told)
	for i, a := range d.told {
		if !a.queued {
			a.queued = true
			d.line = append(d.line, a)
		}
		d.told[i] = nil
	}
	until := time.Now().Add(passTime)
	left := passTurns - d.catchUp(until)
	for n := len(d.line); n > 0 && left > 0; n-- {
		if n%timeTurns == 0 && time.Now().After(until) {
			break
		}
		a := d.line[0]
		d.line[0] = nil
		d.line = d.line[1:]
		left -= d.visit(a, left, until)
	}
	for i, a := range d.touched {
		if a.touched = false; !a.inRound {
			a.forget()
		}
		d.touched[i] = nil
	}
	d.touched = d.touched[:0]
	if len(d.line) == 0 {
		d.line = d.line[:0:cap(d.line)]
	}
	switch {
	case len(d.line) > 0 || len(d.behind) > 0:
		d.loop.Wake()
	case len(d.resting) > 0:
		d.loop.WakeAt(d.windowEnd)
	}
}

// visit gives an audience its turn, and tells how many members were served.
func (d *loopDriver) visit(a *audience, most int, until time.Time) int {
	now := d.loop.Now()
	if a.closed || a.gated || !a.inRound && !a.news.Load() {
		a.queued = false
		return 0
	}
	if !a.inRound {
		if a.window == d.window && d.turns >= freeTurns || now.Before(a.notBefore) {
			d.resting = append(d.resting, a)
			return 0
		}
		a.window, a.began = d.window, now
	}
	turns, over := a.round(most, until)
	d.turns += turns
	switch {
	case !over, a.news.Load():
		d.line = append(d.line, a)
	default:
		a.queued = false
	}
	if over && turns < len(a.members) {
		// It took several passes. As much time belongs to the others.
		end := time.Now()
		a.notBefore = end.Add(end.Sub(a.began))
	}
	return turns
}

// catchUp gives readers that are behind their next events.
func (d *loopDriver) catchUp(until time.Time) (n int) {
	list := d.behind
	d.behind = nil
	for most := min(len(list), behindTurns); n < most; {
		r := list[n]
		list[n] = nil
		if n++; n%timeTurns == 0 && time.Now().After(until) {
			most = n
		}
		if r.Closed() || r.Owner != owner(r) {
			continue
		}
		if r.behind = false; !r.busy() {
			r.next()
		}
	}
	d.behind = append(list[n:], d.behind...)
	return n
}

// touch has an audience forget in the end of the pass what it has read, unless it
// is in a round then.
func (d *loopDriver) touch(a *audience) {
	if !a.touched {
		a.touched = true
		d.touched = append(d.touched, a)
	}
}

// clock is the time of the pass as the engine sees it.
func (d *loopDriver) clock() time.Time {
	if d.clockAt.IsZero() {
		d.clockAt = d.server.engine.Now()
	}
	return d.clockAt
}

// since is a time on the driver's own clock.
func (d *loopDriver) since(t time.Time) time.Duration { return t.Sub(d.begun) }

// looked and parked tell tests.
func (d *loopDriver) looked(name string) {
	if d.server.hooks.onLook != nil {
		d.tell(func() { d.server.hooks.looked(name) })
	}
}

func (d *loopDriver) parked(name string) {
	if d.server.hooks.onPark != nil {
		d.tell(func() { d.server.hooks.parked(methodGet, name) })
	}
}

// tell calls a test, which may wait for commits.
func (d *loopDriver) tell(f func()) {
	if d.corked {
		d.server.engine.Uncork()
		defer d.server.engine.Cork()
	}
	f()
}
