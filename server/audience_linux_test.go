package server

import (
	"testing"

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
				if turns, over = a.round(1 + rng.IntN(7)); turns > 7 {
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
