package server

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// stalled is a connection on which nothing ever moves, with a clock that jumps
// from deadline to deadline.
type stalled struct {
	net.Conn
	deadline time.Time
	sets     int
	fired    []time.Time
	take     int // bytes that a Write takes before it stalls
}

func (s *stalled) SetReadDeadline(t time.Time) error  { s.deadline, s.sets = t, s.sets+1; return nil }
func (s *stalled) SetWriteDeadline(t time.Time) error { return s.SetReadDeadline(t) }

func (s *stalled) Read([]byte) (int, error) {
	if s.deadline.IsZero() {
		return 0, io.EOF
	}
	s.fired = append(s.fired, s.deadline)
	return 0, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
}

func (s *stalled) Write(p []byte) (int, error) {
	n := min(s.take, len(p))
	_, err := s.Read(nil)
	if n == len(p) {
		err = nil
	}
	return n, err
}

func TestDeadlinesAreThoseThatWereAskedFor(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	for _, c := range []struct {
		name  string
		ask   []time.Time
		sets  int
		fires time.Time // the last time the timer fired, zero: never in the end
	}{
		{"one", []time.Time{at(30)}, 1, at(30)},
		{"later ones move no timer", []time.Time{at(30), at(31), at(121), at(32)}, 1, at(32)},
		{"an earlier one does", []time.Time{at(120), at(30)}, 2, at(30)},
		{"none", []time.Time{at(30), {}}, 1, time.Time{}},
		{"none, and again", []time.Time{at(30), {}, at(60)}, 1, at(60)},
		{"past", []time.Time{at(30), past}, 2, past},
	} {
		t.Run(c.name, func(t *testing.T) {
			under := &stalled{}
			conn := &conn{Conn: under}
			for _, when := range c.ask {
				if err := conn.SetReadDeadline(when); err != nil {
					t.Fatal(err)
				}
			}
			if under.sets != c.sets {
				t.Errorf("the timer was set %d times, want %d", under.sets, c.sets)
			}
			_, err := conn.Read(make([]byte, 1))
			if c.fires.IsZero() {
				if err != io.EOF {
					t.Fatalf("read: %v, want the end that comes without a deadline", err)
				}
				return
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("read: %v", err)
			}
			if got := under.fired[len(under.fired)-1]; !got.Equal(c.fires) {
				t.Errorf("read gave up at %v, want %v", got.Unix(), c.fires.Unix())
			}
		})
	}
}

func TestWriteGoesOnWhereTheTimerBrokeIt(t *testing.T) {
	under := &stalled{take: 3}
	conn := &conn{Conn: under}
	conn.SetWriteDeadline(time.Unix(1000, 0))
	conn.SetWriteDeadline(time.Unix(2000, 0))
	n, err := conn.Write([]byte("abcdefgh"))
	if n != 6 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v; want 3 before each of two deadlines, then the error", n, err)
	}
	if n, err := conn.Write([]byte("xyz")); n != 3 || err != nil {
		t.Errorf("a later write: %d, %v", n, err)
	}
}

func TestExactDeadlinesAreTheConnectionsOwn(t *testing.T) {
	under := &stalled{}
	conn := &conn{Conn: under, exact: true}
	for i := range 3 {
		conn.SetReadDeadline(time.Unix(int64(1000+i), 0))
	}
	if under.sets != 3 {
		t.Errorf("the timer was set %d times, want 3", under.sets)
	}
	if _, err := conn.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) || len(under.fired) != 1 {
		t.Errorf("read: %v after %d attempts", err, len(under.fired))
	}
}

// The time for draining is set by whoever closes, which may not be the one that
// reads. It is not moved to what that one wanted.
func TestDrainingKeepsItsDeadline(t *testing.T) {
	under := &stalled{}
	conn := &conn{Conn: under}
	conn.SetReadDeadline(time.Unix(1000, 0))
	conn.SetReadDeadline(time.Unix(2000, 0))
	conn.draining.Store(true)
	under.SetReadDeadline(time.Unix(500, 0))
	if _, err := conn.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) || len(under.fired) != 1 {
		t.Errorf("read: %v after %d attempts", err, len(under.fired))
	}
}
