//go:build linux

package evloop

import "math/bits"

// wheel holds the deadlines of connections. A deadline that moves away, as most
// do, costs nothing: the connection stays in its slot, and when that comes is
// put where it belongs by then.
type wheel struct {
	now   int64 // ms of the loop; slots up to it are empty
	count int
	slots [wheelSlots]*Conn
	used  [wheelSlots / 64]uint64 // bit per slot that is not empty
}

const (
	// tickMS is how exact a deadline is. Finer, and an idle loop with many
	// connections wakes up more often.
	tickMS = 8

	// wheelSlots and the tick make the horizon, about 8 s. What is later waits
	// in the last slot.
	wheelSlots = 1024
)

// set moves the deadline of c to a time, 0 for none.
func (w *wheel) set(c *Conn, at int64) {
	c.deadline = at
	if at == 0 || c.slotted && !later(c.tick, at/tickMS) {
		return
	}
	if c.slotted {
		w.remove(c)
	}
	w.insert(c)
}

// later compares ticks, of which only the last 32 bits are kept: more than a year.
func later(tick uint32, than int64) bool { return int32(tick-uint32(than)) > 0 }

// insert puts c into the slot of its deadline, or as near to it as there is one.
func (w *wheel) insert(c *Conn) {
	at := max(c.deadline, w.now+1)
	// Rounded up: a slot that comes is over.
	c.tick = uint32(min((at+tickMS-1)/tickMS, w.now/tickMS+wheelSlots-1))
	i := int(c.tick % wheelSlots)
	c.prev, c.next = nil, w.slots[i]
	if c.next != nil {
		c.next.prev = c
	}
	w.slots[i] = c
	w.used[i/64] |= 1 << (i % 64)
	c.slotted = true
	w.count++
}

func (w *wheel) remove(c *Conn) {
	if !c.slotted {
		return
	}
	i := int(c.tick % wheelSlots)
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		w.slots[i] = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	if w.slots[i] == nil {
		w.used[i/64] &^= 1 << (i % 64)
	}
	c.prev, c.next, c.slotted = nil, nil, false
	w.count--
}

func (w *wheel) index(at int64) int { return int(at / tickMS % wheelSlots) }

// next is when the first slot comes that is not empty, 0 if all are.
func (w *wheel) next() int64 {
	if w.count == 0 {
		return 0
	}
	first := w.now/tickMS + 1
	for n := int64(0); n < wheelSlots; {
		i := int((first + n) % wheelSlots)
		if rest := w.used[i/64] >> (i % 64); rest != 0 {
			return (first + n + int64(bits.TrailingZeros64(rest))) * tickMS
		}
		n += int64(64 - i%64)
	}
	panic("evloop: a wheel that is not empty has no slot")
}

// expiredMax is how many connections expire in a pass. More make a pass longer.
const expiredMax = 256

// advance moves on to now and calls expired for connections whose deadline has
// passed. It may close connections and set deadlines. It is false if there are
// more.
func (w *wheel) advance(now int64, expired func(*Conn)) bool {
	for left := expiredMax; ; {
		at := w.next()
		if at == 0 || at > now {
			w.now = max(w.now, now)
			return true
		}
		w.now = at
		for i := w.index(at); w.slots[i] != nil; left-- {
			if left == 0 {
				w.now = at - 1 // the slot comes again
				return false
			}
			c := w.slots[i]
			w.remove(c)
			switch {
			case c.deadline == 0:
			case c.deadline > at:
				w.insert(c)
			default:
				c.deadline = 0
				expired(c)
			}
		}
	}
}
