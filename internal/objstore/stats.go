package objstore

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what a Store has done since it was made.
type Stats struct {
	Requests  []Count // attempts by operation and outcome, those that occurred
	BytesUp   int64   // in bodies of puts that the store accepted
	BytesDown int64   // in reads that succeeded
	Retries   int64   // attempts that were not the first of their call
	Throttled int64   // attempts that were sent away

	Reads, Writes Load

	LastError   string // "" if there was none
	LastErrorAt time.Time
}

// Count is how many attempts of an operation ended in one way.
type Count struct {
	Op   string
	Kind Kind
	N    int64
}

// Load is what runs at the moment.
type Load struct {
	InFlight int // attempts at the store
	Waiting  int // calls that wait for a place
	Limit    int // the bound of InFlight, for now
}

// Of is the number of attempts of one operation that ended in one way.
func (s Stats) Of(op string, k Kind) int64 {
	for _, c := range s.Requests {
		if c.Op == op && c.Kind == k {
			return c.N
		}
	}
	return 0
}

// counters are the running totals behind Stats.
type counters struct {
	requests                  [len(operations)][kinds]atomic.Int64
	bytesUp, bytesDown, again atomic.Int64

	mu        sync.Mutex // guards what follows
	lastError string
	lastAt    time.Time
}

// attempt counts one attempt. What a caller asked for is no error: an object
// that is not there, a condition that does not hold, a caller that left.
func (c *counters) attempt(op string, err error, now time.Time) {
	k := KindOf(err)
	c.requests[slices.Index(operations[:], op)][k].Add(1)
	switch k {
	case KindNone, KindNotFound, KindExists, KindCanceled:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastError, c.lastAt = err.Error(), now
}

func (c *counters) moved(op string, size int64) {
	switch op {
	case OpPut:
		c.bytesUp.Add(size)
	case OpReadAt:
		c.bytesDown.Add(size)
	}
}

// Stats is a snapshot; its numbers are of slightly different moments.
func (s *Store) Stats() Stats {
	c := &s.counters
	st := Stats{BytesUp: c.bytesUp.Load(), BytesDown: c.bytesDown.Load(), Retries: c.again.Load()}
	for i, op := range operations {
		for k := range kinds {
			if n := c.requests[i][k].Load(); n > 0 {
				st.Requests = append(st.Requests, Count{op, k, n})
			}
		}
		st.Throttled += c.requests[i][KindThrottled].Load()
	}
	st.Reads.InFlight, st.Reads.Limit, st.Reads.Waiting = s.reads.state()
	st.Writes.InFlight, st.Writes.Limit, st.Writes.Waiting = s.writes.state()
	c.mu.Lock()
	defer c.mu.Unlock()
	st.LastError, st.LastErrorAt = c.lastError, c.lastAt
	return st
}
