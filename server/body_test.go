package server

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// chunked is body as chunks of that size.
func chunked(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

const postA = "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"

const chunkedA = postA + "Transfer-Encoding: chunked\r\n\r\n"

func TestBodiesOfAllSizesAreStoredWhole(t *testing.T) {
	f := start(t)
	c := f.dial()
	for _, size := range []int{1, prefetchBytes - 1, prefetchBytes, prefetchBytes + 1, bodyStep, bodyStep + 1, testBodyMax} {
		body := strings.Repeat("0123456789", size/10+1)[:size]
		for _, framing := range []string{"length", "chunks", "one chunk"} {
			name := fmt.Sprint(size, "-", strings.ReplaceAll(framing, " ", "-"))
			f.create(name, "", text)
			head := "POST /v1/stream/" + name + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
			switch framing {
			case "length":
				c.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, size, body))
			case "chunks":
				c.send(head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 1000))
			case "one chunk":
				c.send(head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body, size))
			}
			c.read("POST").want(t, 204)
			if got := f.content(name); got != body {
				t.Errorf("%s: stored %d bytes, want %d", name, len(got), size)
			}
		}
	}
}

func TestOversizeBodiesAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	over := strings.Repeat("x", testBodyMax+1)

	t.Run("by its length before any of it is sent", func(t *testing.T) {
		c := f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", postA, len(over)))
		c.read("POST").wantError(t, 413, "body_too_large").wantHeaders(t, "Connection: close")
		c.wantClosed()
	})
	t.Run("by a length beyond counting", func(t *testing.T) {
		c := f.dial().send(postA + "Content-Length: 9999999999999999999\r\n\r\n")
		if r := c.read("POST"); r.StatusCode != 413 && r.StatusCode != 400 {
			t.Errorf("status %d", r.StatusCode)
		}
		c.wantClosed()
	})
	t.Run("by counting", func(t *testing.T) {
		for _, size := range []int{1000, testBodyMax + 1} {
			c := f.dial().send(chunkedA + chunked(over, size))
			c.read("POST").wantError(t, 413, "body_too_large")
		}
	})
	t.Run("also a create", func(t *testing.T) {
		c := f.dial().send(fmt.Sprintf("PUT /v1/stream/new HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(over)))
		c.read("PUT").wantError(t, 413, "body_too_large")
		f.do("GET", root+"new", "").want(t, 404)
	})
	t.Run("whatever else is wrong the connection ends", func(t *testing.T) {
		c := f.dial().send(fmt.Sprintf("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(over), over))
		c.read("POST").wantError(t, 404, "no_such_route")
		c.wantClosed()
	})
	if got := f.content("a"); got != "" {
		t.Errorf("stored %d bytes", len(got))
	}
}

// A client that sends all of its request before it looks at the answer must
// find the answer, not a reset.
func TestEarlyAnswerIsNotLostToAReset(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.create("big", strings.Repeat("x", 4096), text)
	body := strings.Repeat("x", 16<<20)
	for name, raw := range map[string]string{
		"413 by length":  fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postA, len(body), body),
		"413 by chunks":  chunkedA + chunked(body, 100_000),
		"404":            fmt.Sprintf("POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 300_000, body[:300_000]),
		"404 in chunks":  "POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 100_000),
		"400 and closed": fmt.Sprintf("%sConnection: close\r\nProducer-Id: x\r\nContent-Length: %d\r\n\r\n%s", postA, 100_000, body[:100_000]),
		"431":            "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\nX: " + body,
		"417":            fmt.Sprintf("%sExpect: x\r\nContent-Length: %d\r\n\r\n%s", postA, 500_000, body[:500_000]),
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial().send(raw)
			r := c.read("POST")
			if want := name[:3]; fmt.Sprint(r.StatusCode) != want {
				t.Errorf("status %d, want %s", r.StatusCode, want)
			}
		})
	}
	if got := f.content("a"); got != "" {
		t.Errorf("stored %d bytes", len(got))
	}
}

// A refused request leaves the connection in order if what is left of its body
// is small.
func TestUnreadBodyIsNotTheNextRequest(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	smuggled := f.request("DELETE", root+"a", "")
	for _, size := range []int{len(smuggled), 20_000} {
		body := smuggled + strings.Repeat("x", size-len(smuggled))
		c := f.dial()
		c.send(f.request("POST", "/nowhere", body)).read("POST").wantError(t, 404, "no_such_route")
		c.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked(body, 5000)).
			read("POST").wantError(t, 404, "no_such_route")
		c.send(f.request("GET", root+"a", body)).read("GET").want(t, 200)
		c.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
	}
}

func TestBrokenBodyAppendsNothing(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for name, raw := range map[string]string{
		"a small body cut off":      postA + "Content-Length: 10\r\n\r\nhel",
		"a larger body cut off":     postA + "Content-Length: 30000\r\n\r\n" + strings.Repeat("x", 20000),
		"cut off inside a chunk":    chunkedA + "5\r\nhel",
		"cut off between chunks":    chunkedA + "5\r\nhello\r\n",
		"cut off before the end":    chunkedA + "5\r\nhello\r\n0\r\n",
		"a chunk size of nonsense":  chunkedA + "5\r\nhello\r\nxyz\r\nhello\r\n0\r\n\r\n",
		"a chunk longer than said":  chunkedA + "3\r\nhello\r\n0\r\n\r\n",
		"a chunk with a bare LF":    chunkedA + "5\nhello\n0\n\n",
		"a negative chunk size":     chunkedA + "-5\r\nhello\r\n0\r\n\r\n",
		"a chunk size that is huge": chunkedA + "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial().send(raw)
			c.conn.(*net.TCPConn).CloseWrite()
			r := c.read("POST")
			if r.StatusCode != 400 {
				t.Errorf("status %d, want 400: %s", r.StatusCode, r.body)
			}
			c.wantClosed()
		})
	}
	if got := f.content("a"); got != "" {
		t.Errorf("stored %q", got)
	}
}

func TestEmptyBodiesAreOneThing(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for name, raw := range map[string]string{
		"no length":     postA + "\r\n",
		"length 0":      postA + "Content-Length: 0\r\n\r\n",
		"no chunks":     chunkedA + "0\r\n\r\n",
		"no type":       "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"closed: false": postA + "Stream-Closed: false\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) { f.dial().send(raw).read("POST").wantError(t, 400, "empty_body") })
	}
	f.dial().send("POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: nonsense\r\nStream-Closed: true\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").
		read("POST").want(t, 204)
}

// What comes after the last chunk is not a header of the request.
func TestTrailersChangeNothing(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	c := f.dial().send(chunkedA + "5;name=value\r\nhello\r\n0\r\nStream-Closed: true\r\nProducer-Id: x\r\n\r\n")
	c.read("POST").want(t, 204).wantHeaders(t, "Stream-Closed:")
	c.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
	f.dial().send(chunkedA+"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n").read("POST").wantError(t, 400, "incomplete_body")
}

func TestExpectationIsDecidedBeforeTheBody(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	t.Run("accepted", func(t *testing.T) {
		c := f.dial().send(postA + "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
		if line, err := c.in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		c.in.ReadString('\n')
		c.send("hello").read("POST").want(t, 204)
	})
	for name, x := range map[string]struct {
		raw    string
		status int
		code   string
	}{
		"too large": {fmt.Sprintf("%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", postA, testBodyMax+1), 413, "body_too_large"},
		"bad path":  {"POST /v1/stream/%zz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 400, "invalid_path"},
		"bad field": {postA + "Expect: 100-continue\r\nProducer-Id: x\r\nContent-Length: 5\r\n\r\n", 400, "incomplete_producer"},
		"unknown":   {postA + "Expect: something\r\nContent-Length: 5\r\n\r\n", 417, "expectation_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			f.dial().send(x.raw).read("POST").wantError(t, x.status, x.code)
		})
	}
	if got := f.content("a"); got != "hello" {
		t.Errorf("stored %q", got)
	}
}

// waitFor waits for a state of the server that nothing announces.
func waitFor(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !reached(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// A client that leaves in the middle of its body leaves nothing behind.
func TestLeavingClientsAppendNothing(t *testing.T) {
	f := start(t, silent)
	f.create("a", "", text)
	for range 20 {
		c := f.dial().send(postA + "Content-Length: 30000\r\n\r\n" + strings.Repeat("x", 20000))
		c.conn.(*net.TCPConn).SetLinger(0)
		c.conn.Close()
	}
	waitFor(t, "the connections to end", func() bool { return f.server.Connections() == 0 })
	if got := f.content("a"); got != "" {
		t.Errorf("stored %d bytes", len(got))
	}
}

// Without a type a body is not worth waiting for.
func TestBodiesWithoutATypeAreNotAwaited(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	const head = "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\n"
	const length, chunks = "Content-Length: 300000\r\n", "Transfer-Encoding: chunked\r\n"
	const ask, typed = "Expect: 100-continue\r\n", "Content-Type: nonsense\r\n"
	start := strings.Repeat("x", prefetchBytes)
	for name, raw := range map[string]string{
		"with a length":            head + length + "\r\n" + start,
		"in chunks":                head + chunks + "\r\n" + "10000\r\n" + start,
		"asking, with a length":    head + length + ask + "\r\n",
		"asking, with a few bytes": head + "Content-Length: 5\r\n" + ask + "\r\n",
		"asking, in chunks":        head + chunks + ask + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f.dial().send(raw).read("POST").wantError(t, 400, "content_type_required")
			raw = strings.Replace(raw, "Host: x\r\n", "Host: x\r\n"+typed, 1)
			f.dial().send(raw).read("POST").wantError(t, 400, "invalid_content_type")
		})
	}
	if got := f.content("a"); got != "" {
		t.Errorf("stored %d bytes", len(got))
	}
}
