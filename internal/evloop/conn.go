//go:build linux

package evloop

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a connection of a loop. Only the loop's goroutine, which is the one
// that calls the handler, may use it.
type Conn struct {
	// Owner is the handler's.
	Owner any

	loop *Loop
	fd   int32
	slot uint32
	tick uint32 // of the wheel's slot that it is in

	queued   bool // in Loop.again
	readable bool // there may be more to read
	paused   bool
	ended    bool // the peer has sent its last byte, and that was read
	leaving  bool // the peer has ended its side, or the connection is broken
	refused  bool // the kernel took nothing of what was offered last
	closed   bool
	slotted  bool // in the wheel

	*data // &nothing if there is none

	deadline   int64 // ms, 0 = none
	prev, next *Conn // in the wheel's slot
}

// data is what is on its way on a connection. One that is idle has none of its
// own.
type data struct {
	in   []byte // what has been read and not consumed
	own  bool   // in is in memory of the connection's own
	room int    // of that memory
	out  []byte // not yet taken by the kernel, before tail; of the connection's own
	tail []byte // not yet taken by the kernel
}

// nothing is the data of all idle connections. Nobody writes to it.
var nothing data

// busy gives the connection data of its own.
func (c *Conn) busy() {
	if c.data != &nothing {
		return
	}
	l := c.loop
	if n := len(l.spare); n > 0 {
		c.data, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		c.data = new(data)
	}
}

// idle takes it back if there is none any more.
func (c *Conn) idle() {
	if c.data == &nothing || len(c.in) > 0 || c.Unsent() {
		return
	}
	c.keeps(0)
	if *c.data = (data{}); len(c.loop.spare) < spareMax {
		c.loop.spare = append(c.loop.spare, c.data)
	}
	c.data = &nothing
}

// PeerAddr is the address of the other side, which the system is asked for. It is the
// zero Addr if that has none, or the connection is closed.
func (c *Conn) PeerAddr() netip.Addr {
	if c.closed {
		return netip.Addr{}
	}
	sa, err := unix.Getpeername(int(c.fd))
	if err != nil {
		return netip.Addr{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap()
	}
	return netip.Addr{}
}

// Slot is a small number that no other connection of the loop has at the time.
func (c *Conn) Slot() uint32 { return c.slot }

// keeps notes how much memory the connection's input takes.
func (c *Conn) keeps(room int) {
	if c.data == &nothing {
		return
	}
	c.loop.kept += int64(room - c.room)
	c.room = room
}

// In is what has been read and not consumed. It is valid until the handler
// returns.
func (c *Conn) In() []byte { return c.in }

// Consume takes the first n bytes out of In.
func (c *Conn) Consume(n int) {
	if n == 0 {
		return
	}
	if c.in = c.in[n:]; len(c.in) == 0 && c.own {
		// Perhaps not in Input, after which it would be done anyway.
		c.in, c.own = nil, false
		c.keeps(0)
		c.idle()
	}
}

// Ended reports whether the peer has sent its last byte and that is in In.
func (c *Conn) Ended() bool { return c.ended }

// Left reports whether the peer has ended its side or the connection is broken.
// What it has sent before may be still to be read.
func (c *Conn) Left() bool { return c.leaving || c.ended }

// Closed reports whether the connection was closed or detached.
func (c *Conn) Closed() bool { return c.closed }

// Unsent reports whether something that was written has not been taken by the
// kernel. The handler is told by Sent when it is.
func (c *Conn) Unsent() bool { return len(c.out)+len(c.tail) > 0 }

// UnsentBytes is how much that is.
func (c *Conn) UnsentBytes() int { return len(c.out) + len(c.tail) }

// Pause stops reading: what the peer sends stays with the kernel, which slows
// the peer down.
func (c *Conn) Pause() { c.paused = true }

// Resume undoes Pause. If there is something to consume or to read, Input
// follows in this pass or the next.
func (c *Conn) Resume() {
	if !c.paused {
		return
	}
	c.paused = false
	if c.readable || len(c.in) > 0 || c.ended {
		c.Again()
	}
}

// Again has Input called in the next pass, unless the connection is paused then.
func (c *Conn) Again() { c.loop.later(c) }

// SetDeadline sets when the handler is told that the connection has expired. The
// zero time is never. It is exact to some milliseconds.
func (c *Conn) SetDeadline(t time.Time) {
	at := int64(0)
	if !t.IsZero() {
		at = max(1, c.loop.ms(t))
	}
	c.loop.wheel.set(c, at)
}

// read reads once. It is false if there was nothing to read.
func (c *Conn) read() (bool, error) {
	l := c.loop
	buf := l.buf
	if len(c.in) > 0 {
		// The rest of something is awaited. It is as long as a small request.
		if !c.own {
			panic("evloop: input of the loop's own is left from the last time")
		}
		if cap(c.in)-len(c.in) < readMore {
			c.in = slices.Grow(c.in, readMore)
			c.keeps(cap(c.in))
		}
		buf = c.in[len(c.in):cap(c.in)]
	}
	n, errno := rawRead(int(c.fd), buf)
	for errno == unix.EINTR {
		n, errno = rawRead(int(c.fd), buf)
	}
	switch {
	case errno == unix.EAGAIN:
		c.readable = false
		return false, nil
	case errno != 0:
		return false, errno
	case n == 0:
		c.readable, c.ended = false, true
		return true, nil
	}
	// What was not filled is empty; the end of the stream is an event of its own.
	if n < len(buf) && !c.leaving {
		c.readable = false
	}
	if len(c.in) > 0 {
		c.in = c.in[:len(c.in)+n]
	} else {
		c.busy()
		c.in, c.own = buf[:n], false
	}
	return true, nil
}

// settle moves what is left of the input out of the loop's own buffer.
func (c *Conn) settle() {
	switch {
	case len(c.in) == 0 && c.Unsent():
		c.in, c.own = nil, false
		c.keeps(0)
	case len(c.in) == 0:
		c.idle()
	case !c.own:
		c.in, c.own = slices.Clone(c.in), true
		c.keeps(cap(c.in))
	}
}

// Close closes the connection. What is unsent is dropped. The handler is told by
// Closed.
func (c *Conn) Close() {
	if c.closed {
		return
	}
	fd := c.leave()
	unix.Close(fd)
	c.loop.handler.Closed(c)
}

// Abort is Close that makes the kernel drop what it has not delivered.
func (c *Conn) Abort() {
	if !c.closed {
		unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.Close()
}

// Detach takes the connection out of the loop: the descriptor, and a copy of
// what was read and not consumed. It is the caller's from now on. The handler is
// not told.
func (c *Conn) Detach() (fd int, rest []byte) {
	rest = slices.Clone(c.in)
	return c.leave(), rest
}

// leave takes the connection out of everything but the kernel's memory.
func (c *Conn) leave() int {
	l := c.loop
	l.poller.remove(int(c.fd))
	l.wheel.remove(c)
	l.drop(c)
	if c.data != &nothing {
		giveOut(c.out)
		c.in, c.out, c.tail = nil, nil, nil
		c.idle()
	}
	c.closed = true
	return int(c.fd)
}
