package server

import (
	"sync/atomic"
	"time"
)

// budget bounds the bytes that a kind of work holds at the same time.
type budget struct {
	used atomic.Int64
	max  int64

	// freed has a token if bytes were given back since somebody last looked.
	freed chan struct{}
}

func newBudget(max int64) budget { return budget{max: max, freed: make(chan struct{}, 1)} }

// reserve takes n bytes of the budget, or none.
func (b *budget) reserve(n int64) bool {
	for {
		used := b.used.Load()
		if used+n > b.max {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// reserveAlone is reserve for what may be larger than the whole budget. It then
// has to be alone.
func (b *budget) reserveAlone(n int64) bool {
	return b.reserve(n) || b.used.CompareAndSwap(0, n)
}

// await is reserveAlone that waits for its turn. It is false if that did not
// come before the end, or before the channel was closed.
//
// Who is woken and finds too little goes on waiting: somebody holds bytes then,
// and wakes one again by giving them back. Who finds enough wakes the next.
func (b *budget) await(n int64, end time.Time, stop <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for !b.reserveAlone(n) {
		select {
		case <-b.freed:
		case <-timer.C:
			return false
		case <-stop:
			return false
		}
	}
	b.wake()
	return true
}

func (b *budget) release(n int64) {
	if n != 0 {
		b.used.Add(-n)
		b.wake()
	}
}

func (b *budget) wake() {
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
