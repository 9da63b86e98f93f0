package livetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// reader reads one stream after the other. What it keeps between two requests
// is what a client keeps: the offset it was told last, and the cursor.
type reader struct {
	w         *world
	character character
	r         *rand.Rand
	client    *client

	tr     *track
	start  string // what it asks for next
	begun  bool   // it knows where it is
	at     offset
	cursor string
	got    []piece // not judged yet
	over   bool    // there is nothing more to read, for whatever reason
	closed bool    // it was told so
	left   int     // requests until it leaves by itself
	trail  []string
}

func newReader(w *world, number int, r *rand.Rand) *reader {
	x := &reader{w: w, character: character(number) % characters, r: r}
	x.client = &client{addr: w.addr, hurry: w.hurry, manner: func() manner { return x.character.manner(x.r) }}
	return x
}

func (x *reader) run() {
	defer x.client.drop()
	for !over(x.w.hurry) && !x.w.verdict.guilty() {
		tr, _ := x.w.pick(x.r, func(tr *track) bool { return x.character != stalling || tr.heavy || x.r.IntN(4) == 0 })
		if tr == nil {
			pause(x.r)
			continue
		}
		x.begin(tr)
		x.live()
	}
}

// begin chooses where to begin.
func (x *reader) begin(tr *track) {
	x.tr, x.start, x.begun, x.at, x.cursor, x.got, x.over, x.closed, x.trail = tr, tokenBegin, true, 0, "", nil, false, false, nil
	x.left = 5 + x.r.IntN(200)
	switch n := x.r.IntN(10); {
	case n == 0:
		x.start, x.begun = tokenNow, false
	case n < 3:
		x.at = offset(x.r.Uint64N(uint64(tr.state().tail) + 1))
		x.start = x.at.String()
	case n < 5:
		x.start = "0"
	}
	x.w.tally.add(lifeBegun)
}

// live reads until the end of the stream, or of the reader's patience.
func (x *reader) live() {
	for !x.over && !x.done() {
		switch n := x.r.IntN(10); {
		case n < 2:
			x.catchUp()
		case n < 5:
			x.longPoll()
		default:
			x.follow()
		}
		x.judge()
		if x.left--; x.left < 0 && !over(x.w.hurry) {
			x.w.tally.add(lifeBored)
			x.client.drop()
			break
		}
	}
	x.judgeAll()
}

// done reports whether nothing more will come and nobody will tell.
func (x *reader) done() bool {
	s := x.tr.state()
	if !x.begun || x.at != s.tail || s.closed || s.ended {
		return false
	}
	switch {
	case s.abandoned:
		x.awaitExpiry()
	case s.final:
		x.w.tally.add(tailEnd)
	default:
		return false
	}
	return true
}

// awaitExpiry lets a stream expire that lives on while it is read, and sees
// that it has.
func (x *reader) awaitExpiry() {
	x.client.drop()
	c := x.w.newClient()
	defer c.drop()
	for !x.tr.state().replacing {
		a, err := c.do("HEAD", x.tr.name, nil)
		switch {
		case err != nil:
			x.fault(broken, "HEAD: %v", err)
			return
		case a.missing():
			x.catchUp()
			return
		case a.status != http.StatusOK:
			x.fault(refused, "HEAD: %v", a)
			return
		}
		pause(x.r)
	}
	x.w.tally.add(replacedEnd)
}

// target is what is asked for next.
func (x *reader) target(live string) string {
	x.did("asked %s from %s", live, x.start)
	target := x.tr.name + "?offset=" + x.start
	if live != "" {
		target += "&live=" + live
		if x.cursor != "" {
			target += "&cursor=" + x.cursor
		}
	}
	return target
}

// fault notes a fault, and ends this life.
func (x *reader) fault(f fault, format string, args ...any) {
	x.w.verdict.add(f, "%v reader of %s (%v) at %d: %s; it did: %s", x.character, x.tr.id, x.tr.kind, x.at, fmt.Sprintf(format, args...),
		strings.Join(x.trail, "; "))
	x.over = true
}

// trailMax is how much of what a reader did is told with a fault.
const trailMax = 8

// did notes what the reader did.
func (x *reader) did(format string, args ...any) {
	if len(x.trail) == trailMax {
		x.trail = x.trail[:copy(x.trail, x.trail[1:])]
	}
	x.trail = append(x.trail, fmt.Sprintf(format, args...))
}

// broke looks why a connection ended early.
func (x *reader) broke(what string, err error) {
	defer x.client.drop()
	w := x.client.wire
	x.did("broken: %v", err)
	switch {
	case w == nil:
		x.fault(refused, "%s: connect: %v", what, err)
	case errors.Is(err, errCoding):
		x.fault(corrupt, "%s: %v", what, err)
	case w.dead:
		x.w.tally.add(died)
	case w.stall:
		x.w.tally.add(stalledDrop)
	case w.slow:
		x.w.tally.add(throttleDrop)
	case x.w.pulse.busy():
		x.w.tally.add(busyDrop)
	default:
		x.fault(broken, "%s, after %d bytes: %v", what, w.read, err)
	}
}

// refused judges an answer without what was asked for. before is the state of
// the stream before the request.
func (x *reader) refused(what string, before state, a *answer) {
	now := x.tr.state()
	switch {
	case a.later():
		x.w.tally.add(toldToWait)
		pause(x.r)
	case !a.missing():
		x.fault(refused, "%s: %v", what, a)
	case now.replacing:
		x.w.tally.add(replacedEnd) // of whichever it is true
		x.over = true
	case !x.tr.mayMiss(now):
		x.fault(undone, "%s: %v", what, a)
	case a.status == http.StatusGone && !now.forked:
		x.fault(undone, "%s: %v, and it has no forks", what, a)
	case a.status == http.StatusNotFound && before.kept && now.kept:
		x.fault(undone, "%s: %v, and it has forks", what, a)
	case a.status == http.StatusGone:
		x.w.tally.add(goneEnd)
		x.over = true
	default:
		x.w.tally.add(missingEnd)
		x.over = true
	}
}

// judge compares what is known of what it got.
func (x *reader) judge() {
	for len(x.got) > 0 {
		known, err := x.tr.judge(x.got[0])
		if !known {
			return
		}
		if err != nil {
			x.fault(corrupt, "%v", err)
			x.got = nil
			return
		}
		x.w.tally.addN(bytesJudged, len(x.got[0].data))
		x.got = x.got[1:]
	}
}

// judgeAll waits until everything it got is known, and that the stream is
// closed if it was told so.
func (x *reader) judgeAll() {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		change := x.tr.change()
		x.judge()
		s := x.tr.state()
		if len(x.got) == 0 && (!x.closed || s.closed) {
			if x.closed && x.at != s.tail {
				x.fault(undone, "told that it is closed here, and the tail is %d", s.tail)
			}
			return
		}
		select {
		case <-change:
		case <-timer.C:
			x.fault(corrupt, "shown up to %d (closed: %v), acknowledged up to %d (closed: %v)", x.at, x.closed, s.tail, s.closed)
			return
		}
	}
}
