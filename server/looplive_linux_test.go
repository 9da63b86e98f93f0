package server

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/evloop"
)

// While a sync hangs, loops go on with all that does not wait for it: reads, new
// readers with what is durable, and comments for those that are there.
func TestLoopsGoOnWhileASyncHangs(t *testing.T) {
	f := start(t, func(u *setup) { u.server.CommentInterval = 5 * time.Millisecond })
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	s.next()
	held, release := f.holdCommits(false)
	changer := f.dial().send(f.request("POST", root+"a", "new", text))
	f.awaitWait("a", methodPost)
	await(t, "a commit", held)
	for range 20 {
		f.do("GET", root+"a", "").want(t, 200).wantHeaders(t, "Stream-Next-Offset: "+token(8))
		f.do("HEAD", root+"a", "").want(t, 200)
		if data, _, ctl := f.follow("a?offset=-1").next(); data != "old" || !ctl.UpToDate {
			t.Fatalf("a new reader gets %q", data)
		}
	}
	// The reader that was there gets comments, and nothing else.
	seen := make([]byte, 0, 200)
	for bytes.Count(seen, []byte(":\n\n")) < 5 {
		b, err := s.in.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b)
	}
	if bytes.Contains(seen, []byte("data")) {
		t.Errorf("before it is durable came %q", seen)
	}
	changer.wantNothing()
	release()
	changer.read("POST").want(t, 204)
	f.content("a")
}

// All readers at the same place get one event that was made once, and an append
// costs no memory for each of them.
func TestReadersShareEvents(t *testing.T) {
	const appends = 50
	events := func(readers int) (encoded, sent uint64, mallocs uint64) {
		f := start(t, endless, byLoops, func(u *setup) { u.quiet = true })
		f.create("a", "", text)
		var all []*client
		buf := make([]byte, 1<<16)
		for range readers {
			c := f.dial().send(f.request("GET", root+"a?offset=-1&live=sse", ""))
			c.skipEvent(buf, "event: control")
			all = append(all, c)
		}
		body := strings.Repeat("x", 100)
		w := f.dial()
		ask, answer := f.request("POST", root+"a", body, text), make([]byte, 4096)
		w.send(ask).read("POST").want(t, 204)
		for _, c := range all {
			c.skipEvent(buf, "event: data")
		}
		waitFor(t, "the count", func() bool { return f.server.Stats().FramesSent >= uint64(2*readers) })
		before := f.server.Stats()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs = m.Mallocs
		for range appends {
			io.WriteString(w.conn, ask)
			if _, err := w.conn.Read(answer); err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				c.skipEvent(buf, "event: data")
			}
		}
		runtime.ReadMemStats(&m)
		// Counted after the last reader has it.
		waitFor(t, "the count", func() bool {
			return f.server.Stats().FramesSent >= before.FramesSent+uint64(readers*appends)
		})
		after := f.server.Stats()
		return after.FramesEncoded - before.FramesEncoded, after.FramesSent - before.FramesSent, m.Mallocs - mallocs
	}
	encoded, sent, few := events(2)
	if encoded > 2*appends || sent != 2*appends {
		t.Errorf("2 readers: %d events made, %d sent, of %d appends", encoded, sent, appends)
	}
	encoded, sent, many := events(200)
	if encoded > 2*appends || sent != 200*appends {
		t.Errorf("200 readers: %d events made, %d sent, of %d appends", encoded, sent, appends)
	}
	if !raceEnabled && many > few+10*appends { // the race detector allocates for system calls
		t.Errorf("%d appends allocate %d times with 200 readers, and %d times with 2", appends, many, few)
	}
}

// skipEvent reads on until an event of that kind has ended.
func (c *client) skipEvent(buf []byte, kind string) {
	c.t.Helper()
	end, at := []byte("}\n\n\r\n"), 0
	for {
		n, err := c.conn.Read(buf[at:])
		if err != nil {
			c.t.Fatal(err)
		}
		if at += n; bytes.HasSuffix(buf[:at], end) && bytes.Contains(buf[:at], []byte(kind)) {
			return
		}
	}
}

// A comment that the kernel took late, while the next event was being read, is no
// reason to read the event twice.
func TestAnEventIsReadOnceWhateverGoesOutMeanwhile(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless, byLoops)
	f.create("a", "old", text)
	reading, release := make(chan struct{}), make(chan struct{})
	d.onCold = func(engine.ReadRequest) {
		select {
		case <-release:
		default:
			close(reading)
			<-release
		}
	}
	s := f.follow("a?offset=-1")
	await(t, "the reading", reading)
	loop := f.server.loops.all[0].loop
	done := make(chan struct{})
	loop.Post(func() {
		loop.All(func(c *evloop.Conn) {
			if r, ok := c.Owner.(*loopReader); ok {
				r.stalled = true
				r.sent()
				if loads := r.audience.loads; len(loads) != 1 || len(loads[0].waiting) != 1 {
					t.Error("the reader waits for the event twice")
				}
			}
		})
		close(done)
	})
	await(t, "a pass", done)
	close(release)
	if data, _, ctl := s.next(); data != "old" || !ctl.UpToDate {
		t.Errorf("got %q", data)
	}
	f.append("a", "new", text)
	if data, _, _ := s.next(); data != "new" {
		t.Errorf("then %q", data)
	}
}

// News that comes while the event before it is being read reaches its reader, and
// who comes after the news is told of it.
func TestNewsDuringALoadIsHeard(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless, byLoops)
	f.create("a", "old", text)
	reading, release := make(chan struct{}), make(chan struct{})
	var asked atomic.Bool
	d.answer = func(r engine.ReadRequest) (res engine.ReadResult, ticket engine.Ticket, given bool) {
		if asked.Swap(true) {
			return
		}
		res, ticket = d.reader.ReadCold(r)
		close(reading)
		<-release
		return res, ticket, true
	}
	early := f.follow("a?offset=-1")
	await(t, "the reading", reading)
	f.append("a", "new", text)
	loop := f.server.loops.all[0].loop
	for range 3 { // passes, in which the news is told
		done := make(chan struct{})
		loop.Post(func() { close(done) })
		await(t, "a pass", done)
	}
	late := f.follow("a?offset=-1")
	if data, _, ctl := late.next(); data != "oldnew" || !ctl.UpToDate {
		t.Errorf("who came later got %q", data)
	}
	close(release)
	got := ""
	for got != "oldnew" {
		data, has, _ := early.next()
		if !has {
			t.Fatalf("got %q", got)
		}
		got += data
	}
}

// An event that many wait for is given to all of them, in more than one pass.
func TestALoadIsGivenToAll(t *testing.T) {
	const readers = passTurns + 50
	d := &diskReader{}
	f := start(t, onDisk(d), endless, byLoops, func(u *setup) { u.quiet = true })
	f.create("a", "old", text)
	release := make(chan struct{})
	d.onCold = func(engine.ReadRequest) { <-release }
	var all []*client
	for range readers {
		all = append(all, f.dial().send(f.request("GET", root+"a?offset=-1&live=sse", "")))
	}
	waitFor(t, "all readers", func() bool { return f.server.LiveReaders() == readers })
	close(release)
	for _, c := range all {
		if data, _, ctl := c.sse().next(); data != "old" || ctl.Next != token(8) {
			t.Fatalf("got %q", data)
		}
	}
	if n := d.coldReads(); n > 3 {
		t.Errorf("%d reads of the disk for one event", n)
	}
}

// A long-poll whose connection has too much behind it has that for its answer, and
// no other comes.
func TestCrowdedLongPollsEnd(t *testing.T) {
	f := start(t, endless, byLoops, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax })
	f.create("a", "", text)
	behind := strings.Repeat(f.request("GET", root+"a", ""), 1000)
	var waiting []*client
	for f.server.Stats().Dropped["memory"] == 0 {
		if len(waiting) == 10 {
			t.Fatal("nobody is turned away")
		}
		c := f.dial().send(f.request("GET", root+"a?offset=now&live=long-poll", ""))
		f.awaitPark("a")
		before := f.kept()
		io.WriteString(c.conn, behind) // may fail
		waitFor(t, "the input", func() bool { return f.server.Stats().Dropped["memory"] > 0 || f.kept() > before })
		waiting = append(waiting, c)
	}
	last := waiting[len(waiting)-1]
	last.read("GET").wantError(t, 503, "overloaded").wantHeaders(t, "Connection: close")
	f.append("a", "x", text)
	last.wantClosed()
	for _, c := range waiting[:len(waiting)-1] {
		if r := c.read("GET").want(t, 200); r.body != "x" {
			t.Errorf("woke with %q", r.body)
		}
		c.conn.Close()
	}
}

// Events that wait for a bucket leave those that the disk has their turn.
func TestEventsOfTheDiskDoNotWaitForABucket(t *testing.T) {
	d := &diskReader{}
	asking, release := make(chan struct{}, loadsMax), make(chan struct{})
	f := start(t, onDisk(d), endless, byLoops)
	d.far = func(r engine.ReadRequest) bool { return strings.HasPrefix(r.Path, "far") }
	d.onCold = func(r engine.ReadRequest) {
		if strings.HasPrefix(r.Path, "far") {
			asking <- struct{}{}
			<-release
		}
	}
	var waiting []*client
	for i := range loadsMax {
		f.create(fmt.Sprintf("far%d", i), "old", text)
		waiting = append(waiting, f.dial().send(f.request("GET", root+fmt.Sprintf("far%d?offset=-1&live=sse", i), "")))
	}
	for range loadsMax {
		<-asking
	}
	f.create("near", "old", text)
	if data, _, _ := f.follow("near?offset=-1").next(); data != "old" {
		t.Errorf("got %q", data)
	}
	close(release)
	for _, c := range waiting {
		if data, _, _ := c.sse().next(); data != "old" {
			t.Errorf("got %q from the bucket", data)
		}
	}
}
