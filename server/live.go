package server

import (
	"sync"
	"sync/atomic"

	"tailrace/internal/stream"
)

// liveRequest is what a reader at the tail of a stream waits for.
type liveRequest struct {
	query
	id   stream.ID // the stream; never its successor at the same path
	from stream.Offset
}

// readers counts the live readers, those of long-polls among them, and knows
// those that have to be told when the server stops.
type readers struct {
	max   int64
	count atomic.Int64

	mu       sync.Mutex
	stopping bool
	followed map[*follower]struct{}
	ended    sync.WaitGroup
}

// admit takes a place for a reader, or says why there is none.
func (r *readers) admit(p *peer, t *tenant) fault {
	if r.count.Add(1) > r.max {
		r.count.Add(-1)
		return faultTooManyReaders
	}
	if !p.follow() {
		r.count.Add(-1)
		return faultTooManyFromAddress
	}
	if !t.follow() {
		p.unfollow()
		r.count.Add(-1)
		return faultQuotaReaders
	}
	return faultNone
}

// leave gives the place back.
func (r *readers) leave(p *peer, t *tenant) {
	t.unfollow()
	p.unfollow()
	r.count.Add(-1)
}

// add registers a reader that has a goroutine of its own. It is false if the
// server is stopping.
func (r *readers) add(f *follower) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return false
	}
	if r.followed == nil {
		r.followed = make(map[*follower]struct{})
	}
	r.followed[f] = struct{}{}
	r.ended.Add(1)
	return true
}

func (r *readers) remove(f *follower) {
	r.mu.Lock()
	delete(r.followed, f)
	r.mu.Unlock()
	r.ended.Done()
}

// stop wakes all readers, who see then that the server is stopping, and lets
// no more of them in.
func (r *readers) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
	for f := range r.followed {
		f.hurry()
		f.wake()
	}
}

// wakeAll makes all readers look again.
func (r *readers) wakeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.followed {
		f.wake()
	}
}
