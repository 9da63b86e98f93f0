//go:build linux

package evloop

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readBytes is what is read of a connection at a time, and about the most input
	// that waits for its handler. Less, and a large request takes more passes.
	readBytes = 64 << 10

	// readMore is the least room there is for the rest of a request.
	readMore = 2 << 10

	// roundsTime is how long a pass asks for more events. What comes while it works on
	// others is part of it then.
	roundsTime = time.Millisecond

	// turnsMax is how often one connection is read in a pass, so that others
	// come to their turn.
	turnsMax = 4
)

// spareMax bounds the data that waits for connections: memory per loop.
const spareMax = 1024

// Handler gives meaning to what connections send. All calls come from the
// goroutine of the loop, none may block, and each may close any connection.
type Handler interface {
	// Input says that there is something new in c.In, or c.Ended became true.
	// What it leaves there, it sees again with what follows: when there is more,
	// or after c.Again. It is not called while the connection is paused. While
	// there is much in c.In, nothing is read.
	Input(c *Conn)

	// Crowded says that more input is kept than Loop.InputMax, some of it for c. If c
	// goes on to have input left, so does the crowd.
	Crowded(c *Conn)

	// Leaving says that the peer has ended its side or the connection is broken,
	// although c is paused and not everything may have been read.
	Leaving(c *Conn)

	// Sent says that the kernel has taken what it had not when it was written, or
	// may take what was offered.
	Sent(c *Conn)

	// Expired says that the connection's deadline has passed. There is none then.
	Expired(c *Conn)

	// Closed says that the connection is closed, by whomever.
	Closed(c *Conn)

	// PassBegin and PassEnd are called before and after everything of a pass but
	// the deadlines. PassEnd is false if it lent the loop and did not get it back.
	PassBegin()
	PassEnd() bool
}

// Loop serves connections.
type Loop struct {
	// InputMax is how many bytes of input may be kept for connections altogether,
	// because a request has arrived in part or others are before it. It is set before
	// Run; 0 is no limit.
	InputMax int64

	handler Handler
	poller  *poller
	wheel   wheel
	buf     []byte // input is read into it
	slots   []*Conn
	gens    []uint32 // by slot: how often it was taken
	free    []uint32
	again   []*Conn // to get a turn in the next pass without an event
	before  []*Conn // those of the last pass, to be used again
	spare   []*data // to be used again
	kept    int64   // bytes of input in memory of connections' own

	asleep atomic.Bool // a post has to ring
	woken  atomic.Bool // a pass is wanted
	alarm  time.Time   // a pass is wanted then
	mu     sync.Mutex
	posted []func()
	ran    []func() // the last ones, to be used again
	ended  bool     // no more posts are taken

	base     time.Time // deadlines are counted from it, whatever the wall clock does
	now      time.Time
	stopping bool
	done     chan error

	lent    atomic.Bool
	loans   atomic.Int64 // how many there were
	watched atomic.Bool  // somebody looks after loans
}

// New makes a loop. Run runs it.
func New(h Handler) (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &Loop{handler: h, poller: p, buf: make([]byte, readBytes), base: now, now: now, done: make(chan error, 1)}, nil
}

// Post has f run in the goroutine of the loop, in the next pass. It is false if
// the loop has ended. It may be called from everywhere.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	l.Wake()
	return true
}

// Wake makes the loop run a pass that begins after the call. It may be called
// from everywhere.
func (l *Loop) Wake() {
	l.woken.Store(true)
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		// The bell is gone after the end, and its descriptor perhaps another's.
		l.mu.Lock()
		if !l.ended {
			l.poller.ring()
		}
		l.mu.Unlock()
	}
}

// WakeAt makes the loop run a pass at a time, or before. It is called in the
// loop's goroutine.
func (l *Loop) WakeAt(t time.Time) {
	if l.alarm.IsZero() || t.Before(l.alarm) {
		l.alarm = t
	}
}

// Stop ends Run after the pass. It is called in the loop's goroutine.
func (l *Loop) Stop() { l.stopping = true }

// ms is a time in milliseconds of the wheel.
func (l *Loop) ms(t time.Time) int64 { return t.Sub(l.base).Milliseconds() }

// Now is when the pass began.
func (l *Loop) Now() time.Time { return l.now }

// Len is the number of connections.
func (l *Loop) Len() int { return len(l.slots) - len(l.free) }

// Kept is how many bytes of input are kept. It is called in the loop's goroutine.
func (l *Loop) Kept() int64 { return l.kept }

// All calls f for each connection. f may close connections.
func (l *Loop) All(f func(*Conn)) {
	for _, c := range l.slots {
		if c != nil {
			f(c)
		}
	}
}

// Adopt takes over a socket that does not block, with what was read of it before.
// After an error the socket is still the caller's. It is called in the loop's
// goroutine.
func (l *Loop) Adopt(fd int, rest []byte, owner any) (*Conn, error) {
	c := &Conn{loop: l, fd: int32(fd), Owner: owner, data: &nothing}
	if len(rest) > 0 {
		c.busy()
		c.in, c.own = rest, true
		c.keeps(cap(rest))
	}
	if n := len(l.free); n > 0 {
		c.slot, l.free = l.free[n-1], l.free[:n-1]
	} else {
		c.slot = uint32(len(l.slots))
		l.slots, l.gens = append(l.slots, nil), append(l.gens, 0)
	}
	l.gens[c.slot]++
	token := uint64(c.slot) | uint64(l.gens[c.slot])<<32
	if err := l.poller.add(fd, token, interest); err != nil {
		l.free = append(l.free, c.slot)
		c.keeps(0)
		return nil, err
	}
	l.slots[c.slot] = c
	if len(rest) > 0 {
		l.later(c)
	}
	return c, nil
}

// drop forgets a connection.
func (l *Loop) drop(c *Conn) {
	l.slots[c.slot] = nil
	l.free = append(l.free, c.slot)
}

// later has c handled in the next turn.
func (l *Loop) later(c *Conn) {
	if !c.queued && !c.closed {
		c.queued = true
		l.again = append(l.again, c)
	}
}

// Run serves until Stop, and closes all connections then. An error is one of the
// system's.
func (l *Loop) Run() error {
	go l.serve()
	return <-l.done
}

// serve runs passes for as long as the loop is this goroutine's.
func (l *Loop) serve() {
	var err error
	for !l.stopping && err == nil {
		var events []unix.EpollEvent
		if events, err = l.wait(); err == nil && !l.pass(events) {
			return
		}
	}
	l.done <- l.end(err)
}

func (l *Loop) end(err error) error {
	l.mu.Lock()
	l.ended = true
	rest := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range rest {
		f()
	}
	l.All((*Conn).Close)
	if cerr := l.poller.close(); err == nil && cerr != nil {
		err = fmt.Errorf("evloop: close: %w", cerr)
	}
	return err
}

// wait waits until there is something to do.
func (l *Loop) wait() ([]unix.EpollEvent, error) {
	if events := l.poller.poll(); len(events) > 0 || len(l.again) > 0 {
		return events, nil
	}
	l.asleep.Store(true)
	defer l.asleep.Store(false)
	if l.woken.Load() {
		return nil, nil
	}
	d := time.Duration(-1)
	if next := l.wheel.next(); next > 0 {
		d = max(0, time.Until(l.base.Add(time.Duration(next)*time.Millisecond)))
	}
	if !l.alarm.IsZero() {
		if rest := max(0, time.Until(l.alarm)); d < 0 || rest < d {
			d = rest
		}
	}
	return l.poller.wait(d)
}

// pass does what there is to do. It is false if the loop was lent meanwhile and
// has gone on without the caller.
func (l *Loop) pass(events []unix.EpollEvent) bool {
	l.now = time.Now()
	l.woken.Store(false) // before anything that it may be about is looked at
	if !l.alarm.After(l.now) {
		l.alarm = time.Time{}
	}
	l.handler.PassBegin()
	// First those that were left over: an event may add to them.
	l.again, l.before = l.before[:0], l.again
	for i, c := range l.before {
		c.queued = false
		l.turn(c)
		l.before[i] = nil
	}
	for len(events) > 0 {
		for i := range events {
			l.event(&events[i])
		}
		if time.Since(l.now) > roundsTime {
			break
		}
		events = l.poller.poll()
	}
	l.runPosted()
	if !l.handler.PassEnd() {
		return false
	}
	if !l.wheel.advance(l.ms(time.Now()), l.handler.Expired) {
		l.Wake()
	}
	return true
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	l.posted, l.ran = l.ran[:0], l.posted
	l.mu.Unlock()
	for i, f := range l.ran {
		f()
		l.ran[i] = nil
	}
}

// event notes what an event says and gives its connection a turn.
func (l *Loop) event(e *unix.EpollEvent) {
	token := tokenOf(e)
	if token == bellToken {
		l.poller.silence()
		return
	}
	slot := uint32(token)
	c := l.slots[slot]
	if c == nil || l.gens[slot] != uint32(token>>32) {
		return // it was closed in this pass
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.readable = true
	}
	left := e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 && !c.leaving
	if left {
		c.leaving = true
	}
	if e.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 && (c.refused || c.Unsent()) {
		sent, err := c.flush()
		if err != nil {
			c.Close()
			return
		}
		if sent {
			c.refused = false
			l.handler.Sent(c)
		}
	}
	if left && c.paused && !c.closed {
		l.handler.Leaving(c)
	}
	if !c.closed {
		l.turn(c)
	}
}

// turn reads what there is to read.
func (l *Loop) turn(c *Conn) {
	// What is there from the last time has not been seen if the connection was
	// paused.
	fresh := len(c.in) > 0 || c.ended
	for range turnsMax {
		if c.closed || c.paused {
			return
		}
		if c.readable && !c.ended && len(c.in) < readBytes {
			got, err := c.read()
			if err != nil {
				c.Close()
				return
			}
			fresh = fresh || got
		}
		if !fresh {
			return
		}
		fresh = false
		l.handler.Input(c)
		if c.closed {
			return
		}
		if c.settle(); l.InputMax > 0 && l.kept > l.InputMax && c.room > 0 {
			if l.handler.Crowded(c); c.closed {
				return
			}
			c.settle()
		}
		if !c.readable || c.ended {
			return
		}
	}
	if c.readable && !c.ended && !c.paused {
		l.later(c)
	}
}
