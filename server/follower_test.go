package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"tailrace/internal/sse/ssetest"
)

// What came before on the connection is answered; what came after is ignored.
func TestSSEAmidPipelinedRequests(t *testing.T) {
	f := start(t)
	f.create("a", "old", text, "Stream-Closed: true")
	c := f.dial().send(f.request("HEAD", root+"a", "") + f.request("GET", root+"a?offset=-1&live=sse", "") + f.request("DELETE", root+"a", ""))
	c.read("HEAD").want(t, 200)
	s := c.sse()
	s.next()
	s.wantEnd()
	f.do("GET", root+"a", "").want(t, 200)
}

func TestHeadNeverFollows(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	c := f.dial()
	c.send(f.request("HEAD", root+"a?offset=-1&live=sse", "")).read("HEAD").want(t, 200).wantHeaders(t, "Content-Type: text/plain")
	c.send(f.request("HEAD", root+"a?offset=-1&live=long-poll", "")).read("HEAD").want(t, 200)
}

func TestSSEKeepsIdleConnectionsAlive(t *testing.T) {
	f := start(t, func(u *setup) { u.server.CommentInterval = 5 * time.Millisecond })
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	s.next()
	// The comments are on the wire behind each other; the reader of events
	// passes over them on its way to the next event.
	comments := make(chan struct{}, 64)
	s.events = ssetest.NewReader(&watchedReader{s.head.Body, comments})
	done := make(chan string, 1)
	go func() {
		data, _, _ := s.next()
		done <- data
	}()
	for range 3 {
		await(t, "a comment", comments)
	}
	f.append("a", "new", text)
	if data := await(t, "an event", done); data != "new" {
		t.Errorf("got %q", data)
	}
	if n := s.events.Comments(); n < 3 {
		t.Errorf("%d comments, want 3 at least", n)
	}
}

// watchedReader tells of every piece that looks like a comment.
type watchedReader struct {
	io.Reader
	comments chan<- struct{}
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for range bytes.Count(p[:n], []byte(":\n\n")) {
		select {
		case r.comments <- struct{}{}:
		default:
		}
	}
	return n, err
}

func TestSSEEndsCleanlyAfterItsTime(t *testing.T) {
	f := start(t, func(u *setup) { u.server.LiveTime = 10 * time.Millisecond })
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	s.next()
	s.wantEnd()
	if n := f.engine.Stats().Watchers; n != 0 {
		t.Errorf("%d watchers are left", n)
	}
}

func TestLiveTimeHasJitter(t *testing.T) {
	rng := newRand(t)
	s, err := New(nil, Options{LiveTime: time.Minute, Rand: rng.Uint64})
	if err != nil {
		t.Fatal(err)
	}
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := s.liveTime()
		least, most = min(least, d), max(most, d)
	}
	if least < 54*time.Second || most > 66*time.Second || most-least < 10*time.Second {
		t.Errorf("between %v and %v", least, most)
	}
}

func TestShutdownEndsSSECleanly(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	var all []*sseClient
	for range 10 {
		s := f.follow("a?offset=-1")
		s.next()
		all = append(all, s)
		f.awaitPark("a")
	}
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	for _, s := range all {
		s.wantEnd()
	}
	if err := await(t, "shutdown", done); err != nil {
		t.Error(err)
	}
}

// A reader that leaves is noticed although there is nothing to send it.
func TestSSENoticesLeavingReaders(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for i := range 20 {
		s := f.follow("a?offset=-1")
		s.next()
		f.awaitPark("a")
		if i%2 == 0 {
			s.conn.(*net.TCPConn).SetLinger(0) // by a reset
		}
		s.conn.Close()
	}
	waitFor(t, "the readers to be gone", func() bool {
		return f.server.LiveReaders() == 0 && f.engine.Stats().Watchers == 0 && f.server.Connections() == 0
	})
}

// What a reader sends after its request is ignored.
func TestSSEIgnoresWhatReadersSend(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	s := f.follow("a?offset=-1")
	s.next()
	f.awaitPark("a")
	s.send(f.request("DELETE", root+"a", "") + strings.Repeat("x", 10_000))
	f.append("a", "new", text)
	if data, _, _ := s.next(); data != "new" {
		t.Errorf("got %q", data)
	}
}

// A reader that takes nothing is given up, and holds up nobody.
func TestSSEGivesUpSlowReaders(t *testing.T) {
	f := start(t, func(u *setup) {
		u.server.SlowTimeout = 20 * time.Millisecond
		u.engine.LogFileBytes, u.engine.MemoryBytes = 16<<20, 1<<30
	})
	f.create("a", "", binary)
	slow := f.follow("a?offset=-1")
	slow.conn.(*net.TCPConn).SetReadBuffer(4096)
	f.awaitPark("a")
	part := strings.Repeat("x", testBodyMax)
	for i := 0; f.server.LiveReaders() > 0; i++ {
		if i == 64 {
			t.Fatal("the reader is still there")
		}
		f.append("a", part, binary)
	}
	if n := f.server.Stats().Dropped["slow"]; n != 1 {
		t.Errorf("%d clients were dropped as slow", n)
	}
	// It comes back to where it was and gets the rest.
	if _, err := io.Copy(io.Discard, slow.head.Body); err == nil {
		t.Error("the response of a reader that was given up ends as if it were complete")
	} else if isTimeout(err) || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestSSECursorDoesNotGoBack(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	current := cursorAt(f.engine.Now())
	s := f.follow(fmt.Sprintf("a?offset=-1&cursor=%d", current+10))
	last := current + 10
	for range 5 {
		_, _, ctl := s.next()
		c, _ := strconv.ParseUint(ctl.Cursor, 10, 64)
		if c < last || c == current+10 {
			t.Errorf("cursor %d after %d", c, last)
		}
		last = c
		f.awaitPark("a")
		f.clock.advance(100 * time.Second)
		f.append("a", "x", text)
	}
}

// An append between looking at the stream and waiting for it must reach the
// reader without another event to push it.
func TestSSELosesNoWakeUp(t *testing.T) {
	f := start(t, endless)
	rng := newRand(t)
	f.create("a", "", text)
	s, writer := f.follow("a?offset=-1"), f.dial()
	s.next()
	ask := f.request("POST", root+"a", "x", text)
	for i := range *raceRounds {
		if i%1000 == 999 {
			s.conn.SetDeadline(time.Now().Add(patience))
			writer.conn.SetDeadline(time.Now().Add(patience))
		}
		for range rng.IntN(2000) {
			spin++
		}
		writer.send(ask)
		if data, _, ctl := s.next(); data != "x" || ctl.Next != token((i+1)*6) {
			t.Fatalf("round %d: %q up to %s", i, data, ctl.Next)
		}
		writer.read("POST").want(t, 204)
	}
}
