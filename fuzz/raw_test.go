package fuzz

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// A second opinion about where requests end. Requests that two parsers divide
// differently are how one client smuggles a request into the answers of
// another, when a proxy stands before us. net/http is the other parser: what
// both accept they must divide alike. What was stored shows where our bodies
// ended.

// heard is a request as net/http understands it.
type heard struct {
	method string
	name   string // of the stream, if it is plain to see
	header http.Header
	body   []byte
}

// hear lets net/http take a connection's input apart, up to the first thing
// that it refuses. clean reports that there was nothing, and all of the input
// was requests. next is the method of the request after the last, as far as
// the start of a line can tell.
func hear(in []byte) (all []heard, clean bool, next string) {
	src := bytes.NewReader(in)
	r := bufio.NewReader(src)
	for {
		at := len(in) - src.Len() - r.Buffered()
		next, _, _ = strings.Cut(string(bytes.TrimLeft(in[at:], "\r\n")), " ")
		req, err := http.ReadRequest(r)
		if err != nil {
			return all, err == io.EOF, next
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return all, false, next
		}
		q := heard{method: req.Method, header: req.Header, body: body}
		q.name = streamOf(req.RequestURI)
		all = append(all, q)
		if req.Close {
			return all, false, "" // whatever follows is no request
		}
	}
}

// streamOf is the stream that a target names, if it is plain to see.
func streamOf(target string) string {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && !strings.Contains(scheme, "/") {
		target = rest[max(0, strings.IndexByte(rest, '/')):]
	}
	target, _, _ = strings.Cut(target, "?")
	path, err := url.PathUnescape(target)
	if name, ok := strings.CutPrefix(path, streamURL("")); ok && err == nil {
		return name
	}
	return ""
}

// shelf is what streams have to hold by what was heard and answered.
type shelf map[string]*held

type held struct {
	bytes   []byte
	unknown bool // not plain bytes, or not only ours
}

// note takes down what an answered request has done.
func (s shelf) note(q heard, a answer) error {
	if q.name == "" || a.StatusCode >= 300 {
		return nil
	}
	switch q.method {
	case "PUT":
		if a.StatusCode != 201 {
			return nil
		}
		h := &held{bytes: q.body}
		for name := range q.header {
			if strings.HasPrefix(strings.ToLower(name), "stream-fork") || name == "Stream-Ttl" || name == "Stream-Expires-At" {
				h.unknown = true
			}
		}
		h.unknown = h.unknown || stream.IsJSON(a.Header.Get("Content-Type"))
		s[q.name] = h
	case "POST":
		h := s[q.name]
		if h == nil {
			return fmt.Errorf("appended to %q, which nobody created", q.name)
		}
		if a.StatusCode == 200 || a.Header.Get("Producer-Epoch") == "" {
			h.bytes = append(h.bytes, q.body...)
		}
	case "DELETE":
		if h := s[q.name]; h != nil {
			h.unknown = true // kept, maybe, for forks
		}
	}
	return nil
}

// check compares with what the streams hold.
func (s shelf) check(e *engine.Engine) error {
	for name, h := range s {
		if h.unknown {
			continue
		}
		res, t := e.Read(engine.ReadRequest{Path: name, BytesMax: 1 << 20})
		if err := t.Wait(); err != nil || t.Retry || t.Code != stream.OK {
			return fmt.Errorf("stream %q: %s, retry %t, %v", name, t.Code, t.Retry, err)
		}
		if got := bytes.Join(res.Parts, nil); !bytes.Equal(got, h.bytes) {
			return fmt.Errorf("stream %q holds %q, and net/http read %q", name, got, h.bytes)
		}
	}
	return nil
}

// sendRaw sends arbitrary bytes on one connection, in pieces of a size.
func sendRaw(t testing.TB, in []byte, piece int) (answered int) {
	h := openHouse(t, newClock())
	defer h.close(t)
	known := shelf{}
	for _, line := range []string{"a text/plain", "j application/json", "c text/plain"} {
		name, contentType, _ := strings.Cut(line, " ")
		header := []string{"Content-Type: " + contentType}
		if name == "c" {
			header = append(header, "Stream-Closed: true")
		}
		body := []byte("1")
		h.ask(t, "PUT", streamURL(name), header, body)
		known[name] = &held{bytes: body, unknown: name == "j"}
	}

	said := h.talk(t, in, piece)
	fatal := func(format string, args ...any) {
		t.Helper()
		t.Fatalf(format+"\nsent in pieces of %d: %q\nanswered: %q", append(args, piece, in, said)...)
	}
	out := bufio.NewReader(bytes.NewReader(said))
	requests, clean, next := hear(in)
	for ; ; answered++ {
		if _, err := out.Peek(1); err == io.EOF {
			break
		}
		if answered >= len(requests) {
			if clean {
				rest, _ := io.ReadAll(out)
				fatal("net/http reads %d requests, and there is another answer: %q", answered, rest)
			}
			// What the parsers disagree about is not to be compared, but the
			// first answer to it is still one.
			if a, err := readResponse(out, next); err == nil || a.Response != nil {
				if err != nil && next != "" {
					fatal("answer %d: %v", answered, err)
				}
				answered++
			}
			break
		}
		q := requests[answered]
		a, err := readResponse(out, q.method)
		for err == nil && a.StatusCode == 100 {
			a, err = readResponse(out, q.method)
		}
		if err != nil {
			fatal("answer %d, to %s %q: %v", answered, q.method, q.name, err)
		}
		if q.method == http.MethodHead && a.StatusCode >= 400 && a.Close {
			// What was not understood is answered with a body, HEAD or not.
			io.Copy(io.Discard, out)
		}
		if err := known.note(q, a); err != nil {
			fatal("answer %d: %v", answered, err)
		}
	}
	if clean || answered <= len(requests) {
		if err := known.check(h.engine); err != nil {
			fatal("%v", err)
		}
	}
	return answered
}

// rawRequests are whole connections, the tricks that are known among them.
var rawRequests = []string{
	"GET /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/stream/j?offset=-1&live=long-poll HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/stream/a?offset=now&live=sse HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/stream/c?offset=0&live=sse HTTP/1.0\r\n\r\n",
	"HEAD /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\nDELETE /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
	"PUT /v1/stream/n HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabcPOST /v1/stream/n HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nT: v\r\n\r\nGET /v1/stream/n HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nContent-Length: 4\r\n\r\n1GET",
	"POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"POST /v1/stream/a HTTP/1.1\nHost: x\nContent-Type: text/plain\nContent-Length: 2\n\nxy",
	"POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nxy",
	"POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 999999\r\n\r\nxy",
	"PUT /v1/stream/f HTTP/1.1\r\nHost: x\r\nStream-Forked-From: /v1/stream/j\r\nStream-Fork-Offset: 0000000000000000_0000000000000000\r\nStream-Fork-Sub-Offset: 1\r\n\r\n",
	"POST /v1/stream/j HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nProducer-Id: p\r\nProducer-Epoch: 0\r\nProducer-Seq: 0\r\nContent-Length: 5\r\n\r\n[1,2]",
	"GET http://x/v1/stream/a%20b/%2e HTTP/1.1\r\nHost: x\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
	"BREW /v1/stream/a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v1/stream/a HTTP/2.0\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "\x16\x03\x01",
}

// TestConnectionsOfArbitraryBytesAreAnswered sends the connections as they
// are, and with random changes.
func TestConnectionsOfArbitraryBytesAreAnswered(t *testing.T) {
	const changes = 25
	r := newRand(newSeed(t))
	answered := 0
	for _, raw := range rawRequests {
		answered += sendRaw(t, []byte(raw), 1<<20)
		for range changes {
			b := []byte(raw)
			for range 1 + r.IntN(3) {
				other := rawRequests[r.IntN(len(rawRequests))]
				at, from := r.IntN(len(b)+1), r.IntN(len(other))
				switch r.IntN(3) {
				case 0:
					b = append(b[:at:at], b[min(at+r.IntN(8), len(b)):]...)
				case 1:
					b = append(append(b[:at:at], other[from:min(from+r.IntN(40), len(other))]...), b[at:]...)
				default:
					if at < len(b) {
						b[at] = byte(r.Uint32())
					}
				}
			}
			answered += sendRaw(t, b, 1+r.IntN(64))
		}
	}
	t.Logf("%d answers to %d connections", answered, len(rawRequests)*(1+changes))
}

// FuzzHTTPRequest sends arbitrary bytes.
func FuzzHTTPRequest(f *testing.F) {
	for i, raw := range rawRequests {
		f.Add(uint8(i*13), []byte(raw))
	}
	f.Fuzz(func(t *testing.T, piece uint8, in []byte) { sendRaw(t, in, int(piece)) })
}
