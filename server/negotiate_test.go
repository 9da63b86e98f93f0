package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// A client that takes zstd gets the stored frame byte for byte, and nobody else
// does.
func TestStoredFramesAreSentAsTheyAre(t *testing.T) {
	rng := newRand(t)
	d := &diskReader{}
	f := start(t, onDisk(d))
	message := jsonOf(rng, 200_000)
	for _, s := range []struct{ name, ct, want string }{
		{"j", jsonCT, "[" + message + "," + message + "]"},
		{"t", text, message + message},
	} {
		f.create(s.name, message, s.ct)
		f.append(s.name, message, s.ct)
		r := f.do("GET", root+s.name, "", asksZstd).want(t, 200)
		if got := r.decode(t, codingZstd); got != s.want {
			t.Errorf("%s: %d bytes, want %d", s.name, len(got), len(s.want))
		}
		if r.body != string(d.frame(0)) {
			t.Errorf("%s: not the bytes that were stored", s.name)
		}
		r.wantHeaders(t, s.ct, "Stream-Up-To-Date: true", "Vary: Accept-Encoding", fmt.Sprintf("Content-Length: %d", len(r.body)))
		for header, want := range map[string]coding{
			"":                       codingIdentity,
			"gzip":                   codingGzip,
			"identity":               codingIdentity,
			"gzip, zstd;q=0":         codingGzip,
			"gzip, zstd;q=0.9":       codingGzip,
			"gzip;q=0.9, zstd":       codingZstd,
			"identity, zstd;q=0.5":   codingIdentity,
			"*":                      codingZstd,
			"*;q=0":                  codingIdentity,
			"zstd":                   codingZstd,
			"ZSTD;Q=0.001, gzip;q=0": codingZstd,
		} {
			r := f.do("GET", root+s.name, "", "Accept-Encoding: "+header).want(t, 200)
			if got := r.decode(t, want); got != s.want {
				t.Errorf("%s for %q: %d bytes, want %d", s.name, header, len(got), len(s.want))
			}
			if asked := d.last(); asked.Stored != (want == codingZstd) {
				t.Errorf("%q lets the engine answer with a stored frame: %t", header, asked.Stored)
			}
		}
	}
}

// Each coding of the same content has a strong tag of its own, and only the tag
// of what would be sent is a match.
func TestEachCodingHasItsOwnTag(t *testing.T) {
	f := start(t, onDisk(&diskReader{}))
	f.create("a", strings.Repeat("x", 10_000), text, "Stream-Closed: true")
	asks := []string{asksIdentity, asksGzip, asksZstd}
	var tags [3]string
	for i, ask := range asks {
		r := f.do("GET", root+"a", "", ask).want(t, 200)
		r.decode(t, coding(i))
		tags[i] = r.Header.Get("ETag")
		if !strings.HasPrefix(tags[i], `"`) || !strings.HasSuffix(tags[i], []string{`:c"`, `:c:g"`, `:c:z"`}[i]) {
			t.Errorf("%v has the tag %s", coding(i), tags[i])
		}
	}
	for i, ask := range asks {
		for k, tag := range tags {
			r := f.do("GET", root+"a", "", ask, "If-None-Match: "+tag)
			if k != i {
				r.want(t, 200).decode(t, coding(i))
				continue
			}
			r.want(t, 304).wantHeaders(t, "ETag: "+tag, "Vary: Accept-Encoding", "Content-Encoding:",
				"Cache-Control: public, max-age=60, stale-while-revalidate=300", "Stream-Closed: true", "Stream-Up-To-Date: true")
			if r.body != "" {
				t.Errorf("a 304 has the body %q", r.body)
			}
		}
		others := strings.Join(append(append([]string{`"x"`}, tags[:i]...), tags[i+1:]...), ", ")
		f.do("GET", root+"a", "", ask, "If-None-Match: "+others).want(t, 200)
		for _, list := range []string{others + ", " + tags[i], "W/" + tags[i], others + ",W/" + tags[i], "*", tags[i] + "\r\nIf-None-Match: " + others} {
			f.do("GET", root+"a", "", ask, "If-None-Match: "+list).want(t, 304).wantHeaders(t, "ETag: "+tags[i])
		}
	}
}

// Caches have to keep the codings of a catch-up read apart, and are told with
// every answer to one. No other answer depends on the header.
func TestVaryIsOnEveryCatchUpAnswer(t *testing.T) {
	d := &diskReader{}
	f := start(t, onDisk(d), func(u *setup) { u.server.LongPollTimeout = 1 })
	f.populate()
	f.create("long", strings.Repeat("x", 10_000), text)
	tag := f.do("GET", root+"a", "").Header.Get("ETag")
	for _, ask := range []string{"X: y", asksIdentity, asksGzip, asksZstd} {
		for target, status := range map[string]int{
			"a": 200, "j": 200, "long": 200, "a?offset=now": 200, "j?offset=now": 200, "a?offset=" + token(10): 200,
			"none": 404, "gone": 410, "a?offset=x": 400, "a?offset=1&offset=2": 400, "a?live=x": 400, "": 400, "__ds/x": 404,
		} {
			f.do("GET", root+target, "", ask).want(t, status).wantHeaders(t, "Vary: Accept-Encoding")
		}
		f.do("GET", root+"a", "", asksIdentity, "If-None-Match: "+tag).want(t, 304).wantHeaders(t, "Vary: Accept-Encoding")
		for _, live := range []string{"a?offset=-1&live=long-poll", "long?offset=-1&live=long-poll"} {
			f.do("GET", root+live, "", ask).want(t, 200).wantHeaders(t, "Vary:", "Content-Encoding:")
		}
		f.do("GET", root+"a?offset=now&live=long-poll", "", ask).want(t, 204).wantHeaders(t, "Vary:")
		f.do("HEAD", root+"long", "", ask).want(t, 200).wantHeaders(t, "Vary:", "Content-Encoding:", "ETag:")
		f.do("POST", root+"long", "", ask).want(t, 400).wantHeaders(t, "Vary:")
		f.do("OPTIONS", root+"long", "", ask).want(t, 204).wantHeaders(t, "Vary:")
		f.do("PUT", root+"long", "", text, ask).want(t, 200).wantHeaders(t, "Vary:")
		s := f.follow("long?offset=-1", ask)
		if h := s.head.Header; h.Get("Vary") != "" || h.Get("Content-Encoding") != "" {
			t.Errorf("an event stream has Vary %q and Content-Encoding %q", h.Get("Vary"), h.Get("Content-Encoding"))
		}
		if data, _, _ := s.next(); len(data) != 10_000 {
			t.Errorf("an event of %d bytes", len(data))
		}
	}
	d.answer, f.corruptReads = corrupt, 1
	f.do("GET", root+"a", "").want(t, 500).wantHeaders(t, "Vary: Accept-Encoding")
}

// curl decodes gzip with zlib and zstd with libzstd, where it was built with
// that.
func TestCurlReadsEveryCoding(t *testing.T) {
	version, err := exec.Command("curl", "--version").Output()
	if err != nil {
		t.Fatalf("this test needs curl: %v", err)
	}
	rng := newRand(t)
	d := &diskReader{}
	f := start(t, onDisk(d))
	message := jsonOf(rng, 150_000)
	f.create("a", message, jsonCT)
	f.append("a", message, jsonCT)
	want := "[" + message + "," + message + "]"
	asks := []string{"identity", "gzip"}
	if strings.Contains(string(version), "zstd") {
		asks = append(asks, "zstd")
	} else {
		t.Logf("libzstd is not tested: this curl has none: %s", version)
	}
	curl := func(args ...string) (head, body string) {
		t.Helper()
		out, err := exec.Command("curl", append([]string{"-q", "--noproxy", "*", "-sS", "-i", "http://" + f.addr + root + "a"}, args...)...).Output()
		if err != nil {
			t.Fatalf("curl %v: %v", args, err)
		}
		head, body, _ = strings.Cut(string(out), "\r\n\r\n")
		return head, body
	}
	for _, ask := range asks {
		head, body := curl("--compressed", "-H", "Accept-Encoding: "+ask)
		if body != want {
			t.Errorf("%s: curl reads %d bytes, want %d", ask, len(body), len(want))
		}
		if coded := strings.Contains(head, "\r\nContent-Encoding: "+ask); coded != (ask != "identity") {
			t.Errorf("%s: the head is\n%s", ask, head)
		}
	}
	// And what it asks for by itself.
	head, body := curl("--compressed")
	if body != want || !strings.Contains(head, "\r\nContent-Encoding: ") {
		t.Errorf("curl reads %d bytes, want %d; the head is\n%s", len(body), len(want), head)
	}
	if _, body = curl(); body != want {
		t.Errorf("without coding: curl reads %d bytes, want %d", len(body), len(want))
	}
}

// A client that reads to the end by offsets gets every byte once, in whatever
// codings it asks for on the way.
func TestEveryCodingLeadsToTheEnd(t *testing.T) {
	rng := newRand(t)
	d := &diskReader{}
	f := start(t, onDisk(d))
	f.create("a", "", text)
	var want strings.Builder
	for range 12 {
		body := jsonOf(rng, 3+rng.IntN(400_000))
		f.append("a", body, text)
		want.WriteString(body)
	}
	var got strings.Builder
	c := f.dial()
	for next, done := token(0), false; !done; {
		i := rng.IntN(3)
		r := c.send(f.request("GET", root+"a?offset="+next, "", []string{asksIdentity, asksGzip, asksZstd}[i])).read("GET").want(t, 200)
		if r.Header.Get("Content-Encoding") == "" { // the last part may be small
			i = 0
		}
		got.WriteString(r.decode(t, coding(i)))
		next, done = r.Header.Get("Stream-Next-Offset"), r.Header.Get("Stream-Up-To-Date") == "true"
	}
	if got.String() != want.String() {
		t.Errorf("read %d bytes, want %d", got.Len(), want.Len())
	}
}

// A client that is gone takes the memory for its answer with it.
func TestCodedAnswersAreGivenBackByLostConnections(t *testing.T) {
	f := start(t, silent, onDisk(&diskReader{}), func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	noise := make([]byte, 400_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	f.create("a", string(noise), binary)
	for _, ask := range []string{asksGzip, asksZstd, asksIdentity} {
		c := f.dial()
		c.conn.(*net.TCPConn).SetReadBuffer(4096)
		c.send(strings.Repeat(f.request("GET", root+"a", "", ask), 64))
		waitFor(t, "a response", func() bool { return f.server.responses.used.Load() > 0 })
		c.conn.(*net.TCPConn).SetLinger(0)
		c.conn.Close()
		waitFor(t, "the connection to end", func() bool { return f.server.Connections() == 0 })
		if n := f.server.responses.used.Load(); n != 0 {
			t.Fatalf("%s: %d bytes are not given back", ask, n)
		}
	}
}
