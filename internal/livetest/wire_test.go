package livetest

import (
	"errors"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// manner is how one connection is read.
type manner struct {
	small bool // the kernel holds little for the reader

	piece int // bytes read at a time, 0: as they come
	pace  time.Duration

	stallAt  int // bytes after which nothing is read for a while, 0: never
	stallFor time.Duration

	dieAt int // bytes after which the connection ends, 0: never
	death death
}

// death is how a reader ends its connection.
type death int

const (
	byClose death = iota
	byReset
	byHalfClose // ends its side only, and listens on
	deaths
)

var errDied = errors.New("the reader ended the connection")

// wire is the connection of a client, read in its manner. Once hurry is closed
// it is read as fast as it can be.
type wire struct {
	net.Conn
	manner
	hurry <-chan struct{}
	read  int
	slow  bool // was throttled
	stall bool // was stalled
	dead  bool
}

var errNoRaw = errors.New("no socket")

// dial connects to a server. A small receive buffer has to be set before the
// connection is made, since the peer is told then.
func dial(addr string, m manner, hurry <-chan struct{}) (*wire, error) {
	d := net.Dialer{Timeout: patience}
	if m.small {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			err := errNoRaw
			if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) }); e != nil {
				return e
			}
			return err
		}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: c, manner: m, hurry: hurry}, nil
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.dieAt > 0 && w.read >= w.dieAt && !w.dead {
		w.die()
	}
	if w.dead && w.death != byHalfClose {
		return 0, errDied
	}
	if w.stallAt > 0 && w.read >= w.stallAt && !w.stall && !over(w.hurry) {
		w.stall = true
		w.wait(w.stallFor)
	}
	if w.piece > 0 && !over(w.hurry) {
		w.slow = true
		w.wait(w.pace)
		p = p[:min(len(p), w.piece)]
	}
	if w.dieAt > w.read {
		p = p[:min(len(p), w.dieAt-w.read)]
	}
	n, err := w.Conn.Read(p)
	w.read += n
	return n, err
}

// wait waits as long as the reader's manner says, unless the test is in a hurry.
func (w *wire) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.hurry:
	case <-timer.C:
	}
}

func (w *wire) die() {
	w.dead = true
	switch w.death {
	case byHalfClose:
		w.Conn.(*net.TCPConn).CloseWrite()
	case byReset:
		w.Conn.(*net.TCPConn).SetLinger(0)
		w.Close()
	default:
		w.Close()
	}
}

// character is what a reader is like for all its life.
type character int

const (
	fast character = iota
	throttled
	stalling
	dying
	reconnecting
	characters
)

func (c character) String() string {
	return [...]string{"fast", "throttled", "stalling", "dying", "reconnecting"}[c]
}

// manner draws how the next connection is read.
func (c character) manner(r *rand.Rand) (m manner) {
	switch c {
	case throttled:
		m.small = r.IntN(2) == 0
		m.piece, m.pace = 1+r.IntN(16<<10), time.Duration(1+r.IntN(5))*time.Millisecond
	case stalling:
		m.small = true
		if r.IntN(3) > 0 {
			m.stallAt, m.stallFor = 1+r.IntN(32<<10), slowTimeout+time.Duration(r.Int64N(int64(slowTimeout)))
		}
	case dying:
		m.death, m.small = death(r.IntN(int(deaths))), r.IntN(4) == 0
		m.dieAt = 1 + r.IntN(1<<(4+r.IntN(16))) // of any order of magnitude
	}
	return m
}
