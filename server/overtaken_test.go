package server

import (
	"io"
	"net"
	"strings"
	"testing"

	"tailrace/engine"
)

// Who has all there is loses nothing by a trim to the tail, and hears of nothing.
func TestATrimToTheTailDisturbsNobodyThere(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver, endless)
		f.three("a")
		s := f.follow("a?offset=-1")
		s.next()
		f.awaitPark("a")
		poll := f.poll("a?offset=" + token(30))
		f.awaitPark("a")
		f.patch("a", "Stream-Trim: now").want(t, 204)
		poll.wantNothing()
		f.append("a", "fresh", text)
		if data, _, ctl := s.next(); data != "fresh" || ctl.Next != token(40) {
			t.Errorf("the next event is %q up to %s", data, ctl.Next)
		}
		if r := poll.read("GET").want(t, 200); r.body != "fresh" {
			t.Errorf("woke with %q", r.body)
		}
		if n := f.server.Stats().Dropped["trimmed"]; n != 0 {
			t.Errorf("%d readers were given up", n)
		}
		// Nor is there anything to wait for before.
		poll = f.poll("a?offset=-1")
		poll.read("GET").want(t, 200)
	})
}

// overtake appends to a stream and trims what it appended before anybody can see
// it.
func (f *fixture) overtake(name string) {
	f.t.Helper()
	held, release := f.holdCommits(false)
	writer := f.dial().send(f.request("POST", root+name, "missed", text))
	f.awaitWait(name, methodPost)
	await(f.t, "a commit", held)
	changer := f.dial().send(f.request("PATCH", root+name, "", "Stream-Trim: now"))
	f.awaitWait(name, methodPatch)
	release()
	writer.read("POST").want(f.t, 204)
	changer.read("PATCH").want(f.t, 204)
}

// Who waits and is overtaken by a trim is told, and is not given what comes after
// what it has missed.
func TestWhoIsOvertakenByATrimIsTold(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver, endless)
		f.three("a")
		poll := f.poll("a?offset=" + token(30))
		f.awaitPark("a")
		var all []*sseClient
		for range 3 {
			s := f.follow("a?offset=-1")
			s.next()
			f.awaitPark("a")
			all = append(all, s)
		}
		f.overtake("a")
		f.append("a", "after", text)
		poll.read("GET").wantError(t, 410, "offset_trimmed").wantHeaders(t, "Stream-Earliest-Offset: "+token(41))
		for _, s := range all {
			if e, err := s.events.Next(); err == nil || err == io.EOF || isTimeout(err) {
				t.Errorf("after what is trimmed comes %+v, error %v", e, err)
			}
		}
		f.do("GET", root+"a?live=sse&offset="+token(30), "").wantError(t, 410, "offset_trimmed")
		if n := f.server.Stats().Dropped["trimmed"]; n != 3 {
			t.Errorf("%d readers were given up", n)
		}
	})
}

// A reader that takes its time gets all up to some place, and is then told that
// what follows is no more. It never gets what comes after a gap.
func TestLaggardsNeverSkipWhatIsTrimmed(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver, endless, func(u *setup) {
			u.engine.LogFileBytes, u.engine.MemoryBytes = 16<<20, 1<<30
			u.server.SlowTimeout = patience
		})
		f.create("a", "", text)
		slow := f.follow("a?offset=-1")
		slow.conn.(*net.TCPConn).SetReadBuffer(4096)
		f.awaitPark("a")
		const parts, size = 60, 256 << 10
		for i := range parts {
			f.append("a", strings.Repeat(string(rune('A'+i)), size), text)
		}
		f.patch("a", "Stream-Trim: now").want(t, 204)
		f.append("a", "after", text)
		got := 0
		at := ""
		for {
			e, err := slow.events.Next()
			if err != nil {
				if err == io.EOF || isTimeout(err) {
					t.Fatalf("the events end with %v", err)
				}
				break
			}
			if e.Type != "data" {
				at = e.Data
				continue
			}
			for data := e.Data; len(data) > 0; got++ {
				if len(data) < size || data[:size] != strings.Repeat(string(rune('A'+got)), size) {
					t.Fatalf("after %d appends come %.20q and %d bytes in all", got, data, len(data))
				}
				data = data[size:]
			}
		}
		if got == parts {
			t.Fatal("the kernel took it all")
		}
		next := token(got * (size + 5))
		if !strings.Contains(at, next) && got > 0 {
			t.Errorf("after %d appends the last place is %s", got, at)
		}
		f.do("GET", root+"a?live=sse&offset="+next, "").wantError(t, 410, "offset_trimmed")
		waitFor(t, "the count", func() bool { return f.server.Stats().Dropped["trimmed"] == 1 })
	})
}

// What a reader is to get from the disk can be gone when its turn comes.
func TestEventsOfTheDiskCanBeTrimmed(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		d := &diskReader{}
		f := start(t, driver, onDisk(d), endless)
		f.three("a")
		reading, release := make(chan struct{}, 8), make(chan struct{})
		d.onCold = func(engine.ReadRequest) {
			reading <- struct{}{}
			<-release
		}
		var all []*client
		for range 3 {
			all = append(all, f.dial().send(f.request("GET", root+"a?live=sse&offset="+token(0), "")))
		}
		await(t, "the reading", reading)
		waitFor(t, "all readers", func() bool { return f.server.LiveReaders() == 3 })
		f.patch("a", "Stream-Trim: "+token(20)).want(t, 204)
		close(release)
		for _, c := range all {
			if e, err := c.sse().events.Next(); err == nil || err == io.EOF || isTimeout(err) {
				t.Errorf("got %+v, error %v", e, err)
			}
		}
		d.onCold = nil
		if data, _, ctl := f.follow("a?offset=-1").next(); data != "third" || ctl.Next != token(30) {
			t.Errorf("got %q up to %s", data, ctl.Next)
		}
		f.do("GET", root+"a?offset="+token(19), "").wantError(t, 410, "offset_trimmed")
		if r := f.do("GET", root+"a", "").want(t, 200); r.body != "third" {
			t.Errorf("read %q", r.body)
		}
	})
}
