package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var seedFlag = flag.Uint64("server.seed", 0, "seed of the random tests, 0 = by the clock")

// newRand is the randomness of a test; its seed is printed so that a failure
// can be run again.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-server.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// patience is how long a test waits for what must happen. It is no assertion
// about time, only the end of a test that hangs.
const patience = 20 * time.Second

// fixture is a running server on an engine in memory.
type fixture struct {
	t      testing.TB
	fs     *faultfs.FS
	clock  *movableClock
	engine *engine.Engine
	server *Server
	addr   string

	waits chan event // requests that began to wait for a ticket
	parks chan event // live readers that began to wait for news

	internalErrors int64 // expected
	broken         bool  // the log was made to fail
}

type event struct {
	method method
	name   string
}

// movableClock is the machine's clock, which a test can put ahead.
type movableClock struct {
	engine.SystemClock
	ahead atomic.Int64
}

func (c *movableClock) Now() (time.Time, time.Duration) {
	wall, mono := c.SystemClock.Now()
	d := time.Duration(c.ahead.Load())
	return wall.Add(d), mono + d
}

func (c *movableClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// testBodyMax is the body limit of tests.
const testBodyMax = 512 << 10

type setup struct {
	engine engine.Options
	server Options
}

// start runs a server until the test ends, and then demands that nothing is
// left open and that it had no fault of its own.
func start(t testing.TB, change ...func(*setup)) *fixture {
	t.Helper()
	f := &fixture{t: t, fs: faultfs.New(memfs.New()), waits: make(chan event, 1024), parks: make(chan event, 1024)}
	f.clock = &movableClock{SystemClock: engine.NewSystemClock()}
	var u setup
	u.engine = engine.Options{FS: f.fs, Dir: "store", LogFileBytes: 4 << 20, BodyBytesMax: testBodyMax + 1, Clock: f.clock}
	u.server = Options{BodyBytesMax: testBodyMax}
	for _, c := range change {
		c(&u)
	}
	var err error
	if f.engine, err = engine.Open(u.engine); err != nil {
		t.Fatal(err)
	}
	if f.server, err = New(f.engine, u.server); err != nil {
		t.Fatal(err)
	}
	f.server.hooks.onWait = func(m method, name string) { offer(f.waits, event{m, strings.Clone(name)}) }
	f.server.hooks.onPark = func(m method, name string) { offer(f.parks, event{m, strings.Clone(name)}) }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(ln) }()
	t.Cleanup(func() {
		if err := f.shutdown(); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := f.engine.Close(); err != nil && !f.broken {
			t.Errorf("close: %v", err)
		}
		if n := f.server.InternalErrors(); n != f.internalErrors {
			t.Errorf("%d internal errors, want %d", n, f.internalErrors)
		}
		if n := f.server.Connections(); n != 0 {
			t.Errorf("%d connections are open after the end", n)
		}
		if n := f.server.LiveReaders(); n != 0 {
			t.Errorf("%d live readers after the end", n)
		}
		if n := f.server.bodies.used.Load(); n != 0 {
			t.Errorf("%d bytes of the body budget are taken after the end", n)
		}
	})
	return f
}

func offer(c chan event, e event) {
	select {
	case c <- e:
	default:
	}
}

func (f *fixture) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.server.Shutdown(ctx)
}

// silent drops the log of tests that provoke what is logged.
func silent(u *setup) { u.server.Logger = slog.New(slog.DiscardHandler) }

// await receives from c.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// client is a connection to the server, on which requests are written by hand.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (f *fixture) dial() *client {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t: f.t, conn: c, in: bufio.NewReader(c)}
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return c
}

// response is a response that was read to its end.
type response struct {
	*http.Response
	body string
}

// read reads the response to a request of that method.
func (c *client) read(method string) *response {
	c.t.Helper()
	r, err := c.tryRead(method)
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	return r
}

func (c *client) tryRead(method string) (*response, error) {
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", r.Status, err)
	}
	return &response{r, string(body)}, nil
}

// wantClosed demands that the server closes the connection without another
// byte.
func (c *client) wantClosed() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); err == nil {
		rest, _ := io.ReadAll(c.in)
		c.t.Fatalf("the connection goes on with %q", string(b)+string(rest))
	} else if isTimeout(err) {
		c.t.Fatal("the connection stays open")
	}
}

// request is the text of a request. Headers are given as "Name: value" lines.
func (f *fixture) request(method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, f.addr)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" || method == "POST" || method == "PUT" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// do sends a request on a connection of its own and reads the response.
func (f *fixture) do(method, target, body string, headers ...string) *response {
	f.t.Helper()
	c := f.dial()
	defer c.conn.Close()
	return c.send(f.request(method, target, body, headers...)).read(method)
}

const root = "/v1/stream/"

var (
	text   = "Content-Type: text/plain"
	jsonCT = "Content-Type: application/json"
	binary = "Content-Type: application/octet-stream"
)

// create makes a stream.
func (f *fixture) create(name, body string, headers ...string) *response {
	f.t.Helper()
	return f.do("PUT", root+name, body, headers...).want(f.t, 201)
}

// append appends to a stream.
func (f *fixture) append(name, body string, headers ...string) *response {
	f.t.Helper()
	return f.do("POST", root+name, body, headers...).want(f.t, 204)
}

// want demands a status.
func (r *response) want(t testing.TB, status int) *response {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d\n%v\n%s", r.StatusCode, status, r.Header, r.body)
	}
	return r
}

// wantHeaders demands headers, given as "Name: value"; an empty value means
// that there is none.
func (r *response) wantHeaders(t testing.TB, headers ...string) *response {
	t.Helper()
	for _, h := range headers {
		if h == "Connection: close" {
			if !r.Close { // package http takes the header away
				t.Errorf("the response does not say that the connection closes")
			}
			continue
		}
		name, want, _ := strings.Cut(h, ":")
		if got := strings.Join(r.Header.Values(name), "|"); got != strings.TrimSpace(want) {
			t.Errorf("%s is %q, want %q", name, got, strings.TrimSpace(want))
		}
	}
	return r
}

// wantError demands a refusal in the one form that all have.
func (r *response) wantError(t testing.TB, status int, code string) *response {
	t.Helper()
	r.want(t, status)
	var envelope struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&envelope); err != nil {
		t.Fatalf("error body %q: %v", r.body, err)
	}
	if envelope.Error.Code != code {
		t.Fatalf("error code %q, want %q", envelope.Error.Code, code)
	}
	if envelope.Error.Message == "" {
		t.Errorf("error %s has no message", code)
	}
	return r.wantHeaders(t, "Content-Type: application/json", "Cache-Control: no-store", "X-Content-Type-Options: nosniff")
}

// body reads all of a stream, to see what is stored.
func (f *fixture) content(name string) string {
	f.t.Helper()
	var all bytes.Buffer
	offset := "-1"
	for {
		r := f.do("GET", root+name+"?offset="+offset, "").want(f.t, 200)
		all.WriteString(r.body)
		if r.Header.Get("Stream-Up-To-Date") == "true" {
			return all.String()
		}
		offset = r.Header.Get("Stream-Next-Offset")
	}
}

// token is the offset token of a position.
func token(n int) string { return fmt.Sprintf("%016d_%016d", 0, n) }

// bareExchange is an exchange without a connection.
func bareExchange(s *Server) (*exchange, *fasthttp.Response) {
	var resp fasthttp.Response
	return s.newExchange(&fasthttp.Request{}, &resp, connInfo{}), &resp
}

// errNoSpace is what a full disk says.
func errNoSpace() error { return fmt.Errorf("a test: %w", vfs.ErrNoSpace) }
