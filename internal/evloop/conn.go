//go:build linux

package evloop

import (
	"io"
	"slices"
	"sync"
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

// Write sends head and then body, and keeps what the kernel does not take: a
// copy of head, and body itself, which therefore must not change any more. What
// was written before is to have been sent.
func (c *Conn) Write(head, body []byte) error {
	if c.closed {
		return io.ErrClosedPipe
	}
	if c.Unsent() {
		panic("evloop: a write before the last one was sent")
	}
	n, err := c.send(head, body)
	if err != nil {
		c.leaving = true
		return err
	}
	if n < len(head) {
		c.busy()
		c.out = append(takeOut(), head[n:]...)
		c.tail = body
	} else if n < len(head)+len(body) {
		c.busy()
		c.tail = body[n-len(head):]
	}
	return nil
}

// Offer is Write of something that may be dropped as long as no byte of it was
// sent: if the kernel takes nothing, nothing is kept, and Sent follows when it is
// worth another try. What is written is kept as by Write.
func (c *Conn) Offer(body []byte) (taken bool, err error) {
	if c.closed {
		return false, io.ErrClosedPipe
	}
	if c.Unsent() {
		panic("evloop: a write before the last one was sent")
	}
	n, err := c.send(nil, body)
	if err != nil {
		c.leaving = true
		return false, err
	}
	if n == 0 {
		c.refused = true
		return false, nil
	}
	if n < len(body) {
		c.busy()
		c.tail = body[n:]
	}
	return true, nil
}

// End is Write of the last bytes of all, which go out together with the end of
// the stream. If the kernel doesn't take all of them, the end is up to the caller
// again, by CloseWrite.
func (c *Conn) End(body []byte) error {
	// Held back, until the end lets it go. On unix sockets there is no such thing,
	// and nothing that could come apart.
	unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1)
	if err := c.Write(nil, body); err != nil {
		return err
	}
	if c.Unsent() {
		unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_CORK, 0)
		return nil
	}
	return c.CloseWrite()
}

// SetSendBuffer bounds what the kernel holds of what was written. It takes about
// twice as much for that.
func (c *Conn) SetSendBuffer(n int) {
	unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, n) // fails on a broken connection only
}

func (c *Conn) send(head, body []byte) (int, error) {
	total := len(head) + len(body)
	for sent := 0; ; {
		var n int
		var errno unix.Errno
		switch {
		case sent < len(head) && len(body) > 0:
			n, errno = rawWritev(int(c.fd), head[sent:], body)
		case sent < len(head):
			n, errno = rawWrite(int(c.fd), head[sent:])
		default:
			n, errno = rawWrite(int(c.fd), body[sent-len(head):])
		}
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return sent, nil
		default:
			return sent, errno
		}
		if sent += n; sent == total {
			return sent, nil
		}
	}
}

// flush sends what is unsent. It is true when all is.
func (c *Conn) flush() (bool, error) {
	if !c.Unsent() {
		return true, nil
	}
	n, err := c.send(c.out, c.tail)
	if err != nil {
		return false, err
	}
	if n < len(c.out) {
		c.out = c.out[:copy(c.out, c.out[n:])]
		return false, nil
	}
	c.tail = c.tail[n-len(c.out):]
	giveOut(c.out)
	c.out = nil
	if len(c.tail) > 0 {
		return false, nil
	}
	c.tail = nil
	c.idle()
	return true, nil
}

// CloseWrite tells the peer that nothing more will come.
func (c *Conn) CloseWrite() error { return unix.Shutdown(int(c.fd), unix.SHUT_WR) }

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

// Buffers for output that the kernel did not take.
var outs = sync.Pool{}

const (
	outBytes     = 4 << 10
	keepOutBytes = 64 << 10
)

func takeOut() []byte {
	if b, ok := outs.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, outBytes)
}

func giveOut(b []byte) {
	if cap(b) > 0 && cap(b) <= keepOutBytes {
		outs.Put(&b)
	}
}
