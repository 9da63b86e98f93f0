package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
)

// patch changes a stream.
func (f *fixture) patch(name string, headers ...string) *response {
	f.t.Helper()
	return f.do("PATCH", root+name, "", headers...)
}

// both runs a test by loops, where there are any, and by goroutines.
func both(t *testing.T, test func(t *testing.T, driver func(*setup))) {
	for name, portable := range map[string]bool{"loops": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) { test(t, func(u *setup) { u.server.Portable = portable }) })
	}
}

// three is a stream of three appends of 5 bytes, which end at 10, 20 and 30.
func (f *fixture) three(name string, headers ...string) {
	f.t.Helper()
	f.create(name, "first", append(headers, text)...)
	f.append(name, "2econ", text)
	f.append(name, "third", text)
}

// Reads from before the start are refused, wherever a read comes from, and told
// where the stream begins now. Reads of the beginning get what is left.
func TestReadsOfWhatWasTrimmedAreRefused(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a")
		f.do("GET", root+"a", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset:")
		f.patch("a", "Stream-Trim: "+token(10)).want(t, 204).
			wantHeaders(t, "Stream-Next-Offset: "+token(30), "Stream-Earliest-Offset: "+token(10), "Stream-Closed:", "Content-Type:", "ETag:")
		for _, query := range []string{"?offset=%s", "?live=long-poll&offset=%s", "?live=sse&offset=%s", "?live=sse&ids=true&offset=%s"} {
			for _, from := range []int{0, 1, 9} {
				f.do("GET", root+"a"+fmt.Sprintf(query, token(from)), "").wantError(t, 410, "offset_trimmed").
					wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset:", "ETag:")
			}
		}
		for _, query := range []string{"", "?offset=-1", "?offset=0", "?offset=" + token(10), "?live=long-poll&offset=-1", "?live=long-poll&offset=" + token(10)} {
			r := f.do("GET", root+"a"+query, "").want(t, 200).
				wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset: "+token(30))
			if r.body != "2econthird" {
				t.Errorf("%q reads %q", query, r.body)
			}
		}
		for _, from := range []string{"-1", token(10)} {
			if data, _, ctl := f.follow("a?offset=" + from).next(); data != "2econthird" || ctl.Next != token(30) {
				t.Errorf("an event from %s is %q up to %s", from, data, ctl.Next)
			}
		}
		f.do("GET", root+"a?offset=now", "").want(t, 200).wantHeaders(t, "Stream-Next-Offset: "+token(30), "Stream-Earliest-Offset: "+token(10))
		f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset: "+token(30))

		// From inside of an append the read begins with that append.
		f.patch("a", "Stream-Trim: "+token(15)).want(t, 204).wantHeaders(t, "Stream-Earliest-Offset: "+token(15))
		if r := f.do("GET", root+"a", "").want(t, 200); r.body != "2econthird" {
			t.Errorf("from inside an append: %q", r.body)
		}

		// Of a stream that is gone nothing else is told.
		f.create("fork", "", fork("a")...)
		f.do("DELETE", root+"a", "").want(t, 204)
		f.do("GET", root+"a?offset="+token(0), "").wantError(t, 410, "gone").wantHeaders(t, "Stream-Earliest-Offset:")
	})
}

// A change does what it names and leaves the rest, works again and again, and
// before a start that is further on there is nothing to trim.
func TestChanges(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a", "Stream-TTL: 1000")
		f.do("POST", root+"a", "", "Stream-Closed: true").want(t, 204)
		shown := func(headers ...string) {
			t.Helper()
			f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, headers...)
		}
		shown("Stream-Retention-Age:", "Stream-Retention-Bytes:", "Stream-TTL: 1000", "Stream-Earliest-Offset:")
		const end = "2099-01-01T00:00:00Z"
		for _, c := range []struct {
			change string
			start  int
			shows  []string
		}{
			{"Stream-Retention-Age: 9007199254740991", 0, []string{"Stream-Retention-Age: 9007199254740991", "Stream-Retention-Bytes:"}},
			{"Stream-Retention-Bytes: 9007199254740991", 0, []string{"Stream-Retention-Age: 9007199254740991", "Stream-Retention-Bytes: 9007199254740991"}},
			{"Stream-Retention-Age: 3600", 0, []string{"Stream-Retention-Age: 3600", "Stream-Retention-Bytes: 9007199254740991"}},
			{"Stream-Retention-Age: none", 0, []string{"Stream-Retention-Age:", "Stream-Retention-Bytes: 9007199254740991", "Stream-TTL: 1000"}},
			{"Stream-TTL: 2000", 0, []string{"Stream-TTL: 2000"}},
			{"Stream-Expires-At: none", 0, []string{"Stream-TTL: 2000"}},
			{"Stream-Expires-At: " + end, 0, []string{"Stream-TTL:", "Stream-Expires-At: " + end}},
			{"Stream-TTL: none", 0, []string{"Stream-TTL:", "Stream-Expires-At: " + end}},
			{"Stream-Expires-At: none", 0, []string{"Stream-TTL:", "Stream-Expires-At:"}},
			{"Stream-TTL: 500", 0, []string{"Stream-TTL: 500", "Stream-Expires-At:"}},
			{"Stream-TTL: none", 0, []string{"Stream-TTL:", "Stream-Expires-At:"}},
			{"Stream-Trim: " + token(0), 0, []string{"Stream-Earliest-Offset:"}},
			{"Stream-Trim: " + token(10), 10, []string{"Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Trim: " + token(5), 10, []string{"Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Retention-Bytes: 18", 10, []string{"Stream-Retention-Bytes: 18", "Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Retention-Bytes: 10", 20, []string{"Stream-Retention-Bytes: 10", "Stream-Earliest-Offset: " + token(20)}},
			{"Stream-Retention-Bytes: none", 20, []string{"Stream-Retention-Bytes:"}},
			{"Stream-Trim: now", 30, []string{"Stream-Earliest-Offset: " + token(30)}},
		} {
			for range 2 {
				f.patch("a", c.change).want(t, 204).wantHeaders(t, "Stream-Next-Offset: "+token(30),
					"Stream-Earliest-Offset: "+token(c.start), "Stream-Closed: true")
				shown(append(c.shows, "Stream-Closed: true")...)
			}
		}
		f.patch("a", "Stream-Trim: "+token(31)).wantError(t, 400, "trim_beyond_tail").wantHeaders(t, "Stream-Next-Offset: "+token(30))
		f.patch("a", "Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70", "Stream-TTL: 80").want(t, 204)
		shown("Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70", "Stream-TTL: 80")
	})
}

// A repeated PUT matches what the stream keeps by now.
func TestRepeatedCreatesNameWhatIsKept(t *testing.T) {
	f := start(t)
	const age, bytes = "Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70"
	put := func(status int, headers ...string) {
		t.Helper()
		f.do("PUT", root+"a", "", headers...).want(t, status)
	}
	put(201, age, bytes)
	f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, age, bytes)
	put(200, age, bytes)
	put(409)
	put(409, age)
	put(409, bytes)
	put(409, age, "Stream-Retention-Bytes: 71")
	put(409, "Stream-Retention-Age: 61", bytes)
	f.patch("a", "Stream-Retention-Age: none").want(t, 204)
	put(409, age, bytes)
	put(200, bytes)
	f.patch("a", "Stream-Retention-Bytes: none").want(t, 204)
	put(200)
	f.patch("a", "Stream-TTL: 90").want(t, 204)
	put(409)
	put(200, "Stream-TTL: 90")
}

// A lifetime that a change brings counts from the change.
func TestALifetimeThatIsChangedCountsAnew(t *testing.T) {
	f := start(t)
	f.create("a", "", text, "Stream-TTL: 100")
	f.clock.advance(90 * time.Second)
	f.patch("a", "Stream-TTL: 100").want(t, 204)
	f.clock.advance(90 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.patch("a", "Stream-TTL: none").want(t, 204)
	f.clock.advance(1000 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.patch("a", "Stream-TTL: 50").want(t, 204)
	f.clock.advance(40 * time.Second)
	f.patch("a", "Stream-Trim: now").want(t, 204) // any change is a use
	f.clock.advance(40 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.clock.advance(20 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 404)
	f.patch("a", "Stream-TTL: 50").wantError(t, 404, "not_found")
}

// A read that is refused is no use of the stream, however it was to be read.
func TestRefusedReadsAreNoUse(t *testing.T) {
	for _, live := range []string{"", "&live=long-poll", "&live=sse"} {
		f := start(t)
		f.three("a", "Stream-TTL: 100")
		f.patch("a", "Stream-Trim: "+token(10)).want(t, 204)
		f.clock.advance(60 * time.Second)
		f.do("GET", root+"a?offset="+token(0)+live, "").wantError(t, 410, "offset_trimmed")
		f.clock.advance(60 * time.Second)
		f.do("HEAD", root+"a", "").want(t, 404)
	}
}

// Policies drop by themselves: what is too much with the append, what is too old
// with time.
func TestPoliciesDropTheFront(t *testing.T) {
	f := start(t)
	f.three("bytes", "Stream-Retention-Bytes: 20")
	f.do("GET", root+"bytes?offset="+token(0), "").wantError(t, 410, "offset_trimmed").
		wantHeaders(t, "Stream-Earliest-Offset: "+token(10))
	if got := f.content("bytes"); got != "2econthird" {
		t.Errorf("kept %q", got)
	}
	f.three("age", "Stream-Retention-Age: 10")
	f.clock.advance(11 * time.Second)
	waitFor(t, "the sweep", func() bool {
		return f.do("HEAD", root+"age", "").Header.Get("Stream-Earliest-Offset") == token(30)
	})
	f.do("GET", root+"age?offset="+token(20), "").wantError(t, 410, "offset_trimmed")
	if got := f.content("age"); got != "" {
		t.Errorf("kept %q", got)
	}
}

// What a stream has dropped, its forks go on to show if they did.
func TestForksOfWhatIsTrimmed(t *testing.T) {
	f := start(t)
	f.three("a", "Stream-Retention-Age: 1000")
	f.create("early", "", fork("a", "Stream-Fork-Offset: "+token(20))...)
	f.patch("a", "Stream-Trim: "+token(20)).want(t, 204)
	if got := f.content("early"); got != "first2econ" {
		t.Errorf("a fork from before shows %q", got)
	}
	f.do("PUT", root+"n", "", fork("a", "Stream-Fork-Offset: "+token(19))...).wantError(t, 409, "fork_offset_trimmed")
	f.create("late", "", fork("a")...)
	f.do("HEAD", root+"late", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset: "+token(20), "Stream-Retention-Age:")
	f.do("GET", root+"late?offset="+token(19), "").wantError(t, 410, "offset_trimmed")
	if got := f.content("late"); got != "third" {
		t.Errorf("a fork from after shows %q", got)
	}
	f.patch("early", "Stream-Trim: "+token(10)).want(t, 204)
	if got := f.content("early"); got != "2econ" {
		t.Errorf("a fork that was trimmed shows %q", got)
	}
}

// How a stream begins is asked for anew if it may have lost its front; what lies
// at an offset may be kept, but not longer than the stream keeps it.
func TestCachingOfWhatMayBeTrimmed(t *testing.T) {
	f := start(t)
	const shared = "Cache-Control: public, max-age=60, stale-while-revalidate=300"
	cached := func(target, want string) *response {
		t.Helper()
		return f.do("GET", root+target, "").want(t, 200).wantHeaders(t, want)
	}
	f.three("plain")
	f.three("bytes", "Stream-Retention-Bytes: 1000")
	f.three("day", "Stream-Retention-Age: 86400")
	f.three("short", "Stream-Retention-Age: 100")
	f.three("second", "Stream-Retention-Age: 1", "Stream-TTL: 1000")
	for _, begin := range []string{"", "?offset=-1", "?offset=0", "?offset=-1&live=long-poll"} {
		cached("plain"+begin, shared)
		cached("bytes"+begin, "Cache-Control: no-cache")
		cached("day"+begin, "Cache-Control: no-cache")
		cached("short"+begin, "Cache-Control: no-cache")
	}
	at := "?offset=" + token(10)
	cached("plain"+at, shared)
	cached("bytes"+at, shared)
	cached("day"+at, shared)
	cached("short"+at, "Cache-Control: public, max-age=60, stale-while-revalidate=40")
	cached("second"+"?offset="+token(30), "Cache-Control: public, max-age=1")

	// A tag is that of what was sent: it holds until the front is trimmed.
	tag := f.do("GET", root+"bytes", "").Header.Get("ETag")
	f.do("GET", root+"bytes", "", "If-None-Match: "+tag).want(t, 304).wantHeaders(t, "Cache-Control: no-cache")
	f.patch("bytes", "Stream-Trim: "+token(10)).want(t, 204)
	if r := f.do("GET", root+"bytes", "", "If-None-Match: "+tag).want(t, 200); r.body != "2econthird" {
		t.Errorf("got %q", r.body)
	}
	f.patch("plain", "Stream-Trim: "+token(10)).want(t, 204)
	tag = cached("plain", "Cache-Control: no-cache").Header.Get("ETag")
	f.do("GET", root+"plain", "", "If-None-Match: "+tag).want(t, 304).wantHeaders(t, "Stream-Earliest-Offset: "+token(10))
	if other := cached("plain"+at, shared).Header.Get("ETag"); other != tag {
		t.Errorf("the same range has the tags %s and %s", tag, other)
	}
}

// A change is told when it is durable, and reads wait for that as well.
func TestChangesAreDurableBeforeTheyAreTold(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a")
		held, release := f.holdCommits(false)
		changer := f.dial().send(f.request("PATCH", root+"a", "", "Stream-Trim: "+token(10)))
		f.awaitWait("a", methodPatch)
		await(t, "a commit", held)
		reader := f.dial().send(f.request("GET", root+"a?offset="+token(0), ""))
		f.awaitWait("a", methodGet)
		changer.wantNothing()
		reader.wantNothing()
		release()
		changer.read("PATCH").want(t, 204)
		reader.read("GET").wantError(t, 410, "offset_trimmed")
	})
}

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
