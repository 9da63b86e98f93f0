package engine

import (
	"container/heap"
	"math"
	"time"

	"tailrace/internal/stream"
	"tailrace/wal"
)

// sweepEvery is how often expired streams that nobody asks for are looked for.
// It bounds how long they occupy memory; requests find them by themselves.
const sweepEvery = time.Second

// touch notes a use of a stream, which renews a sliding TTL. It is logged only
// now and then: after a crash the deadline is counted from the logged use plus
// the slack between two of them, so a life grows by at most that.
func (e *Engine) touch(s *stream.Stream, now int64) {
	if s.TTL() == stream.NoTTL {
		return
	}
	s.Touch(now)
	if now-s.Logged() < s.TouchSlack() {
		return
	}
	rec := stream.Record{Kind: stream.KindTouch, ID: s.ID, At: now}
	if _, code := e.stage(wal.Growth, &rec); code == stream.Overloaded {
		// The next file is being made, so what this takes of the reserve comes
		// back soon. On a full disk the reserve is for others, and the next use
		// tries again.
		e.stage(wal.Reclaim, &rec)
	}
}

// expire ends the life of a stream that is Due, or renews it if somebody
// follows it live; then the returned note is nil.
func (e *Engine) expire(s *stream.Stream, now int64) (*batchInfo, stream.Code) {
	if s.TTL() != stream.NoTTL && localOf(s).watched() {
		e.touch(s, now)
		return nil, stream.None
	}
	return e.stage(wal.Reclaim, &stream.Record{Kind: stream.KindExpire, ID: s.ID})
}

// Sweep expires streams that are past their deadline, up to a bound, and
// reports whether there may be more.
func (e *Engine) Sweep() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for range sweepMax {
		if len(e.due) == 0 || e.due[0].at > now {
			return false
		}
		l := e.due[0].local
		s := l.stream
		if s.Gone {
			e.unschedule(l) // it has ended, and only its forks keep it
			continue
		}
		if !s.Due(now) {
			if l.watched() {
				e.touch(s, now)
			}
			if more, ok := e.dropOld(l, now); more {
				continue
			} else if !ok {
				return false // no room in the log now
			}
			e.reschedule(l) // used since, or being used
			continue
		}
		if e.postponed(l, now) {
			continue
		}
		info, code := e.expire(s, now)
		switch {
		case code != stream.None:
			return false // no room in the log now
		case info == nil:
			e.reschedule(l)
		default:
			e.unschedule(l)
		}
	}
	return true
}

// postponed reports whether something about the first stream in the heap is on its
// way to the log. It is looked at again later then.
func (e *Engine) postponed(l *local, now int64) bool {
	if _, gated := e.gates[l.stream.Path]; !gated {
		return false
	}
	e.due[0].at = now + sweepEvery.Milliseconds()
	heap.Fix(&e.due, 0)
	return true
}

// dropOld trims the first stream in the heap if something of it is too old. It
// tells whether that was put off, and whether there was room in the log.
func (e *Engine) dropOld(l *local, now int64) (later, ok bool) {
	to, due := l.stream.TooOld(now)
	switch {
	case !due:
		return false, true
	case e.postponed(l, now):
		return true, true
	}
	_, code := e.trim(l.stream, to)
	return false, code == stream.None
}

func (e *Engine) sweeper(stop <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for e.Sweep() {
			}
		case <-stop:
			return
		}
	}
}

// deadline is an entry of the heap. It may lie before the stream's real
// deadline, which moves with every use; the sweep then moves the entry.
type deadline struct {
	at    int64
	local *local
}

type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at < d[j].at }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].local.due, d[j].local.due = i+1, j+1
}
func (d *deadlines) Push(x any) {
	entry := x.(deadline)
	entry.local.due = len(*d) + 1
	*d = append(*d, entry)
}
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	entry := (*d)[last]
	(*d)[last] = deadline{}
	*d = (*d)[:last]
	entry.local.due = 0
	return entry
}

// lookAgain is when the sweep has to come back to a stream: when time alone
// changes something about it, or, if it is followed live, when its use has to be
// logged, since a crash counts the deadline from there. A lifetime of nothing is
// no reason to come back at once, again and again.
func (e *Engine) lookAgain(l *local) int64 {
	s := l.stream
	at := s.NextDue()
	if l.watched() && s.TTL() != stream.NoTTL {
		at = max(min(at, s.Logged()+s.TouchSlack()), e.clockMS.Load()+sweepEvery.Milliseconds())
	}
	return at
}

func (e *Engine) schedule(l *local) {
	if at := l.stream.NextDue(); at != math.MaxInt64 {
		heap.Push(&e.due, deadline{at: at, local: l})
	}
}

func (e *Engine) reschedule(l *local) {
	at := e.lookAgain(l)
	switch {
	case at == math.MaxInt64:
		e.unschedule(l)
	case l.due == 0:
		heap.Push(&e.due, deadline{at: at, local: l})
	default:
		e.due[l.due-1].at = at
		heap.Fix(&e.due, l.due-1)
	}
}

// sooner is reschedule for what can only bring the time forward: what came first
// to a stream that was empty gets too old before the stream expires.
func (e *Engine) sooner(l *local) {
	if l.due == 0 || e.lookAgain(l) < e.due[l.due-1].at {
		e.reschedule(l)
	}
}

func (e *Engine) unschedule(l *local) {
	if l.due > 0 {
		heap.Remove(&e.due, l.due-1)
	}
}
