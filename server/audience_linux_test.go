package server

import (
	"testing"
	"time"

	"tailrace/internal/stream"
)

// hearer is a member that counts its turns.
type hearer struct {
	at     int32
	in     bool
	turns  int
	during func() // its turn
}

func (h *hearer) move(at int32) { h.at = at }
func (h *hearer) hear() {
	h.turns++
	if h.during != nil {
		h.during()
	}
}

// In a round each member has one turn, whoever comes and goes meanwhile, also in
// somebody's turn.
func TestRoundsAreFair(t *testing.T) {
	rng := newRand(t)
	for range 300 {
		a := &audience{driver: &loopDriver{audiences: make(map[stream.ID]*audience)}, feed: &feed{}}
		var all []*hearer
		come := func() *hearer {
			h := &hearer{in: true}
			a.add(h)
			all = append(all, h)
			return h
		}
		leave := func() {
			var in []*hearer
			for _, h := range all {
				if h.in {
					in = append(in, h)
				}
			}
			if len(in) > 1 { // an empty audience ends
				h := in[rng.IntN(len(in))]
				h.in = false
				a.remove(h.at)
			}
		}
		change := func() {
			switch rng.IntN(6) {
			case 0:
				come()
			case 1, 2:
				leave()
			}
		}
		for range 2 + rng.IntN(40) {
			come().during = change
		}
		for range 5 {
			began := make(map[*hearer]bool)
			for _, h := range all {
				h.turns = 0
				began[h] = h.in
			}
			for over := false; !over; {
				var turns int
				if turns, over = a.round(1+rng.IntN(7), time.Now().Add(patience)); turns > 7 {
					t.Fatalf("%d turns at a time", turns)
				}
				change()
			}
			for i, h := range all {
				switch {
				case h.in && began[h] && h.turns != 1, h.turns > 1:
					t.Fatalf("member %d of %d had %d turns in a round", i, len(all), h.turns)
				case h.in && a.members[h.at] != member(h):
					t.Fatalf("member %d is not where it was told", i)
				}
			}
		}
	}
}

// News that comes while nothing can be read is not lost: the members have a turn
// when it can.
func TestNewsBehindAGateIsHeard(t *testing.T) {
	f := start(t, byLoops)
	f.create("a", "", text)
	d := f.server.loops.all[0]
	info, _ := f.engine.Head("a")
	held, release := f.holdCommits(false)
	ticket := f.engine.Append(&stream.Append{Path: "a", ContentType: "text/plain", Body: []byte("x")})
	await(t, "a commit", held)
	heard := make(chan struct{}, 10)
	h := &hearer{during: func() { heard <- struct{}{} }}
	var a *audience
	pass := func(do func()) {
		done := make(chan struct{})
		d.loop.Post(func() { do(); close(done) })
		await(t, "a pass", done)
	}
	pass(func() {
		a = &audience{driver: d, feed: &feed{server: f.server, path: "a", id: info.ID}}
		a.add(h)
		a.wait(ticket)
		a.notify()
	})
	pass(func() {}) // in the end of the first, the news was looked at
	release()
	await(t, "a turn", heard)
	pass(func() { a.remove(h.at) })
}

// Who comes while others have not yet heard of the last append is not told that
// the stream ends before it.
func TestNewcomersAreUpToDate(t *testing.T) {
	f := start(t, endless)
	f.create("a", "", text)
	for range 3 { // so that there is something to be stale
		f.follow("a?offset=now").next()
		f.awaitPark("a")
	}
	for i := range 500 {
		tail := f.do("POST", root+"a", "x", text).want(t, 204).Header.Get("Stream-Next-Offset")
		switch i % 3 {
		case 0:
			if _, _, ctl := f.follow("a?offset=now").next(); ctl.Next < tail {
				t.Fatalf("round %d: up to date at %s, and %s was acknowledged", i, ctl.Next, tail)
			}
		case 1:
			if _, _, ctl := f.follow("a?offset=" + token(6*i)).next(); ctl.Next < tail {
				t.Fatalf("round %d: got up to %s, and %s was acknowledged", i, ctl.Next, tail)
			}
		default:
			if r := f.poll("a?offset="+token(6*i)).read("GET").want(t, 200); r.Header.Get("Stream-Next-Offset") < tail {
				t.Fatalf("round %d: polled up to %s, and %s was acknowledged", i, r.Header.Get("Stream-Next-Offset"), tail)
			}
		}
	}
}
