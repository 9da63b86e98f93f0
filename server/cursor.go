package server

import (
	"math"
	"time"
)

// Cursors number intervals of time. A client sends the last one back, so that
// its requests differ from interval to interval and caches forget old answers
// (section 10.1).
const (
	cursorEpoch    = 1728432000 // 2024-10-09T00:00:00Z
	cursorInterval = 20 * time.Second

	// A client that is not behind the current interval gets a cursor this much
	// further on, which keeps a crowd of them from agreeing again.
	cursorJitterMax = 3600 * time.Second
)

// cursorAt is the number of the interval that t is in.
func cursorAt(t time.Time) uint64 {
	since := t.Unix() - cursorEpoch
	return uint64(max(since, 0)) / uint64(cursorInterval/time.Second)
}

// nextCursor is the cursor for a client that sent that one. It is always
// greater than the client's, which is at most cursorMax.
func nextCursor(now time.Time, client uint64, given bool, random func() uint64) uint64 {
	current := cursorAt(now)
	if !given || client < current {
		return current
	}
	jitter := 1 + random()%uint64(cursorJitterMax/time.Second)
	ahead := max(1, jitter/uint64(cursorInterval/time.Second))
	return client + min(ahead, math.MaxUint64-client)
}
