package server

import (
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/sse"
)

// trickle is a connection that takes each piece just before its deadline.
type trickle struct {
	net.Conn
	pace     time.Duration
	deadline time.Time
	took     int
}

func (c *trickle) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *trickle) Write(p []byte) (int, error) {
	if left := time.Until(c.deadline); left < c.pace {
		time.Sleep(left)
		return 0, &net.OpError{Op: "write", Err: os.ErrDeadlineExceeded}
	}
	time.Sleep(c.pace)
	c.took += len(p)
	return len(p), nil
}

// The time for an event grows with its size, not with the pieces it is sent in.
func TestSSEEventHasABoundedTime(t *testing.T) {
	for _, c := range []struct {
		pace  time.Duration
		size  int
		whole bool
	}{
		{15 * time.Second, 4 << 20, true},
		{29 * time.Second, 4 << 20, false}, // 16 pieces of 29 s; 286 s are allowed
		{31 * time.Second, 100, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			under := &trickle{pace: c.pace}
			f := &follower{reading: reading{feed: &feed{server: s}}, conn: &conn{Conn: under, exact: true}}
			if whole := f.write(make([]byte, c.size)); whole != c.whole {
				t.Errorf("%d of %d bytes in steps of %v", under.took, c.size, c.pace)
			}
		})
	}
}

// A server that stops does not wait until an event has been taken.
func TestSSEEventIsCutOffWhenTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		under := &trickle{pace: 15 * time.Second}
		f := &follower{reading: reading{feed: &feed{server: s}}, conn: &conn{Conn: under, exact: true}}
		time.AfterFunc(20*time.Second, func() { close(s.stop) })
		began := time.Now()
		if f.write(make([]byte, 4<<20)) {
			t.Error("all was taken")
		}
		if d := time.Since(began); d > 30*time.Second+stopDelivery {
			t.Errorf("gave up after %v", d)
		}
	})
}

// The same for a reader that takes nothing at all.
func TestShutdownDoesNotWaitForSlowSSEReaders(t *testing.T) {
	f := start(t, silent)
	f.create("a", strings.Repeat("\n", testBodyMax), text)
	c := f.dial()
	c.conn.(*net.TCPConn).SetReadBuffer(4096)
	c.send(f.request("GET", root+"a?offset=-1&live=sse", ""))
	waitFor(t, "the event", func() bool { return f.server.responses.used.Load() > 0 })
	f.shutdownWithin(10 * time.Second)
}

// A reader for whose event there is no memory has the head of the response,
// and the event when its turn comes.
func TestSSEReadersWaitForTheirTurn(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	lines := strings.Repeat("\n", 100_000)
	f.create("a", lines, text)
	f.server.responses.reserve(1)
	s := f.follow("a?offset=-1")
	f.append("a", "more", text)
	f.server.responses.release(1)
	if data, _, ctl := s.next(); data != lines || ctl.Next != token(100_005) {
		t.Errorf("got %d bytes up to %s", len(data), ctl.Next)
	}
	if data, _, ctl := s.next(); data != "more" || !ctl.UpToDate {
		t.Errorf("got %q", data)
	}
	waitFor(t, "the memory to be given back", func() bool { return f.server.responses.used.Load() == 0 })
}

// If the turn never comes the response ends as it does when its time is up.
func TestSSEEndsCleanlyWithoutATurn(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	f.create("a", strings.Repeat("\n", 100_000), text)
	f.server.responses.reserve(1)
	s := f.follow("a?offset=-1")
	f.shutdownWithin(10 * time.Second)
	s.wantEnd()
	f.server.responses.release(1)
}

// What is reserved is what the event takes.
func TestLargeEventsTakeWhatTheyReserve(t *testing.T) {
	rng := newRand(t)
	const alphabet = "ab \r\n,"
	for _, enc := range []sse.Encoding{sse.Text, sse.JSON, sse.Base64} {
		f := &feed{enc: enc}
		for range 200 {
			p := make([]byte, 1+rng.IntN(10_000))
			letters := 1 + rng.IntN(len(alphabet))
			for i := range p {
				p[i] = alphabet[len(alphabet)-1-rng.IntN(letters)]
			}
			p[len(p)-1] = ','
			parts := [][]byte{p[:len(p)/3], p[len(p)/3:]}
			size, most := len(sse.AppendData(nil, enc, parts...)), f.eventBytes(len(p), parts)
			if int64(size) > most || size > eventGrowthMax*len(p)+1024 {
				t.Fatalf("%v: %d bytes make %d, reserved %d", enc, len(p), size, most)
			}
		}
	}
}
