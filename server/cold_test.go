package server

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// Every way to read reads from the disk, and answers as if all were in memory.
func TestColdReadsAnswerLikeOthers(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	g := start(t, endless)
	for _, f := range []*fixture{f, g} {
		f.create("a", "12345", text)
		f.append("a", "more", text)
		f.create("j", "[1,2]", jsonCT, "Stream-Closed: true")
		f.create("empty", "", text)
	}
	for _, target := range []string{
		"a", "a?offset=" + token(3), "a?offset=" + token(10), "a?offset=" + token(19), "a?offset=now", "j", "empty",
		"a?offset=-1&live=long-poll", "j?offset=0&live=long-poll", "a?offset=" + token(10) + "&live=long-poll",
	} {
		got, want := f.do("GET", root+target, "").want(t, 200), g.do("GET", root+target, "").want(t, 200)
		if got.body != want.body {
			t.Errorf("%s reads %q, want %q", target, got.body, want.body)
		}
		for _, h := range []string{"Content-Type", "Stream-Next-Offset", "Stream-Up-To-Date", "Stream-Closed", "Cache-Control", "Vary", "ETag"} {
			if h == "ETag" && target == "a?offset=now" {
				continue
			}
			got.wantHeaders(t, h+": "+want.Header.Get(h))
		}
	}
	if d.coldReads() == 0 {
		t.Error("nothing was read from the disk")
	}
	before := d.coldReads()
	for _, target := range []string{"a?offset=now", "a?offset=" + token(19), "empty"} {
		f.do("GET", root+target, "").want(t, 200)
	}
	f.do("HEAD", root+"a", "").want(t, 200)
	if n := d.coldReads(); n != before {
		t.Errorf("%d reads of the disk for nothing", n-before)
	}
}

// News that has left memory when its reader looks is read from the disk.
func TestLongPollReadsItsNewsFromTheDisk(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "12345", text)
	p := f.poll("a?offset=" + token(10))
	f.awaitPark("a")
	if d.coldReads() != 0 {
		t.Error("there was nothing to read")
	}
	f.append("a", "news", text)
	r := p.read("GET").want(t, 200).wantHeaders(t, "Stream-Up-To-Date: true", "Stream-Next-Offset: "+token(19), "Vary:")
	if r.body != "news" || d.coldReads() == 0 {
		t.Errorf("woke with %q after %d reads of the disk", r.body, d.coldReads())
	}
	if asked := d.last(); asked.Stored || asked.ID == 0 {
		t.Errorf("asked for %+v", asked)
	}
	p = f.poll("a?offset=now")
	f.awaitPark("a")
	f.append("a", "", "Stream-Closed: true")
	p.read("GET").want(t, 204).wantHeaders(t, "Stream-Closed: true")
}

// An event stream goes from the disk to the tail and follows it.
func TestSSEReadsFromTheDisk(t *testing.T) {
	rng := newRand(t)
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "", text)
	var want strings.Builder
	for range 20 {
		body := jsonOf(rng, 3+rng.IntN(100_000))
		f.append("a", body, text)
		want.WriteString(body)
	}
	s := f.follow("a?offset=-1", asksZstd)
	var got strings.Builder
	for ctl := (control{}); !ctl.UpToDate; {
		var data string
		data, _, ctl = s.next()
		got.WriteString(data)
	}
	if got.String() != want.String() {
		t.Errorf("read %d bytes, want %d", got.Len(), want.Len())
	}
	if n := d.coldReads(); n < 10 {
		t.Errorf("%d reads of the disk", n)
	}
	f.awaitPark("a")
	f.append("a", "live", text)
	if data, _, ctl := s.next(); data != "live" || !ctl.UpToDate {
		t.Errorf("got %q", data)
	}
	f.append("a", "", "Stream-Closed: true")
	if _, has, ctl := s.next(); has || !ctl.Closed {
		t.Error("no closure")
	}
	s.wantEnd()
}

// once runs f the first time it is called.
func once(f func()) func(engine.ReadRequest) {
	var o sync.Once
	return func(engine.ReadRequest) { o.Do(f) }
}

// A stream that goes while the disk is read is gone, and its successor is
// another one.
func TestColdReadsMeetWhatHappensMeanwhile(t *testing.T) {
	for _, live := range []string{"", "?offset=-1&live=long-poll"} {
		t.Run("live="+live, func(t *testing.T) {
			d := &diskReader{}
			f := start(t, onDisk(d), endless)
			f.create("a", "12345", text)
			d.onCold = once(func() { f.do("DELETE", root+"a", "").want(t, 204) })
			f.do("GET", root+"a"+live, "").wantError(t, 404, "not_found")

			f.create("a", "12345", text)
			d.onCold = once(func() {
				f.do("DELETE", root+"a", "").want(t, 204)
				f.create("a", "other", text)
			})
			if r := f.do("GET", root+"a"+live, "").want(t, 200); r.body != "other" {
				t.Errorf("read %q", r.body)
			}

			// Nothing is decided while the delete is on its way to the log.
			var deleted *client
			var release func()
			d.onCold = once(func() {
				var held <-chan struct{}
				held, release = f.holdCommits(false)
				deleted = f.dial().send(f.request("DELETE", root+"a", ""))
				await(t, "the delete to be staged", held)
			})
			c := f.dial().send(f.request("GET", root+"a"+live, ""))
			f.awaitWait("a", methodGet)
			release()
			c.read("GET").wantError(t, 404, "not_found")
			deleted.read("DELETE").want(t, 204)
		})
	}
}

// A cold read that could not decide is asked anew, from the beginning.
func TestColdReadsAreRetried(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "12345", text)
	var left atomic.Int64
	d.answer = func(engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		return engine.ReadResult{}, engine.Ticket{Retry: true}, left.Add(-1) >= 0
	}
	for _, live := range []string{"", "?offset=-1&live=long-poll"} {
		left.Store(3)
		if r := f.do("GET", root+"a"+live, "").want(t, 200); r.body != "12345" || left.Load() >= 0 {
			t.Errorf("%s: read %q with %d retries left", live, r.body, left.Load())
		}
	}
	left.Store(3)
	s := f.follow("a?offset=-1")
	if data, _, ctl := s.next(); data != "12345" || !ctl.UpToDate || left.Load() >= 0 {
		t.Errorf("read %q with %d retries left", data, left.Load())
	}
	p := f.poll("a?offset=now")
	for range 2 { // the event stream, and the poll
		f.awaitPark("a")
	}
	f.append("a", "news", text)
	if r := p.read("GET").want(t, 200); r.body != "news" {
		t.Errorf("read %q", r.body)
	}
}

// What cannot be read from the disk is an error of its own: no bytes, nothing
// to cache, and no fault of the server. The rest lives.
func TestCorruptDataIsAnAnswer(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "12345", text)
	f.create("b", "whole", text)
	d.answer = func(r engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		if r.Path != "a" {
			return engine.ReadResult{}, engine.Ticket{}, false
		}
		return corrupt(r)
	}
	c := f.dial()
	for _, query := range []string{"", "?offset=-1", "?offset=-1&live=long-poll"} {
		f.corruptReads++
		c.send(f.request("GET", root+"a"+query, "", asksZstd)).read("GET").wantError(t, 500, "data_corrupt").
			wantHeaders(t, "ETag:", "Stream-Next-Offset:", "Content-Encoding:", "Retry-After:").
			wantHeaders(t, everyResponse...)
	}
	p := f.poll("a?offset=now")
	f.awaitPark("a")
	f.corruptReads++
	f.append("a", "news", text)
	p.read("GET").wantError(t, 500, "data_corrupt")
	if r := f.do("GET", root+"b", "").want(t, 200); r.body != "whole" {
		t.Errorf("read %q", r.body)
	}
	f.do("GET", root+"a?offset=now", "").want(t, 200)
	f.do("HEAD", root+"a", "").want(t, 200)
	if n := f.server.CorruptReads(); n != f.corruptReads {
		t.Errorf("%d corrupt reads, want %d", n, f.corruptReads)
	}
}

// An event stream that meets it breaks off: a clean end would say that the
// client has all there is for now.
func TestCorruptDataBreaksEventStreams(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	body := strings.Repeat("x", eventBytesMax)
	f.create("a", body, text)
	f.append("a", "damaged", text)
	d.answer = func(r engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		if r.From == 0 {
			return engine.ReadResult{}, engine.Ticket{}, false
		}
		return corrupt(r)
	}
	f.corruptReads = 2
	s := f.follow("a?offset=-1")
	if data, _, ctl := s.next(); data != body || ctl.UpToDate || ctl.Closed {
		t.Errorf("got %d bytes and %+v", len(data), ctl)
	}
	if e, err := s.events.Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("then event %+v, error %v", e, err)
	}
	s = f.follow("a?offset=" + token(eventBytesMax+5)) // nothing of it can be read
	if e, err := s.events.Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("event %+v, error %v", e, err)
	}
}

// A bucket that does not answer is a 503 for reads that need it, which says when
// to try again, and breaks off event streams. Other reads go on.
func TestAnUnavailableBucketIsAnAnswer(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "12345", text)
	f.create("b", "whole", text)
	d.answer = func(r engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		return engine.ReadResult{}, engine.Ticket{Outcome: stream.Outcome{Code: stream.Unavailable}}, r.Path == "a"
	}
	c := f.dial()
	for _, query := range []string{"", "?offset=-1", "?offset=-1&live=long-poll"} {
		c.send(f.request("GET", root+"a"+query, "", asksZstd)).read("GET").wantError(t, 503, "storage_unavailable").
			wantHeaders(t, "Retry-After: 1", "ETag:", "Stream-Next-Offset:", "Content-Encoding:")
	}
	s := f.follow("a?offset=-1")
	if e, err := s.events.Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("event %+v, error %v", e, err)
	}
	if n := f.server.Stats().Dropped["unavailable"]; n != 1 {
		t.Errorf("%d readers were given up for it, want 1", n)
	}
	if r := f.do("GET", root+"b", "").want(t, 200); r.body != "whole" {
		t.Errorf("read %q", r.body)
	}
}

// A log that fails while the disk is read leaves no answer to give.
func TestColdReadsOfAFailedLogAreDropped(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), endless)
	f.create("a", "12345", text)
	d.answer = func(engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		return engine.ReadResult{}, engine.Ticket{Outcome: stream.Outcome{Code: stream.Failed}}, true
	}
	for _, query := range []string{"a", "a?offset=-1&live=long-poll"} {
		f.dial().send(f.request("GET", root+query, "")).wantClosed()
	}
	// The head of an event stream may be out already.
	c := f.dial().send(f.request("GET", root+"a?offset=-1&live=sse", ""))
	said, err := io.ReadAll(c.in)
	if _, body, _ := strings.Cut(string(said), "\r\n\r\n"); err != nil || body != "" {
		t.Errorf("got %q, %v, want a connection that breaks", said, err)
	}
}

// The engine promises that a cold read is not cold. If it were, the server
// would ask for ever.
func TestColdReadsThatStayColdAreAFault(t *testing.T) {
	d := &diskReader{}
	f := start(t, silent, onDisk(d), endless)
	f.create("a", "12345", text)
	d.answer = func(engine.ReadRequest) (engine.ReadResult, engine.Ticket, bool) {
		return engine.ReadResult{Cold: true}, engine.Ticket{Outcome: stream.Outcome{Code: stream.OK}}, true
	}
	f.internalErrors = 1
	f.do("GET", root+"a", "").wantError(t, 500, "internal")
}
