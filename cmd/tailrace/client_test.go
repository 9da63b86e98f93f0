package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestLifeOfAStreamFromTheCommandLine goes through all commands, over TCP and a
// socket.
func TestLifeOfAStreamFromTheCommandLine(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		x := newShell(t, serveStore(t, network))
		if got := x.ok("", "create", "acme/a", "--content-type", "text/plain", "--ttl", "1h", "--keep-age", "24h", "--keep-bytes", "1MiB"); !strings.HasPrefix(got, "created acme/a, text/plain, next offset ") {
			t.Errorf("create prints %q", got)
		}
		if got := x.ok("", "create", "acme/a", "--content-type", "text/plain", "--ttl", "1h", "--keep-age", "24h", "--keep-bytes", "1MiB"); !strings.HasPrefix(got, "exists acme/a") {
			t.Errorf("create prints %q", got)
		}
		if got := x.ok("hello\nworld", "append", "acme/a"); !strings.HasPrefix(got, "appended 11 bytes in 1 appends, next offset ") {
			t.Errorf("append prints %q", got)
		}
		if got := x.ok("", "read", "acme/a"); got != "hello\nworld" {
			t.Errorf("read prints %q", got)
		}
		if got := x.ok("", "head", "acme/a"); !strings.Contains(got, "ttl              3600 s\n") || !strings.Contains(got, "closed           false\n") {
			t.Errorf("head prints %q", got)
		}
		if got := x.ok("", "create", "acme/fork", "--from", "acme/a"); !strings.Contains(got, "text/plain") {
			t.Errorf("create prints %q", got)
		}
		if got := x.ok("", "close", "acme/a"); !strings.HasPrefix(got, "closed acme/a, at offset ") {
			t.Errorf("close prints %q", got)
		}
		x.fails(exitFailed, "tailrace: stream_closed: ", "more", "append", "acme/a")
		if got := x.ok("", "tail", "acme/a", "--from", "start"); got != "hello\nworld" {
			t.Errorf("tail prints %q", got)
		}
		x.ok("", "delete", "acme/fork")
		if got := x.ok("", "delete", "acme/a"); got != "deleted acme/a\n" {
			t.Errorf("delete prints %q", got)
		}
		for _, args := range [][]string{{"head", "acme/a"}, {"read", "acme/a"}, {"tail", "acme/a"}, {"append", "acme/a"}, {"close", "acme/a"}, {"delete", "acme/a"}} {
			x.fails(exitNotFound, "tailrace: not_found: ", "x", args...)
		}
	}
}

// TestURLsNameStreams on any server, whatever the environment says.
func TestURLsNameStreams(t *testing.T) {
	url := serveStore(t, "tcp")
	x := newShell(t, "http://127.0.0.1:1")
	x.ok("", "create", url+"/v1/stream/a%20b")
	x.ok("x", "append", url+"/v1/stream/a%20b")
	if got := x.ok("", "read", "a b", "--server", url); got != "x" {
		t.Errorf("read prints %q", got)
	}
	x.fails(exitFailed, "refused", "", "head", "a b", "--retry-for", "0")
}

func TestJSONOfCommands(t *testing.T) {
	x := newShell(t, serveStore(t, "tcp"))
	for _, c := range []struct {
		want, input string
		args        []string
	}{
		{`{"name":"a","created":true,"content_type":"application/json","next_offset":"*"}`, "", []string{"create", "a", "--content-type", "application/json"}},
		{`{"name":"a","bytes":7,"records":2,"appends":1,"next_offset":"*","producer":"p","epoch":3,"next_seq":1,"interrupted":false}`, "1\n\n [2]\n", []string{"append", "a", "--producer", "p", "--epoch", "3"}},
		{`{"next_offset":"*","values":[1,[2]]}`, "", []string{"read", "a"}},
		{`{"content_type":"application/json","next_offset":"*","closed":false}`, "", []string{"head", "a"}},
		{`{"closed":true,"name":"a","next_offset":"*"}`, "", []string{"close", "a"}},
		{`{"deleted":true,"name":"a"}`, "", []string{"delete", "a"}},
	} {
		got := x.ok(c.input, append(c.args, "--json")...)
		before, after, _ := strings.Cut(c.want, "*")
		if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after+"\n") || strings.Count(got, "\n") != 1 || !json.Valid([]byte(got)) {
			t.Errorf("%v prints %s, want %s", c.args, got, c.want)
		}
	}
	code, _, stderr := x.try("", "head", "a", "--json")
	refused := regexp.MustCompile(`^{"error":{"code":"not_found","message":"Not Found","request_id":"[0-9a-f]{16}","status":404}}\n$`)
	if code != exitNotFound || !refused.MatchString(stderr) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	x.ok("", "create", "b")
	x.ok("\x00\xff", "append", "b")
	if got := x.ok("", "read", "b", "--json"); !strings.Contains(got, `"base64":"AP8="`) {
		t.Errorf("read prints %s", got)
	}
}

// TestLinesAreAppendedOnceThroughCuts has half of all requests fail: the answer is
// lost, the request is, or the server has no time.
func TestLinesAreAppendedOnceThroughCuts(t *testing.T) {
	url := serveStore(t, "tcp")
	direct := newShell(t, url)
	var n atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := n.Add(1) % 4
		switch fault {
		case 0:
			io.CopyN(io.Discard, r.Body, 10)
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, url+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		out.Header = r.Header
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		if fault == 2 {
			io.CopyN(w, answer.Body, 1000)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.Copy(w, answer.Body)
	}))
	t.Cleanup(front.Close)
	faulty := newShell(t, front.URL)
	for _, kind := range []string{"text/plain", "application/json", "application/octet-stream"} {
		direct.ok("", "create", kind, "--content-type", kind)
		var input strings.Builder
		for i := range 3000 {
			if kind == "application/json" {
				json.NewEncoder(&input).Encode(map[string]any{"n": i})
				continue
			}
			input.WriteString(strings.Repeat("line ", i%50) + "\r\n")
		}
		faulty.ok(input.String(), "append", kind, "--lines", "--chunk", "4KiB")
		if got := faulty.ok("", "read", kind); got != input.String() {
			t.Errorf("%s: %d bytes, want %d", kind, len(got), input.Len())
		}
	}
}

// TestLinesComeAsTheyAre: each line is appended when it is there, without waiting
// for the next.
func TestLinesComeAsTheyAre(t *testing.T) {
	x := newShell(t, serveStore(t, "tcp"))
	x.ok("", "create", "a", "--content-type", "text/plain")
	in, w := io.Pipe()
	code := make(chan int, 1)
	var out, errs bytes.Buffer
	go func() { code <- x.start(in, &out, &errs, "append", "a", "--lines") }()
	io.WriteString(w, "one\ntw")
	lines, pw := io.Pipe()
	y := newShell(t, x.server)
	go y.start(strings.NewReader(""), pw, io.Discard, "tail", "a", "--from", "start")
	got := make([]byte, 4)
	if _, err := io.ReadFull(lines, got); err != nil || string(got) != "one\n" {
		t.Fatalf("%q, %v", got, err)
	}
	// An interrupt ends the input: half a line is none.
	x.signals <- os.Interrupt
	if c := <-code; c != exitFailed || !strings.Contains(errs.String(), "acknowledged 1 lines, 4 bytes in 1 appends, next offset ") || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit code %d, %s", c, errs.String())
	}
	w.Close()
	if got := x.ok("", "read", "a"); got != "one\n" {
		t.Errorf("read prints %q", got)
	}
	y.signals <- os.Interrupt
}

// TestInterruptedTailIsNoFailure, and tells where to go on.
func TestInterruptedTailIsNoFailure(t *testing.T) {
	for _, live := range []string{"sse", "long-poll"} {
		x := newShell(t, serveStore(t, "tcp"))
		x.ok("", "create", "a", "--content-type", "application/json")
		x.ok("1\n2\n", "append", "a")
		out, w := io.Pipe()
		var errs bytes.Buffer
		code := make(chan int, 1)
		go func() { code <- x.start(nil, w, &errs, "tail", "a", "--from", "start", "--offsets", "--live", live) }()
		got := make([]byte, 4)
		if _, err := io.ReadFull(out, got); err != nil || string(got) != "1\n2\n" {
			t.Fatalf("%q, %v", got, err)
		}
		x.signals <- syscall.SIGTERM
		if c := <-code; c != exitOK {
			t.Errorf("exit code %d: %s", c, errs.String())
		}
		y := newShell(t, x.server)
		y.ok("3\n", "append", "a")
		if got := y.ok("", "read", "a", "--from", strings.TrimSpace(errs.String())); got != "3\n" {
			t.Errorf("from %q: %q", errs.String(), got)
		}
	}
}

func TestReadToEndWaitsForTheEnd(t *testing.T) {
	x := newShell(t, serveStore(t, "tcp"))
	x.ok("", "create", "a")
	x.ok("one,", "append", "a")
	out, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- x.start(nil, w, io.Discard, "read", "a", "--to-end")
		w.Close()
	}()
	got := make([]byte, 4)
	if _, err := io.ReadFull(out, got); err != nil {
		t.Fatal(err)
	}
	x.ok("two", "append", "a")
	x.ok("", "close", "a")
	rest, err := io.ReadAll(out)
	if err != nil || string(got)+string(rest) != "one,two" || <-code != exitOK {
		t.Errorf("%q %q, %v", got, rest, err)
	}
}

func TestRawIsWhatTheServerSends(t *testing.T) {
	x := newShell(t, serveStore(t, "tcp"))
	x.ok("", "create", "a", "--content-type", "application/json")
	x.ok("{\"a\": 1}\n2\n", "append", "a")
	if got := x.ok("", "read", "a", "--raw"); got != `[{"a": 1},2]` {
		t.Errorf("read prints %q", got)
	}
	if got := x.ok("", "read", "a"); got != "{\"a\":1}\n2\n" {
		t.Errorf("read prints %q", got)
	}
	x.fails(exitFailed, "line 3 is no JSON value", "3\n\n{\n4\n", "append", "a")
	x.fails(exitFailed, "line 1 is no JSON value", "\"\xff\"\n", "append", "a")
	if got := x.ok("", "read", "a"); got != "{\"a\":1}\n2\n3\n" {
		t.Errorf("what comes before the mistake is appended: %q", got)
	}
}

// TestSameProducerAppendsNothingTwice, although the first run broke off.
func TestSameProducerAppendsNothingTwice(t *testing.T) {
	x := newShell(t, serveStore(t, "tcp"))
	input := strings.Repeat("a line\n", 1000)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(input), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{{}, {"--lines"}} {
		name := "a" + strings.Join(more, "")
		x.ok("", "create", name, "--content-type", "text/plain")
		args := append([]string{"append", name, "--producer", "nightly"}, more...)
		x.ok(input[:3*98], append(args, "--chunk", "98")...)
		for range 2 {
			x.ok("", append(args, "--chunk", "98", "-f", file)...)
		}
		if got := x.ok("", "read", name); got != input {
			t.Errorf("%v: %d bytes, want %d", more, len(got), len(input))
		}
	}
	x.fails(exitFailed, "stale_epoch", "x", func() []string {
		x.ok("x", "append", "a", "--producer", "nightly", "--epoch", "2")
		return []string{"append", "a", "--producer", "nightly", "--epoch", "1"}
	}()...)
}

// TestMuchInputTakesLittleMemory appends 64 MiB to a server that keeps nothing.
func TestMuchInputTakesLittleMemory(t *testing.T) {
	var got atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Stream-Next-Offset", "1")
		n, _ := io.Copy(io.Discard, r.Body)
		got.Add(n)
	}))
	t.Cleanup(front.Close)
	x := newShell(t, front.URL)
	for _, more := range [][]string{{}, {"--lines"}} {
		got.Store(0)
		const total = 64 << 20
		in := &measured{in: io.LimitReader(&noise{r: rand.New(rand.NewPCG(1, 2))}, total)}
		runtime.GC()
		runtime.ReadMemStats(&in.stats)
		in.before = in.stats.HeapAlloc
		if code := x.start(in, io.Discard, os.Stderr, append([]string{"append", "a"}, more...)...); code != exitOK {
			t.Fatalf("exit code %d", code)
		}
		if got.Load() != total {
			t.Errorf("%v: the server got %d bytes", more, got.Load())
		}
		t.Logf("%v: the heap grew by %d bytes at most", more, in.most)
		// Four appends of 1 MiB under way, one that is read, and garbage.
		if in.most > 24<<20 {
			t.Errorf("%v: the heap grew by %d bytes", more, in.most)
		}
	}
}

// noise is random text in lines.
type noise struct{ r *rand.Rand }

func (n *noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = base64Alphabet[n.r.Uint32N(64)]
	}
	p[len(p)-1] = '\n'
	return len(p), nil
}

var base64Alphabet = func() string {
	var raw [48]byte
	for i := range raw {
		raw[i] = byte(i * 5)
	}
	return base64.StdEncoding.EncodeToString(raw[:])
}()

// measured looks at the heap as its bytes are read.
type measured struct {
	in     io.Reader
	stats  runtime.MemStats
	read   int
	before uint64
	most   int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	if m.read += n; m.read > 4<<20 {
		m.read = 0
		runtime.ReadMemStats(&m.stats)
		m.most = max(m.most, int64(m.stats.HeapAlloc)-int64(m.before))
	}
	return n, err
}

// TestTroubleThatLastsIsTold once, while it goes on.
func TestTroubleThatLastsIsTold(t *testing.T) {
	var n atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 6 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(503)
			io.WriteString(w, `{"error":{"code":"overloaded","message":"later"}}`)
			return
		}
		w.Header().Set("Stream-Next-Offset", "1")
	}))
	t.Cleanup(front.Close)
	code, _, stderr := newShell(t, front.URL).try("", "head", "a", "--retry-for", "1m")
	if code != exitOK || stderr != "tailrace: 503 Service Unavailable; trying again for up to 1m0s\n" {
		t.Errorf("exit code %d: %q", code, stderr)
	}
}

func TestCredentialsAreSent(t *testing.T) {
	got := make(chan string, 1)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		w.Header().Set("Stream-Next-Offset", "1")
	}))
	t.Cleanup(front.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newShell(t, front.URL, tokenVariable+"=from-variable")
	x.ok("", "head", "a")
	if h := <-got; h != "Bearer from-variable" {
		t.Errorf("sent %q", h)
	}
	x.ok("", "head", "a", "--token-file", file)
	if h := <-got; h != "Bearer from-file" {
		t.Errorf("sent %q", h)
	}
}
