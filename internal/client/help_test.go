package client

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/vfs/memfs"
	"tailrace/server"
)

var seedFlag = flag.Int64("client.seed", 0, "seed of the random tests; 0 takes one from the clock")

func random(t *testing.T) *rand.Rand {
	s := *seedFlag
	if s == 0 {
		s = time.Now().UnixNano()
	}
	t.Logf("-client.seed=%d", s)
	return rand.New(rand.NewPCG(uint64(s), 0))
}

// serveStore serves an empty store in memory and returns its address.
func serveStore(t *testing.T, network string) string {
	t.Helper()
	e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", LogFileBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	// Event streams that end soon have the reader connect again.
	s, err := server.New(e, server.Options{LiveTime: 200 * time.Millisecond, Portable: network == "unix"})
	if err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "socket")
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := s.InternalErrors(); n != 0 {
			t.Errorf("%d internal errors", n)
		}
	})
	if network == "unix" {
		return "unix:" + at
	}
	return "http://" + ln.Addr().String()
}

// pauses are the waits that a client asked for. None of them takes any time.
type pauses struct {
	mu  sync.Mutex
	all []time.Duration
}

func (p *pauses) sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.all = append(p.all, d)
	p.mu.Unlock()
	return ctx.Err()
}

func (p *pauses) list() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.all...)
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Sleep == nil {
		o.Sleep = new(pauses).sleep
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// handle serves a fake.
func handle(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// refuse answers like the server does.
func refuse(w http.ResponseWriter, status int, code string, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"so it is","request_id":"r-7"}}`, code)
}

// mustCreate makes a stream.
func mustCreate(t *testing.T, c *Client, name, contentType string) {
	t.Helper()
	if made, err := c.Create(t.Context(), name, CreateOptions{ContentType: contentType}); err != nil || made.Existed {
		t.Fatalf("%+v, %v", made, err)
	}
}

// mustAppend appends bodies, each as one append.
func mustAppend(t *testing.T, c *Client, name, contentType string, bodies ...[]byte) {
	t.Helper()
	for _, body := range bodies {
		if _, err := c.Append(t.Context(), name, AppendRequest{ContentType: contentType, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
}

// gatherer collects what a reader gets.
type gatherer struct{ bytes.Buffer }

func (g *gatherer) each(b *Batch) error {
	if b.JSON {
		out, err := AppendLines(g.AvailableBuffer(), b.Data)
		g.Write(out)
		return err
	}
	g.Write(b.Data)
	return nil
}

// content is all of a stream, one value a line if it is JSON.
func content(t *testing.T, c *Client, name string) []byte {
	t.Helper()
	var g gatherer
	if _, err := c.Read(t.Context(), name, FromStart, g.each); err != nil {
		t.Fatal(err)
	}
	return g.Bytes()
}

// handleForBench answers every append as new.
func handleForBench(b *testing.B) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Stream-Next-Offset", "1")
	}))
	b.Cleanup(s.Close)
	return s.URL
}
