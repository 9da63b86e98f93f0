package fuzz

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"tailrace/internal/model"
	"tailrace/internal/stream"
)

// httpTarget is a server that is asked over HTTP. Every request comes on a
// connection of its own.
type httpTarget struct {
	w *world
	h *house
}

// httpTTLs has no 0: what is due at once may be gone by itself before the next
// request, or not.
var httpTTLs = []int64{-1, -1, -1, -1, -1, 20, 20, 5, 2, 1, 1<<53 - 1}

// httpAges has none that is over in a run: the server looks for what is too old at
// times of its own.
var httpAges = []int64{1 << 40, 1<<53 - 1}

func newHTTPWorld(t testing.TB, codes map[model.Code]int) (*world, *house) {
	w := &world{t: t, clock: newClock(), model: model.New(), memory: newMemory(), codes: codes, http: true}
	h := openHouse(t, w.clock)
	w.target = &httpTarget{w: w, h: h}
	return w, h
}

// fitsHTTP reports whether a create can be said in headers.
func fitsHTTP(r model.CreateRequest) bool {
	return r.From != "" && (r.Sub == 0 || r.FromOffset != absent) || r.From == "" && r.Sub == 0 && r.FromOffset == absent
}

// passed expires what is due on both sides. The server looks for such streams
// now and then by itself, so it must not matter whether it did.
func (g *httpTarget) passed() {
	for range 2 {
		for _, path := range somePaths {
			for {
				_, t := g.h.engine.Head(path)
				if err := t.Wait(); err != nil {
					g.w.fail("wait: %v", err)
				}
				if !t.Retry {
					break
				}
			}
		}
	}
	g.w.model.Sweep(g.w.now())
}

func token(at int64) string {
	if at == pastAll {
		return "0000000000000001_0000000000000000"
	}
	return stream.Offset(at).String()
}

func (g *httpTarget) create(r model.CreateRequest) model.Result {
	var h []string
	set := func(name, value string) { h = append(h, name+": "+value) }
	if r.ContentType != "" {
		set("Content-Type", r.ContentType)
	}
	if r.TTL >= 0 {
		set("Stream-TTL", strconv.FormatInt(r.TTL, 10))
	}
	if r.ExpiresAt != 0 {
		set("Stream-Expires-At", expiresText(r.ExpiresAt))
	}
	if r.KeepAge != 0 {
		set("Stream-Retention-Age", strconv.FormatInt(r.KeepAge, 10))
	}
	if r.KeepBytes != 0 {
		set("Stream-Retention-Bytes", strconv.FormatInt(r.KeepBytes, 10))
	}
	if r.Closed {
		set("Stream-Closed", "true")
	}
	if r.From != "" {
		set("Stream-Forked-From", streamURL(r.From))
		if r.FromOffset != absent {
			set("Stream-Fork-Offset", token(r.FromOffset))
		}
		if r.Sub != 0 {
			set("Stream-Fork-Sub-Offset", strconv.FormatUint(r.Sub, 10))
		}
	}
	a := g.h.ask(g.w.t, "PUT", streamURL(r.Path), h, r.Body)
	switch a.StatusCode {
	case 201:
		if location := a.Header.Get("Location"); location != "http://fuzz"+streamURL(r.Path) {
			g.w.fail("created at %q", location)
		}
		return g.result(a, model.Created)
	case 200:
		return g.result(a, model.Exists)
	}
	return g.result(a, "")
}

func (g *httpTarget) append(r model.AppendRequest) model.Result {
	var h []string
	set := func(name, value string) { h = append(h, name+": "+value) }
	if len(r.Body) > 0 {
		set("Content-Type", r.ContentType)
	}
	if r.Close {
		set("Stream-Closed", "true")
	}
	if r.Producer != nil {
		set("Producer-Id", r.Producer.ID)
		set("Producer-Epoch", strconv.FormatInt(r.Producer.Epoch, 10))
		set("Producer-Seq", strconv.FormatInt(r.Producer.Seq, 10))
	}
	if r.HasSeq {
		set("Stream-Seq", r.Seq)
	}
	if r.Expected != absent {
		set("Stream-Expected-Offset", token(r.Expected))
	}
	a := g.h.ask(g.w.t, "POST", streamURL(r.Path), h, r.Body)
	switch {
	case a.StatusCode == 200 && r.Producer != nil:
		return g.result(a, model.Appended)
	case a.StatusCode == 204 && r.Producer != nil:
		return g.result(a, model.Duplicate) // or closed: world.compare knows
	case a.StatusCode == 204 && len(r.Body) > 0:
		return g.result(a, model.Appended)
	case a.StatusCode == 204:
		return g.result(a, model.Closed)
	}
	return g.result(a, "")
}

func (g *httpTarget) change(r model.ChangeRequest) model.Result {
	var h []string
	set := func(name string, value, none int64, text string) {
		if value == none {
			text = "none"
		}
		if value >= none {
			h = append(h, name+": "+text)
		}
	}
	set("Stream-Retention-Age", r.KeepAge, 0, strconv.FormatInt(r.KeepAge, 10))
	set("Stream-Retention-Bytes", r.KeepBytes, 0, strconv.FormatInt(r.KeepBytes, 10))
	set("Stream-TTL", r.TTL, -1, strconv.FormatInt(r.TTL, 10))
	set("Stream-Expires-At", r.ExpiresAt, 0, expiresText(r.ExpiresAt))
	switch {
	case r.Now:
		h = append(h, "Stream-Trim: now")
	case r.Trim >= 0:
		h = append(h, "Stream-Trim: "+token(r.Trim))
	}
	a := g.h.ask(g.w.t, "PATCH", streamURL(r.Path), h, nil)
	if a.StatusCode == 204 {
		answer := g.result(a, model.Changed)
		answer.Start = g.start(a)
		return answer
	}
	answer := g.result(a, "")
	if answer.Code == model.TrimBeyondTail {
		answer.Tail = -1 // which the model leaves to the reader
	}
	return answer
}

func (g *httpTarget) delete(path string) model.Result {
	a := g.h.ask(g.w.t, "DELETE", streamURL(path), nil, nil)
	if a.StatusCode == 204 {
		return g.result(a, model.Deleted)
	}
	return g.result(a, "")
}

func (g *httpTarget) head(path string) model.Result {
	a := g.h.ask(g.w.t, "HEAD", streamURL(path), nil, nil)
	switch a.StatusCode {
	case 404:
		return g.result(a, model.NotFound)
	case 410:
		return g.result(a, model.Gone)
	case 200:
	default:
		g.w.fail("HEAD is answered with %d", a.StatusCode)
	}
	r := g.result(a, model.OK)
	r.ContentType = a.Header.Get("Content-Type")
	if v := g.number(a, "Stream-Ttl"); v >= 0 {
		r.TTL = v
	}
	r.KeepAge, r.KeepBytes = max(0, g.number(a, "Stream-Retention-Age")), max(0, g.number(a, "Stream-Retention-Bytes"))
	r.Start = g.start(a)
	if text := a.Header.Get("Stream-Expires-At"); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			g.w.fail("expires at %q", text)
		}
		r.ExpiresAt = at.UnixMilli()
	}
	return r
}

func (g *httpTarget) read(path string, from int64, _ int) readAnswer {
	query := "?offset=-1"
	if from != earliest {
		query = "?offset=" + token(from)
	}
	a := g.h.ask(g.w.t, "GET", streamURL(path)+query, nil, nil)
	r := readAnswer{ReadResult: model.ReadResult{Code: model.OK}, joined: true, body: a.body}
	r.Start = g.start(a)
	if a.StatusCode != 200 {
		r.Code = model.Code(a.code)
		return r
	}
	r.ContentType = a.Header.Get("Content-Type")
	r.Next, r.UpToDate, r.Closed = g.offset(a), a.has("Stream-Up-To-Date"), a.has("Stream-Closed")

	// Who has it already is told just that.
	tag := a.Header.Get("Etag")
	b := g.h.ask(g.w.t, "GET", streamURL(path)+query, []string{`If-None-Match: "x", W/` + tag}, nil)
	if b.StatusCode != 304 || len(b.body) > 0 || b.Header.Get("Etag") != tag || g.offset(b) != r.Next {
		g.w.fail("a read with the tag %s is answered with %d, next %d, tag %s", tag, b.StatusCode, g.offset(b), b.Header.Get("Etag"))
	}
	return r
}

// result reads the headers that a Result is about. code is that of a success.
func (g *httpTarget) result(a answer, code model.Code) model.Result {
	if code == "" {
		if a.StatusCode < 400 {
			g.w.fail("unexpected status %d", a.StatusCode)
		}
		code = model.Code(a.code)
	}
	r := rejection(code)
	r.Tail = g.offset(a)
	r.Closed = a.has("Stream-Closed")
	r.Epoch, r.Seq = g.number(a, "Producer-Epoch"), g.number(a, "Producer-Seq")
	r.ExpectedSeq, r.ReceivedSeq = g.number(a, "Producer-Expected-Seq"), g.number(a, "Producer-Received-Seq")
	if code == model.Created || code == model.Exists {
		r.ContentType = a.Header.Get("Content-Type")
	}
	return r
}

// number is a header's, or -1.
func (g *httpTarget) number(a answer, name string) int64 {
	text := a.Header.Get(name)
	if text == "" {
		return -1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		g.w.fail("%s is %q", name, text)
	}
	return n
}

// start is where the answer says that the stream begins.
func (g *httpTarget) start(a answer) int64 { return max(0, g.place(a, "Stream-Earliest-Offset")) }

func (g *httpTarget) offset(a answer) int64 { return g.place(a, "Stream-Next-Offset") }

// place is the offset in a header, or -1.
func (g *httpTarget) place(a answer, name string) int64 {
	text := a.Header.Get(name)
	if text == "" {
		return -1
	}
	o, err := stream.ParseOffset([]byte(text))
	if err != nil || o == stream.OffsetMax {
		g.w.fail("%s is %q", name, text)
	}
	return int64(o)
}

// render is the body of a read, as the model's appends make it.
func render(r model.ReadResult) []byte {
	all := bytes.Join(r.Appends, nil)
	if !stream.IsJSON(r.ContentType) {
		return all
	}
	return fmt.Appendf(nil, "[%s]", bytes.TrimSuffix(all, []byte(",")))
}

func runHTTP(t testing.TB, data []byte, codes map[model.Code]int) {
	w, h := newHTTPWorld(t, codes)
	w.run(data)
	h.close(t)
}

// TestServerDoesWhatTheModelDoes sends random requests to both.
func TestServerDoesWhatTheModelDoes(t *testing.T) {
	runMany(t, 100, func(data []byte, seen map[model.Code]int) { runHTTP(t, data, seen) })
}

// FuzzHTTPModel is the same under the fuzzer.
func FuzzHTTPModel(f *testing.F) {
	r := newRand(1)
	for range 8 {
		f.Add(randomBytes(r, 300))
	}
	f.Fuzz(func(t *testing.T, data []byte) { runHTTP(t, data, map[model.Code]int{}) })
}
