package server

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"tailrace/internal/auth"
)

// follower is an SSE reader on a connection taken from fasthttp: one goroutine
// that writes what the feed has and otherwise sits in Read, which is how it
// notices that the client has gone. Whoever has news for it interrupts the
// Read by a deadline in the past.
type follower struct {
	conn  *conn
	head  []byte    // of the response, until it is sent
	until time.Time // that its token is good
	grant *auth.Grant
	woken atomic.Bool
	reading
}

// past is a deadline that is over, noTime one that never is.
var (
	past   = time.Unix(1, 0)
	noTime time.Time
)

// wake makes the follower look at the stream again. It does not block.
func (f *follower) wake() {
	if f.woken.CompareAndSwap(false, true) {
		f.conn.SetReadDeadline(past) // fails only on a closed connection
	}
}

// run serves the reader until the stream ends, the reader leaves, its time is
// up, or the server stops. Closing the connection gives up its place.
func (f *follower) run() {
	defer f.conn.Close()
	f.conn.tuneLive()
	if !f.server.readers.add(f) {
		f.finish(f.head)
		return
	}
	defer f.server.readers.remove(f)
	defer func() {
		if v := recover(); v != nil {
			f.server.panicked(v, nil)
			f.server.internalErrors.Add(1)
		}
	}()
	stop, ok := f.server.engine.Watch(f.path, f.id, f.wake)
	if ok {
		defer stop()
	}
	f.follow()
}

func (f *follower) follow() {
	s := f.server
	now := time.Now()
	end := earlier(now.Add(s.liveTime()), f.until)
	comment := now.Add(s.commentIn())
	out := f.head
	f.head = nil
	defer f.release()
	for {
		// Cleared before the stream is read: what happens after the read
		// sets it again and is seen when listening.
		f.woken.Store(false)
		var state feedState
		before := len(out)
		if out, state = f.next(out); len(out) > before {
			s.framesSent.Add(1)
		}
		switch {
		case state == feedBroken || s.engine.Err() != nil:
			s.drops.of(dropFailed, f.path)
			return
		case state == feedCorrupt, state == feedUnavailable, state == feedTrimmed:
			f.write(out) // without an end, since this is none of the stream
			s.drops.of(state.reason(), f.path)
			return
		case state == feedEnd, s.stopped(), !time.Now().Before(end):
			if state != feedEnd && end.Equal(f.until) && !time.Now().Before(end) {
				out = appendExpired(out, f.shape, f.from)
			}
			f.finish(out)
			return
		case !f.write(out):
			return
		}
		f.release()
		if state == feedMore && cap(out) <= keepEventBytes {
			out = out[:0]
			continue
		}
		giveBuffer(out) // an idle reader holds none
		switch state {
		case feedFull:
			if !f.await(end) {
				f.finish(takeBuffer())
				return
			}
		case feedWait:
			if !f.idle(end, &comment) {
				return
			}
		}
		out = takeBuffer()
	}
}

// idle waits until there is reason to look at the stream or the clock again,
// and keeps the connection from looking dead meanwhile. It is false if the
// reader has left.
func (f *follower) idle(end time.Time, comment *time.Time) bool {
	f.server.hooks.parked(methodGet, f.path)
	for {
		until := end
		if comment.Before(end) {
			until = *comment
		}
		switch f.listen(until) {
		case readerGone:
			return false
		case readerNews:
			return true
		}
		now := time.Now()
		if !now.Before(end) {
			return true
		}
		if !f.server.stillGranted(f.grant) {
			f.finish(appendExpired(takeBuffer(), f.shape, f.from))
			return false
		}
		if !now.Before(*comment) {
			out := appendComment(takeBuffer(), f.shape)
			if !f.write(out) {
				return false
			}
			giveBuffer(out)
			*comment = now.Add(f.server.commentIn())
		}
	}
}

// readerState is why listen returned.
type readerState uint8

const (
	readerQuiet readerState = iota // the deadline passed
	readerNews
	readerGone
)

// listen waits for news, for the reader to leave, or for the deadline. What
// the reader may send is ignored: its request was the last on the connection.
func (f *follower) listen(until time.Time) readerState {
	f.conn.SetReadDeadline(until)
	// A wake-up before the deadline was set has been overwritten by it, and
	// one that comes later interrupts the Read. One that interrupts a Read it
	// was too late for does no harm.
	if f.woken.Load() {
		return readerNews
	}
	var b [64]byte
	for {
		_, err := f.conn.Read(b[:])
		switch {
		case err == nil:
		case !isTimeout(err), errors.Is(err, syscall.ETIMEDOUT):
			return readerGone // the second: the peer no longer answers TCP
		case f.woken.Load():
			return readerNews
		default:
			return readerQuiet
		}
	}
}
