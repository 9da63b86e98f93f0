//go:build linux

package evloop

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("evloop.seed", 0, "seed of the random test, 0 = by the clock")

// Against a model: a map of deadlines.
func TestWheelKeepsEveryDeadline(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-evloop.seed=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	keepEveryDeadline(t, rnd, 1_000_000)
	keepEveryDeadline(t, rnd, tickMS<<31-1_000_000) // where ticks change their sign
	keepEveryDeadline(t, rnd, tickMS<<32-1_000_000) // and begin anew
}

func keepEveryDeadline(t *testing.T, rnd *rand.Rand, begin int64) {
	w := wheel{now: begin}
	want := make(map[*Conn]int64)
	conns := make([]*Conn, 200)
	for i := range conns {
		conns[i] = &Conn{}
	}
	now := w.now
	for range 20_000 {
		c := conns[rnd.IntN(len(conns))]
		switch rnd.IntN(4) {
		case 0:
			w.remove(c)
			c.deadline = 0
			delete(want, c)
		case 1:
			w.set(c, 0)
			delete(want, c)
		default:
			at := now + rnd.Int64N(1<<uint(1+rnd.IntN(16)))
			w.set(c, at)
			want[c] = at
		}
		now += rnd.Int64N(1 << uint(1+rnd.IntN(10)))
		w.advance(now, func(c *Conn) {
			if at, ok := want[c]; !ok || at > now {
				t.Fatalf("a deadline at %d came at %d, is wanted %v", at, now, ok)
			}
			delete(want, c)
			if rnd.IntN(2) == 0 { // set anew from within
				at := now + 1 + rnd.Int64N(20_000)
				w.set(c, at)
				want[c] = at
			}
		})
		for c, at := range want {
			if at <= now-2*tickMS {
				t.Fatalf("the deadline at %d has not come at %d: %+v", at, now, c)
			}
		}
		if next := w.next(); len(want) > 0 && next == 0 {
			t.Fatal("no slot, with deadlines to come")
		}
	}
}
