package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tailrace/internal/sse/ssetest"
)

func TestSSEHeadIsThatOfAnEventStream(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.create("b", "", binary)
	r := &response{Response: f.follow("a?offset=-1").head}
	r.wantHeaders(t, everyResponse...)
	r.wantHeaders(t, "Content-Type: text/event-stream", "Cache-Control: no-cache, no-transform", "X-Accel-Buffering: no", "Connection:",
		"Content-Length:", "ETag:", "Stream-SSE-Data-Encoding:")
	if len(r.TransferEncoding) != 1 || r.TransferEncoding[0] != "chunked" {
		t.Errorf("transfer encoding %v", r.TransferEncoding)
	}
	if _, err := http.ParseTime(r.Header.Get("Date")); err != nil {
		t.Error(err)
	}
	(&response{Response: f.follow("b?offset=-1").head}).wantHeaders(t, "Stream-SSE-Data-Encoding: base64")
}

func TestSSEShowsWhatIsThereAndWhatComes(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	if data, _, ctl := s.next(); data != "old" || !ctl.UpToDate || ctl.Closed || ctl.Next != token(8) {
		t.Fatalf("first %q, %+v", data, ctl)
	}
	for i := range 5 {
		f.awaitPark("a")
		body := fmt.Sprintf("line %d\nof\r\nnews\r", i)
		f.append("a", body, text)
		data, _, ctl := s.next()
		if want := fmt.Sprintf("line %d\nof\nnews\n", i); data != want || !ctl.UpToDate {
			t.Fatalf("then %q, %+v, want %q", data, ctl, want)
		}
	}
	// From now on, so no old data, but a control event at once.
	s = f.follow("a?offset=now")
	if data, has, ctl := s.next(); has || !ctl.UpToDate || ctl.Next != f.do("HEAD", root+"a", "").Header.Get("Stream-Next-Offset") {
		t.Fatalf("now: %q, %+v", data, ctl)
	}
	// Past the tail means the tail.
	if _, has, ctl := f.follow("a?offset=" + token(10_000)).next(); has || !ctl.UpToDate {
		t.Fatalf("past the tail: %+v", ctl)
	}
}

func TestSSEEncodesByContentType(t *testing.T) {
	f := start(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	f.create("bin", string(all), binary)
	f.append("bin", "\x00", binary)
	data, _, _ := f.follow("bin?offset=-1").next()
	if got, err := base64.StdEncoding.DecodeString(data); err != nil || string(got) != string(all)+"\x00" {
		t.Errorf("decoded %d bytes, %v", len(got), err)
	}
	f.create("json", "[{\"a\":\n1},[2]]", jsonCT)
	data, _, _ = f.follow("json?offset=-1").next()
	var v []any
	if err := json.Unmarshal([]byte(data), &v); err != nil || len(v) != 2 {
		t.Errorf("JSON %q: %v", data, err)
	}
	f.create("text", "event: control\ndata: {}\n\nid: 7", "Content-Type: Text/HTML; charset=utf-8")
	if data, _, _ = f.follow("text?offset=-1").next(); data != "event: control\ndata: {}\n\nid: 7" {
		t.Errorf("text %q", data)
	}
	for range 3 {
		await(t, "parked readers", f.parks)
	}
}

// Events are counted, whoever serves their readers.
func TestStatsCountEvents(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	s.next()
	f.awaitPark("a")
	f.append("a", "new", text)
	s.next()
	waitFor(t, "the count", func() bool { return f.server.Stats().FramesSent >= 2 })
	if got := f.server.Stats(); got.FramesSent != 2 || got.FramesEncoded != 2 || got.LiveReaders != 1 {
		t.Errorf("after two events to one reader: %+v", got)
	}
}

// A backlog comes in bounded events, each with its own control event.
func TestSSECatchesUpInBoundedEvents(t *testing.T) {
	f := start(t)
	f.create("a", "", binary)
	part := strings.Repeat("x", 20_000)
	for range 20 {
		f.append("a", part, binary)
	}
	f.append("a", strings.Repeat("y", 300_000), binary)
	s := f.follow("a?offset=-1")
	var got strings.Builder
	events := 0
	for {
		data, has, ctl := s.next()
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil || !has {
			t.Fatalf("event %d: %v", events, err)
		}
		if len(b) > eventBytesMax && len(b) != 300_000 {
			t.Errorf("an event of %d bytes", len(b))
		}
		got.Write(b)
		events++
		if ctl.UpToDate {
			break
		}
	}
	if want := strings.Repeat(part, 20) + strings.Repeat("y", 300_000); got.String() != want {
		t.Errorf("got %d bytes, want %d", got.Len(), len(want))
	}
	if events < 7 {
		t.Errorf("only %d events", events)
	}
}

// Data and control event arrive as one chunk: clients count chunks.
func TestSSEEventsAreOneChunk(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	c := f.dial().send(f.request("GET", root+"a?offset=-1&live=sse", ""))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	chunk := func() string {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		size, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 32)
		if err != nil || strings.HasPrefix(line, "0") && size > 0 {
			t.Fatalf("chunk size %q", line)
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(c.in, b); err != nil || string(b[size:]) != "\r\n" {
			t.Fatalf("chunk %q, %v", b, err)
		}
		return string(b[:size])
	}
	for i, body := range []string{"old", "new", "newer"} {
		if i > 0 {
			f.awaitPark("a")
			f.append("a", body, text)
		}
		events := ssetest.Parse([]byte(chunk()))
		if len(events) != 2 || events[0].Data != body || events[1].Type != "control" {
			t.Errorf("chunk %d has %+v", i, events)
		}
	}
	f.awaitPark("a")
	f.append("a", "", "Stream-Closed: true")
	if events := ssetest.Parse([]byte(chunk())); len(events) != 1 || !strings.Contains(events[0].Data, "streamClosed") {
		t.Errorf("the end is %+v", events)
	}
	if last := chunk(); last != "" {
		t.Errorf("after the end comes %q", last)
	}
}

// The data of the append that closes comes before the word that it is closed.
func TestSSEShowsTheLastDataBeforeTheEnd(t *testing.T) {
	f := start(t)
	for i := range 50 {
		name := fmt.Sprint("s", i)
		f.create(name, "", text)
		s := f.follow(name + "?offset=-1")
		if i%2 == 0 {
			f.awaitPark(name)
		}
		f.append(name, "last", text, "Stream-Closed: true")
		seen := ""
		for {
			data, _, ctl := s.next()
			seen += data
			if ctl.Closed {
				break
			}
		}
		if seen != "last" {
			t.Fatalf("round %d: before the end came %q", i, seen)
		}
		s.wantEnd()
	}
	f.create("closed", "all", text, "Stream-Closed: true")
	for offset, want := range map[string]string{"-1": "all", "now": "", token(8): ""} {
		s := f.follow("closed?offset=" + offset)
		if data, _, ctl := s.next(); data != want || !ctl.Closed || !ctl.UpToDate || ctl.Cursor != "" || ctl.Next != token(8) {
			t.Errorf("from %s: %q, %+v", offset, data, ctl)
		}
		s.wantEnd()
	}
}

func TestSSEEndsWithItsStream(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	s := f.follow("a?offset=-1")
	s.next()
	f.awaitPark("a")
	c := f.dial().send(f.request("DELETE", root+"a", "") + f.request("PUT", root+"a", "successor", text))
	c.read("DELETE").want(t, 204)
	c.read("PUT").want(t, 201)
	s.wantEnd()

	f.create("b", "", text, "Stream-Expires-At: "+f.engine.Now().Add(time.Minute).Format(time.RFC3339))
	s = f.follow("b?offset=-1")
	s.next()
	f.awaitPark("b")
	f.clock.advance(2 * time.Minute)
	f.do("GET", root+"b", "").wantError(t, 404, "not_found")
	s.wantEnd()
}

func TestSSEHoldsTheLife(t *testing.T) {
	f := start(t)
	f.create("a", "", text, "Stream-TTL: 100")
	s := f.follow("a?offset=-1")
	s.next()
	f.awaitPark("a")
	for range 5 {
		f.clock.advance(90 * time.Second)
		f.do("HEAD", root+"a", "").want(t, 200)
	}
	f.append("a", "x", text)
	if data, _, _ := s.next(); data != "x" {
		t.Errorf("got %q", data)
	}
}

func TestSSEForHTTP10EndsByClosing(t *testing.T) {
	f := start(t)
	f.create("a", "old", text)
	for _, connection := range []string{"", "Connection: keep-alive\r\n"} {
		c := f.dial().send("GET /v1/stream/a?offset=-1&live=sse HTTP/1.0\r\n" + connection + "\r\n")
		s := c.sse()
		if len(s.head.TransferEncoding) != 0 || !s.head.Close {
			t.Errorf("transfer encoding %v, close %v", s.head.TransferEncoding, s.head.Close)
		}
		if data, _, _ := s.next(); data != "old" {
			t.Errorf("got %q", data)
		}
		f.awaitPark("a")
		f.append("a", "new", text)
		if data, _, _ := s.next(); data != "new" {
			t.Errorf("got %q", data)
		}
		f.awaitPark("a")
		f.do("DELETE", root+"a", "").want(t, 204)
		s.wantEnd()
		f.create("a", "old", text)
	}
}

func TestSSEWorksWhateverTheConnectionHeader(t *testing.T) {
	f := start(t)
	f.create("a", "old", text, "Stream-Closed: true")
	for _, h := range []string{"Connection: close", "Connection: keep-alive", "Connection: Upgrade, close"} {
		s := f.follow("a?offset=-1", h)
		if data, _, _ := s.next(); data != "old" {
			t.Errorf("%s: got %q", h, data)
		}
		s.wantEnd()
	}
}
