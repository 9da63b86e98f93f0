package admin

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// served is an interface on a listener, until the test ends.
func served(t *testing.T, a *API, network, address string) (addr string, stop func() error) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

// raw sends bytes on a connection of their own and reads all that comes back.
func raw(t *testing.T, network, addr, request string) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func get(host, path string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
}

// On loopback, a name other than localhost is one that somebody made lead here.
func TestForeignNamesAreRefusedOnLoopback(t *testing.T) {
	hosts := func(names ...string) func(*Options) { return func(o *Options) { o.Hosts = names } }
	plain, _ := served(t, start(t, newFakeStore()), "tcp", "127.0.0.1:0")
	named, _ := served(t, start(t, newFakeStore(), hosts("admin.example")), "tcp", "127.0.0.1:0")
	anything, _ := served(t, start(t, newFakeStore(), hosts("*")), "tcp", "127.0.0.1:0")
	for _, c := range []struct {
		host                   string
		plain, named, anything bool
	}{
		{"localhost", true, true, true}, {"localhost:4438", true, true, true}, {"LOCALHOST.", true, true, true}, {"127.0.0.1:80", true, true, true},
		{"[::1]:80", true, true, true}, {"[::1]", true, true, true}, {"10.1.2.3", true, true, true},
		{"evil.example", false, false, true}, {"evil.example:4438", false, false, true}, {"localhost.evil.example", false, false, true},
		{"127.0.0.1.evil.example", false, false, true}, {"Admin.example:1", false, true, true}, {"x.admin.example", false, false, true},
	} {
		for addr, want := range map[string]bool{plain: c.plain, named: c.named, anything: c.anything} {
			got := raw(t, "tcp", addr, get(c.host, "/health/live"))
			if refused := strings.Contains(got, `"unknown_host"`); refused == want || strings.HasPrefix(got, "HTTP/1.1 200") != want {
				t.Errorf("host %s: served: %t, want %t: %s", c.host, !refused, want, got)
			}
		}
	}
}

func TestAnyNameIsKnownElsewhere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "s")
	served(t, start(t, newFakeStore()), "unix", name)
	if got := raw(t, "unix", name, get("evil.example", "/health/live")); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Error(got)
	}
	a := start(t, newFakeStore())
	at := func(addr net.Addr) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = "tailrace.internal"
			*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
		}
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Handler().ServeHTTP(w, r) })
	for ip, status := range map[string]int{"10.0.0.1": 200, "::1": 403, "127.1.2.3": 403, "fd00::1": 200} {
		ask(t, keepContext(h, at(&net.TCPAddr{IP: net.ParseIP(ip)})), "GET", "/health/live").want(t, status)
	}
	// A name is of no interest for those who brought credentials.
	ask(t, start(t, newFakeStore()).ProjectHandler("acme"), "GET", "/v1/admin/projects/acme", func(r *http.Request) { r.Host = "evil.example" }).want(t, 200)
}

// keepContext changes a request when it arrives.
func keepContext(h http.Handler, change func(*http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change(r)
		h.ServeHTTP(w, r)
	})
}

func TestServeAnswersAndEnds(t *testing.T) {
	store := newFakeStore("acme/a")
	entered, release := make(chan struct{}), make(chan struct{})
	store.inspect = func(string) (Detail, error) {
		close(entered)
		<-release
		return Detail{Stream: Stream{Name: "acme/a"}}, nil
	}
	addr, stop := served(t, start(t, store), "tcp", "127.0.0.1:0")
	answer := make(chan string, 1)
	go func() { answer <- raw(t, "tcp", addr, get("localhost", "/v1/admin/streams/acme/a")) }()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for { // until it takes no more connections
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("ended with a request under way: %v", err)
	default:
	}
	close(release)
	if got := <-answer; !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Error(got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A profile is recorded for as long as was asked for, even if that is longer than
// requests have to arrive.
func TestProfilesAreNotCutShort(t *testing.T) {
	a := start(t, newFakeStore())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: a.Handler(), ReadTimeout: 100 * time.Millisecond, WriteTimeout: 200 * time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	began := time.Now()
	got := raw(t, "tcp", l.Addr().String(), get("localhost", "/debug/pprof/trace?seconds=1"))
	if took := time.Since(began); !strings.HasPrefix(got, "HTTP/1.1 200") || took < time.Second {
		t.Errorf("after %v: %.100s", took, got)
	}
	s.Close()
	<-done
}

func TestServeEndsWithItsListener(t *testing.T) {
	a := start(t, newFakeStore())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := a.Serve(t.Context(), l); err == nil {
		t.Error("no error")
	}
}

// A body is refused although it does not come, and what follows it is not taken
// for a request.
func TestServeRefusesBodies(t *testing.T) {
	addr, _ := served(t, start(t, newFakeStore("acme/a")), "tcp", "127.0.0.1:0")
	for _, framing := range []string{"Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "DELETE /v1/admin/projects/acme/streams?prefix=acme HTTP/1.1\r\nHost: localhost\r\n%s\r\n", framing)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); r.StatusCode != 400 || !r.Close || !bytes.Contains(b, []byte("unexpected_body")) || err != nil {
			t.Errorf("%s%d %s, closes: %t, %v", framing, r.StatusCode, b, r.Close, err)
		}
		c.Close()
	}
}

func TestServeBoundsHeaders(t *testing.T) {
	addr, _ := served(t, start(t, newFakeStore()), "tcp", "127.0.0.1:0")
	got := raw(t, "tcp", addr, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", headerBytes+8<<10)+"\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Error(got)
	}
}

// What changes something is in the log, with the id of the request; queries and
// headers never are.
func TestLog(t *testing.T) {
	var buf syncBuffer
	store := newFakeStore("acme/a")
	a := start(t, store, func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(&buf, nil)) })
	ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams?limit=3", header("Authorization", "Bearer hidden"))
	ask(t, a.Handler(), "GET", "/v1/admin/streams/acme/a?token=hidden")
	ask(t, a.Handler(), "POST", "/v1/admin/drain", header("X-Request-Id", "rid-1"), header("Cookie", "hidden"))
	job := jobOf(t, ask(t, a.Handler(), "DELETE", "/v1/admin/projects/acme/streams?prefix=acme/", header("X-Request-Id", "rid-2")))
	<-a.jobs.find("acme", job.ID).ended
	got := buf.String()
	for _, want := range []string{
		`"msg":"admin request","request_id":"rid-1","method":"POST","route":"/v1/admin/drain","project":"","status":202,"code":""`,
		`"msg":"deleting by prefix","job":"` + job.ID + `","project":"acme","prefix":"acme/","request_id":"rid-2"`,
		`"msg":"admin request","request_id":"rid-2","method":"DELETE","route":"/v1/admin/projects/{project}/streams","project":"acme","status":202`,
		`"msg":"deleted by prefix","job":"` + job.ID + `","project":"acme","prefix":"acme/","state":"done","deleted":1,"skipped":0,"failed":0`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "hidden") || strings.Contains(got, `"GET"`) {
		t.Errorf("the log says too much:\n%s", got)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
