package server

import (
	"net"
	"time"
)

// lazyDeadline is the deadline of one direction of a connection. Moving a
// timer costs as much as parsing a request, fasthttp moves three for each, and
// nearly all move away: so the timer stays where it is until it fires, and
// only then is set to the time that is wanted by then. What callers see is the
// deadline they asked for.
//
// It belongs to the goroutine that serves the connection.
type lazyDeadline struct {
	wanted time.Time // zero: none
	armed  time.Time // of the timer; zero: none
}

// move asks for a deadline and reports whether the timer has to be set to it.
func (d *lazyDeadline) move(t time.Time) bool {
	d.wanted = t
	if t.IsZero() || !d.armed.IsZero() && !d.armed.After(t) {
		return false // the timer, if there is one, fires early enough
	}
	d.armed = t
	return true
}

// early reports whether err only says that the timer fired before the time
// that is wanted, to which it is to be set then.
func (d *lazyDeadline) early(err error) bool {
	if err == nil || !isTimeout(err) || d.armed.Equal(d.wanted) {
		return false
	}
	d.armed = d.wanted
	return true
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.exact || c.reads.move(t) {
		return c.Conn.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.exact || c.writes.move(t) {
		return c.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// setExact makes deadlines work from any goroutine, at the price of a timer
// for each: setting one interrupts what waits.
func (c *conn) setExact() error {
	c.exact = true
	return c.Conn.SetDeadline(time.Time{})
}

// read is Read of the connection with the deadlines that were asked for. The
// one set by drain is another's, and stays.
func (c *conn) read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
			c.ahead = nil // the rest of a body may take long
		}
		return n, nil
	}
	n, err := c.Conn.Read(p)
	for !c.exact && c.reads.early(err) && !c.draining.Load() && c.Conn.SetReadDeadline(c.reads.wanted) == nil {
		n, err = c.Conn.Read(p)
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	for !c.exact && c.writes.early(err) && !c.draining.Load() && c.Conn.SetWriteDeadline(c.writes.wanted) == nil {
		var more int
		more, err = c.Conn.Write(p[n:])
		n += more
	}
	return n, err
}

var _ net.Conn = (*conn)(nil)
