package fuzz

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk is what a client says on one connection, and how.
type talk struct {
	pieces [][]byte
	end    ending
}

// ending is what a client does after the last byte.
type ending uint8

const (
	endsSide ending = iota // it has no more to say, and listens
	leavesIt               // it has said farewell, so that the server ends the connection
	isSilent               // it waits for what it has asked, and ends its side then
)

// endings are the choices, by how much time they take.
var endings = [4]ending{endsSide, endsSide, leavesIt, isSilent}

// farewell is the last request of a client that leaves.
const farewell = "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

const (
	// quietTime is how long both servers have to say nothing new before a client
	// that has not ended its side does. If they have said the same it decides what
	// is compared, not how that ends.
	quietTime = 2 * time.Millisecond

	// patience is how long the one that has said less is waited for.
	patience = 2 * time.Second

	// drainSpins is how long a client waits for its piece to be read before it
	// sends the next. A server that has enough for now does not read on.
	drainSpins = 300
)

// call is a talk under way.
type call struct {
	conn   *net.UnixConn
	raw    syscall.RawConn
	sent   chan struct{} // closed after the last byte
	over   chan struct{} // closed when the server has ended
	failed error

	mu   sync.Mutex
	said []byte
}

func (d *driven) call(t testing.TB, k talk) *call {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.addr, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(hangTime))
	c := &call{conn: conn, raw: raw, sent: make(chan struct{}), over: make(chan struct{})}
	go c.send(k)
	go c.listen()
	return c
}

// send sends the pieces such that the server gets each on its own, if it reads
// at all.
func (c *call) send(k talk) {
	defer close(c.sent)
	for i, p := range k.pieces {
		if i > 0 {
			c.drain()
		}
		if _, err := c.conn.Write(p); err != nil {
			return // the server has ended, and has said why
		}
	}
	if k.end == endsSide {
		c.conn.CloseWrite() // fails only if the server has ended
	}
}

// drain waits until the server has read what was sent, but not for long.
func (c *call) drain() {
	for range drainSpins {
		unread := 0
		c.raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		if unread == 0 {
			return
		}
		runtime.Gosched()
	}
}

// listen reads to the end. What the server has not read makes that a reset.
func (c *call) listen() {
	defer close(c.over)
	for buf := make([]byte, 16<<10); ; {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.said = append(c.said, buf[:n]...)
		c.mu.Unlock()
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			c.failed = fmt.Errorf("no end: %w", err)
		}
		if err != nil {
			return
		}
	}
}

// heard is how much the server has said, and one more once it has ended.
func (c *call) heard() int {
	if c.isOver() {
		return len(c.said) + 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.said)
}

// finish ends the client's side and waits for the server.
func (c *call) finish() {
	<-c.sent
	c.conn.CloseWrite()
	<-c.over
	c.conn.Close()
}

// Of a head that is malformed and not complete fasthttp says so at once, or waits
// for its end, by the pieces it happens to see; the loop looks at the first line
// only. So a server that says this may be ahead.
const tolerated = `{"error":{"code":"bad_request",`

// tail is the end of what the server has said: an answer without much of a body.
func (c *call) tail() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.said[max(0, len(c.said)-200):])
}

// isOver reports whether the server has ended.
func (c *call) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// agree waits until both servers have said as much, or nothing for long enough.
func agree(calls [2]*call) error {
	var before [2]int
	quiet := time.Now()
	for !calls[0].isOver() || !calls[1].isOver() {
		now := [2]int{calls[0].heard(), calls[1].heard()}
		switch silence := time.Since(quiet); {
		case now != before:
			before, quiet = now, time.Now()
		case silence < quietTime:
		case now[0] == now[1],
			now[0] < now[1] && bytes.Contains(calls[1].tail(), []byte(tolerated)),
			now[1] < now[0] && bytes.Contains(calls[0].tail(), []byte(tolerated)):
			return nil
		case silence > patience:
			return fmt.Errorf("the loop has said %d bytes, the portable driver %d, and both wait", now[0], now[1])
		}
		time.Sleep(quietTime / 10)
	}
	return nil
}

// together has the talk with both, and tells what they say.
func together(t testing.TB, both [2]*driven, k talk) (said [2][]byte, err error) {
	t.Helper()
	var calls [2]*call
	for side, d := range both {
		calls[side] = d.call(t, k)
	}
	if k.end != endsSide {
		<-calls[0].sent
		<-calls[1].sent
		err = agree(calls)
	}
	for side, c := range calls {
		c.finish()
		said[side] = c.said
		if c.failed != nil && err == nil {
			err = fmt.Errorf("the %s: %w", driverNames[side], c.failed)
		}
	}
	return said, err
}

var driverNames = [2]string{"loop", "portable driver"}
