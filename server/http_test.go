package server

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What fasthttp does with unusual requests when left alone, and what is done
// instead.

func TestOtherVersionsAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for version, status := range map[string]int{"HTTP/3.0": 505, "HTTP/2.0": 505, "HTTP/1.2": 505, "HTTP/0.9": 505, "HTTX/1.1": 400, "HTTP/1.10": 400} {
		c := f.dial().send("GET /v1/stream/a " + version + "\r\nHost: x\r\n\r\n")
		r := c.read("GET")
		if status == 505 {
			r.wantError(t, 505, "unsupported_version")
		} else {
			r.wantError(t, status, "bad_request")
		}
		c.wantClosed()
	}
}

func TestHTTP10IsServed(t *testing.T) {
	f := start(t)
	f.create("a", "hello", text)
	c := f.dial().send("GET /v1/stream/a HTTP/1.0\r\n\r\n")
	r := c.read("GET").want(t, 200).wantHeaders(t, "Content-Length: 5", "Transfer-Encoding:")
	if r.body != "hello" {
		t.Errorf("read %q", r.body)
	}
	c.wantClosed()
	c = f.dial()
	for range 2 {
		c.send("GET /v1/stream/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").read("GET").want(t, 200)
	}
	// HTTP/1.0 knows no expectations.
	c.send("POST /v1/stream/a HTTP/1.0\r\nExpect: anything\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx")
	c.read("POST").want(t, 204)
}

func TestMalformedRequestsGetTheEnvelope(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	post := "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
	for name, raw := range map[string]string{
		"no host":                       "GET /v1/stream/a HTTP/1.1\r\n\r\n",
		"two hosts":                     "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
		"no target":                     "GET\r\nHost: x\r\n\r\n",
		"space before the colon":        "GET /v1/stream/a HTTP/1.1\r\nHost : x\r\n\r\n",
		"NUL in a header":               "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"two lengths":                   post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"a list of lengths":             post + "Content-Length: 1, 1\r\n\r\nx",
		"a length with a sign":          post + "Content-Length: +1\r\n\r\nx",
		"a negative length":             post + "Content-Length: -1\r\n\r\nx",
		"two transfer encodings":        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"another transfer encoding":     post + "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"a transfer encoding with 1.0":  "POST /v1/stream/a HTTP/1.0\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"a NUL in the target":           "GET /v1/stream/a\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"a relative target":             "GET v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"a header without a colon":      "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
		"a method that is not a token":  "G(T /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"a client that speaks TLS here": "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial().send(raw)
			c.read("GET").wantError(t, 400, "bad_request").wantHeaders(t, "Connection: close")
			c.wantClosed()
		})
	}
	if got := f.content("a"); got != "" {
		t.Errorf("stored %q", got)
	}
}

func TestBothFramingsCloseTheConnection(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	c := f.dial().send("POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n")
	c.read("POST").want(t, 204)
	c.wantClosed()
}

func TestDuplicateHeadersAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for _, pair := range [][2]string{
		{"Content-Type: text/plain", "content-type: text/html"},
		{"Content-Type: text/plain", "CONTENT-TYPE: text/plain"},
		{"Stream-Seq: 1", "stream-seq: 2"},
		{"Stream-Closed: true", "Stream-Closed: true"},
		{"Stream-TTL: 1", "Stream-Ttl: 1"},
		{"Stream-Expires-At: x", "Stream-Expires-At: y"},
		{"Stream-Expected-Offset: x", "Stream-Expected-Offset: x"},
		{"Stream-Retention-Age: 1", "Stream-Retention-Age: 1"},
		{"Stream-Retention-Bytes: 1", "Stream-Retention-Bytes: 2"},
		{"Stream-Trim: now", "stream-trim: now"},
		{"Stream-Forked-From: /v1/stream/a", "Stream-Forked-From: /v1/stream/b"},
		{"Stream-Fork-Offset: x", "Stream-Fork-Offset: x"},
		{"Stream-Fork-Sub-Offset: 1", "Stream-Fork-Sub-Offset: 1"},
		{"Producer-Id: a", "Producer-Id: b"},
		{"Producer-Epoch: 1", "Producer-Epoch: 1"},
		{"Producer-Seq: 1", "producer-seq: 1"},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "GET", "DELETE"} {
			f.do(method, root+"a", "x", pair[0], pair[1]).wantError(t, 400, "duplicate_header")
		}
	}
	f.do("GET", root+"a", "", "If-None-Match: \"x\"", "If-None-Match: \"y\"", "Accept: a", "Accept: b").want(t, 200)
	if got := f.content("a"); got != "" {
		t.Errorf("stored %q", got)
	}
}

func TestFoldedHeadersAreRefused(t *testing.T) {
	f := start(t)
	for _, fold := range []string{" ", "\t", "  \t "} {
		f.dial().send("PUT /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain;\r\n"+fold+"charset=utf-8\r\nContent-Length: 0\r\n\r\n").
			read("PUT").wantError(t, 400, "folded_header")
	}
	f.do("GET", root+"a", "").want(t, 404)
}

func TestDuplicateParametersAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	for _, query := range []string{
		"offset=-1&offset=-1", "offset=-1&offset=now", "offset=-1&o%66fset=-1", "offset&offset=-1",
		"live=sse&live=sse&offset=-1", "cursor=1&cursor=2&offset=-1",
	} {
		f.do("GET", root+"a?"+query, "").wantError(t, 400, "duplicate_parameter")
	}
	f.do("GET", root+"a?x=1&x=2&offset=-1&&=&y&%zz=1&offset%zz=2", "").want(t, 200)
}

func TestOversizeHeadersAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.do("GET", root+"a", "", "X: "+strings.Repeat("x", headerBytesMax-1024)).want(t, 200)
	c := f.dial().send(f.request("GET", root+"a", "", "X: "+strings.Repeat("x", headerBytesMax)))
	c.read("GET").wantError(t, 431, "headers_too_large")
	c.wantClosed()
	f.do("GET", root+"a?"+strings.Repeat("x", 4*headerBytesMax), "").wantError(t, 431, "headers_too_large")
}

// TestManyFieldsAreRefused at once: what they take is not held until a body is there.
func TestManyFieldsAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	few, many := slices.Repeat([]string{"X:"}, headerFieldsMax-10), slices.Repeat([]string{"X:"}, headerFieldsMax)
	f.do("GET", root+"a", "", few...).want(t, 200)
	f.do("GET", root+"a", "", many...).wantError(t, 431, "headers_too_large")
	for _, length := range []string{"Content-Length: 1", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := f.dial().send("POST " + root + "a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + length + "\r\n" +
			strings.Join(many, "\r\n") + "\r\n\r\n")
		c.read("POST").wantError(t, 431, "headers_too_large")
		c.wantClosed()
	}
}

// TestWhatWasReadAheadIsLetGo when the connection goes on without it.
func TestWhatWasReadAheadIsLetGo(t *testing.T) {
	c := &conn{ahead: []byte("abc")}
	for _, want := range []string{"ab", "c"} {
		b := make([]byte, 2)
		if n, err := c.read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("%q, %v, want %q", b[:n], err, want)
		}
	}
	if c.ahead != nil {
		t.Errorf("%d bytes are held", cap(c.ahead))
	}
}

func TestSilentClientsAreTimedOut(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ReadTimeout = 50 * time.Millisecond })
	for name, raw := range map[string]string{
		"nothing":               "",
		"part of a line":        "GET /v1/str",
		"part of the headers":   "GET /v1/stream/a HTTP/1.1\r\nHost: x\r\n",
		"lines without CR":      "GET /v1/stream/a HTTP/1.1\nHost: x\n",
		"part of a small body":  "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhel",
		"part of a chunk":       "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"no chunk at all":       "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
		"part of a larger body": "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 10000),
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial().send(raw)
			c.read("GET").wantError(t, 408, "request_timeout")
			c.wantClosed()
		})
	}
	// An idle connection is closed without a word.
	idle := start(t, func(u *setup) { u.server.IdleTimeout = 20 * time.Millisecond })
	idle.create("a", "", text)
	c := idle.dial().send(idle.request("GET", root+"a", ""))
	c.read("GET").want(t, 200)
	c.wantClosed()
}

func TestUnknownMethodsAreRefused(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for _, method := range []string{"TRACE", "get", "LOCK"} {
		f.do(method, root+"a", "").wantError(t, 405, "method_not_allowed").wantHeaders(t, "Allow: "+methodsAllowed)
	}
	f.do("LOCK", "/", "").wantError(t, 404, "no_such_route")
}

// Bodies are opaque: a multipart type does not have them parsed.
func TestMultipartBodiesAreOpaque(t *testing.T) {
	f := start(t)
	ct := "Content-Type: multipart/form-data; boundary=xx"
	f.create("a", "", ct)
	f.append("a", "not multipart at all", ct)
	if got := f.content("a"); got != "not multipart at all" {
		t.Errorf("stored %q", got)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	var all strings.Builder
	for range 20 {
		all.WriteString(f.request("POST", root+"a", "x", text))
		all.WriteString(f.request("HEAD", root+"a", ""))
	}
	c := f.dial().send(all.String())
	for i := range 20 {
		want := token((i + 1) * 6)
		c.read("POST").want(t, 204).wantHeaders(t, "Stream-Next-Offset: "+want)
		c.read("HEAD").want(t, 200).wantHeaders(t, "Stream-Next-Offset: "+want)
	}
}

// A fault of ours is answered, counted, and does not end the process.
func TestPanicIsContained(t *testing.T) {
	f := start(t, silent)
	f.create("a", "", text)
	f.internalErrors = 1
	f.server.hooks.onWait = func(_ method, name string) {
		if name == "a" {
			panic("a test made this happen")
		}
	}
	c := f.dial().send(f.request("POST", root+"a", "x", text))
	c.read("POST").wantError(t, 500, "internal").wantHeaders(t, "Connection: close")
	c.wantClosed()
	f.create("b", "", text)
	f.do("GET", root+"a", "").want(t, 200)
}
