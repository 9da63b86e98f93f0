package server

import (
	"flag"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/internal/stream"
)

var raceRounds = flag.Int("server.rounds", 2000, "rounds of the tests for lost wake-ups")

// poll starts a long-poll.
func (f *fixture) poll(query string) *client {
	f.t.Helper()
	return f.dial().send(f.request("GET", root+query+"&live=long-poll", ""))
}

// awaitPark waits until a reader of that stream waits for news.
func (f *fixture) awaitPark(name string) {
	f.t.Helper()
	for {
		if e := await(f.t, "a reader of "+name+" waiting for news", f.parks); e.name == name {
			return
		}
	}
}

// awaitWait waits until a request on that stream waits for a ticket.
func (f *fixture) awaitWait(name string, m method) {
	f.t.Helper()
	for {
		if e := await(f.t, "a request on "+name+" waiting for the log", f.waits); e.name == name && e.method == m {
			return
		}
	}
}

func TestLongPollAnswersDataAtOnce(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	r := f.do("GET", root+"a?offset=-1&live=long-poll", "").want(t, 200)
	r.wantHeaders(t, "Stream-Next-Offset: "+token(10), "Stream-Up-To-Date: true", "Stream-Closed:",
		"Cache-Control: public, max-age=60, stale-while-revalidate=300")
	if _, err := strconv.ParseUint(r.Header.Get("Stream-Cursor"), 10, 64); err != nil || r.body != "12345" {
		t.Errorf("body %q, cursor %v", r.body, err)
	}
	if r.Header.Get("ETag") == "" {
		t.Error("no tag")
	}
}

func TestLongPollWakesForAnAppend(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	f.create("j", "[1]", jsonCT)
	for _, c := range []struct{ name, offset, body, ct, want, cache string }{
		{"a", token(10), "news", text, "news", "public, max-age=60, stale-while-revalidate=300"},
		{"a", "now", "more", text, "more", "no-store"},
		{"j", "now", "[2,3]", jsonCT, "[2,3]", "no-store"},
	} {
		p := f.poll(c.name + "?offset=" + c.offset)
		f.awaitPark(c.name)
		f.append(c.name, c.body, c.ct)
		r := p.read("GET").want(t, 200).wantHeaders(t, "Stream-Up-To-Date: true", "Cache-Control: "+c.cache)
		if r.body != c.want {
			t.Errorf("woke with %q, want %q", r.body, c.want)
		}
		p.send(f.request("HEAD", root+c.name, "")).read("HEAD").want(t, 200) // the connection goes on
	}
}

func TestLongPollTimesOutWithTheTail(t *testing.T) {
	f := start(t, func(u *setup) { u.server.LongPollTimeout = 20 * time.Millisecond })
	f.create("a", "12345", text)
	r := f.do("GET", root+"a?offset=now&live=long-poll", "").want(t, 204)
	r.wantHeaders(t, "Stream-Next-Offset: "+token(10), "Stream-Up-To-Date: true", "Stream-Closed:", "Cache-Control: no-store")
	cursor := r.Header.Get("Stream-Cursor")
	next := f.do("GET", root+"a?offset="+token(10)+"&live=long-poll&cursor="+cursor, "").want(t, 204).Header.Get("Stream-Cursor")
	a, err1 := strconv.ParseUint(cursor, 10, 64)
	b, err2 := strconv.ParseUint(next, 10, 64)
	if err1 != nil || err2 != nil || b <= a {
		t.Errorf("cursor %q after %q", next, cursor)
	}
	// Past the tail means the tail.
	f.do("GET", root+"a?offset="+token(999)+"&live=long-poll", "").want(t, 204).wantHeaders(t, "Stream-Next-Offset: "+token(10))
}

func TestLongPollSeesTheEnd(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	p, last := f.poll("a?offset="+token(10)), f.poll("a?offset=now")
	f.awaitPark("a")
	f.awaitPark("a")
	f.append("a", "bye", text, "Stream-Closed: true")
	r := p.read("GET").want(t, 200).wantHeaders(t, "Stream-Closed: true", "Stream-Cursor:")
	if r.body != "bye" {
		t.Errorf("read %q", r.body)
	}
	last.read("GET").want(t, 200)
	f.do("GET", root+"a?offset="+token(18)+"&live=long-poll", "").want(t, 204).
		wantHeaders(t, "Stream-Closed: true", "Stream-Up-To-Date: true", "Stream-Next-Offset: "+token(18), "Cache-Control: no-store")
	f.do("GET", root+"a?offset=now&live=long-poll", "").want(t, 204).wantHeaders(t, "Stream-Closed: true")

	f.create("b", "", text)
	p = f.poll("b?offset=-1")
	f.awaitPark("b")
	f.append("b", "", "Stream-Closed: true")
	p.read("GET").want(t, 204).wantHeaders(t, "Stream-Closed: true", "Stream-Up-To-Date: true")
}

func TestLongPollEndsWithItsStream(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	p := f.poll("a?offset=now")
	f.awaitPark("a")
	f.do("DELETE", root+"a", "").want(t, 204)
	p.read("GET").wantError(t, 404, "not_found")

	f.create("b", "", text)
	f.create("c", "", fork("b")...)
	p = f.poll("b?offset=now")
	f.awaitPark("b")
	f.do("DELETE", root+"b", "").want(t, 204)
	p.read("GET").wantError(t, 410, "gone")
}

// A reader never slips from a stream to its successor at the same path.
func TestLongPollDoesNotFollowASuccessor(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.server.hooks.onPark = func(_ method, name string) {
		// Both happen before the reader looks again.
		f.engine.Delete("a").Wait()
		f.engine.Create(&stream.Create{Path: "a", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("successor")}).Wait()
	}
	f.poll("a?offset=now").read("GET").wantError(t, 404, "not_found")
	if got := f.content("a"); got != "successor" {
		t.Errorf("the successor holds %q", got)
	}
}

func TestForkIsNotWokenByItsSource(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	f.create("b", "", fork("a")...)
	p := f.poll("b?offset=" + token(10))
	f.awaitPark("b")
	f.append("a", "of the source", text)
	f.append("b", "of the fork", text)
	if r := p.read("GET").want(t, 200); r.body != "of the fork" {
		t.Errorf("woke with %q", r.body)
	}
}

// A live reader looks at the stream, then begins to wait for it. An append in
// any gap between must reach it.
func TestLiveReadersMissNothingInBetween(t *testing.T) {
	for _, live := range []string{"long-poll", "sse"} {
		for _, gap := range []string{"after looking", "before waiting"} {
			t.Run(live+" "+gap, func(t *testing.T) {
				f := start(t, endless)
				f.create("a", "", text)
				var once sync.Once
				change := func() { once.Do(func() { f.appendAndNotify("a", "news") }) }
				if gap == "after looking" {
					f.server.hooks.onLook = func(string) { change() }
				} else {
					f.server.hooks.onPark = func(method, string) { change() }
				}
				if live == "long-poll" {
					if r := f.poll("a?offset=now").read("GET").want(t, 200); r.body != "news" {
						t.Errorf("got %q", r.body)
					}
					return
				}
				s := f.follow("a?offset=now")
				for {
					if data, has, _ := s.next(); has {
						if data != "news" {
							t.Errorf("got %q", data)
						}
						return
					}
				}
			})
		}
	}
}

// appendAndNotify returns when all who watch the stream have been told of the
// append: watchers are told in the order they came.
func (f *fixture) appendAndNotify(name, body string) {
	info, _ := f.engine.Head(name)
	told := make(chan struct{}, 1)
	stop, ok := f.engine.Watch(name, info.ID, func() {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	if !ok {
		f.t.Error("the stream cannot be watched")
		return
	}
	defer stop()
	ticket := f.engine.Append(&stream.Append{Path: name, ContentType: "text/plain", Body: []byte(body)})
	if err := ticket.Wait(); err != nil || ticket.Code != stream.Appended {
		f.t.Errorf("append: %v, %v", ticket.Code, err)
		return
	}
	<-told
}

// An append between looking at the stream and waiting for it must wake the
// reader: the timeout is longer than the test may take.
func TestLongPollLosesNoWakeUp(t *testing.T) {
	f := start(t, endless)
	rng := newRand(t)
	f.create("a", "", text)
	reader, writer := f.dial(), f.dial()
	ask := f.request("POST", root+"a", "x", text)
	for i := range *raceRounds {
		if i%1000 == 999 {
			reader.conn.SetDeadline(time.Now().Add(patience))
			writer.conn.SetDeadline(time.Now().Add(patience))
		}
		reader.send(f.request("GET", root+"a?offset="+token(i*6)+"&live=long-poll", ""))
		for range rng.IntN(2000) { // anywhere from before the request is read to after it waits
			spin++
		}
		writer.send(ask)
		writer.read("POST").want(t, 204)
		r := reader.read("GET").want(t, 200)
		if next := r.Header.Get("Stream-Next-Offset"); r.body != "x" || next != token((i+1)*6) {
			t.Fatalf("round %d: %q up to %s", i, r.body, next)
		}
	}
}

var spin int

func TestLongPollHoldsTheLife(t *testing.T) {
	f := start(t)
	f.create("a", "", text, "Stream-TTL: 100")
	p := f.poll("a?offset=now")
	f.awaitPark("a")
	for range 5 {
		f.clock.advance(90 * time.Second)
		f.do("HEAD", root+"a", "").want(t, 200)
	}
	f.append("a", "x", text)
	p.read("GET").want(t, 200)
}

func TestShutdownAnswersLongPolls(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	p := f.poll("a?offset=now")
	f.awaitPark("a")
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	p.read("GET").want(t, 204).wantHeaders(t, "Stream-Next-Offset: "+token(10), "Stream-Up-To-Date: true", "Connection: close")
	p.wantClosed()
	if err := await(t, "shutdown", done); err != nil {
		t.Error(err)
	}
}

func TestTooManyReadersAreRefused(t *testing.T) {
	f := start(t, func(u *setup) { u.server.LiveMax = 2 })
	f.create("a", "", text)
	p := f.poll("a?offset=now")
	f.awaitPark("a")
	s := f.follow("a?offset=now")
	f.awaitPark("a")
	for _, mode := range []string{"sse", "long-poll"} {
		f.do("GET", root+"a?offset=now&live="+mode, "").wantError(t, 503, "too_many_readers").wantHeaders(t, "Retry-After: 1")
	}
	f.do("GET", root+"a?offset=now", "").want(t, 200)
	// A reader that leaves makes room for another.
	s.conn.Close()
	waitFor(t, "the reader to be gone", func() bool { return f.server.LiveReaders() == 1 })
	q := f.poll("a?offset=now")
	f.awaitPark("a")
	f.append("a", "x", text)
	p.read("GET").want(t, 200)
	q.read("GET").want(t, 200)
	if n := f.server.LiveReaders(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

// Requests with long heads take their place while they wait.
func TestLongHeadsOfLongPollsAreBounded(t *testing.T) {
	f := start(t, endless, byLoops, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax })
	f.create("a", "", text)
	ask := f.request("GET", root+"a?offset=now&live=long-poll", "", "X: "+strings.Repeat("x", 10_000))
	var all []*client
	for {
		p := f.dial().send(ask)
		if (len(all)+1)*len(ask) > testBodyMax {
			p.read("GET").wantError(t, 503, "overloaded").wantHeaders(t, "Retry-After: 1")
			p.send(f.request("HEAD", root+"a", "")).read("HEAD").want(t, 200) // the connection goes on
			break
		}
		if f.awaitPark("a"); len(all) > testBodyMax/10_000 {
			t.Fatalf("%d polls wait", len(all))
		}
		all = append(all, p)
	}
	f.append("a", "x", text)
	for _, p := range all {
		p.read("GET").want(t, 200)
	}
}

func TestManyReadersWakeTogether(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	var all []*client
	for range 50 {
		all = append(all, f.poll("a?offset=now"))
	}
	for range all {
		f.awaitPark("a")
	}
	f.append("a", "x", text)
	for i, p := range all {
		if r := p.read("GET").want(t, 200); r.body != "x" {
			t.Errorf("reader %d got %q", i, r.body)
		}
	}
	if s := f.engine.Stats(); s.Watchers != 0 {
		t.Errorf("%d watchers are left", s.Watchers)
	}
}
