package proxytest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// front is a proxy that serves, and a client of it that speaks HTTP/2.
type front struct {
	t      *testing.T
	url    string // with its name, not its address
	client *http.Client
	conns  atomic.Int64 // that the client has opened
	last   atomic.Pointer[net.Conn]
}

// newFront makes a client of the proxy at a port of this machine, which has a
// certificate by the authority in a file.
func newFront(t *testing.T, port, authority string) *front {
	t.Helper()
	pem, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", authority)
	}
	trust := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	awaitHandshake(t, "127.0.0.1:"+port, trust)
	f := &front{t: t, url: "https://localhost:" + port}
	transport := &http.Transport{
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
		TLSClientConfig:    trust,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
			if err == nil {
				f.conns.Add(1)
				f.last.Store(&c)
			}
			return c, err
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	f.client = &http.Client{Transport: transport}
	return f
}

// awaitHandshake waits until a proxy shows its certificate: Caddy says that it has
// one a moment before it uses it.
func awaitHandshake(t *testing.T, addr string, trust *tls.Config) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c, err := tls.Dial("tcp", addr, trust)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// hangUp closes the client's newest connection without a word.
func (f *front) hangUp() { (*f.last.Load()).Close() }

// ask sends a request. Headers are name and value, in turn.
func (f *front) ask(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.client.Do(r)
}

// demand sends a request, and reads the whole answer, which has to have a status.
func (f *front) demand(status int, method, path, body string, headers ...string) (*http.Response, string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	res, err := f.ask(ctx, method, path, body, headers...)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || res.ProtoMajor != 2 {
		f.t.Fatalf("%s %s: %s %s, want %d; %v\n%.300s", method, path, res.Proto, res.Status, status, err, answer)
	}
	return res, string(answer)
}

const plain = "text/plain"

// create makes a stream of text, and returns its tail.
func (f *front) create(path string) (tail string) {
	f.t.Helper()
	res, _ := f.demand(http.StatusCreated, http.MethodPut, path, "", "Content-Type", plain)
	return res.Header.Get("Stream-Next-Offset")
}

// send appends, and returns the tail.
func (f *front) send(path, body string) (tail string) {
	f.t.Helper()
	res, _ := f.demand(http.StatusNoContent, http.MethodPost, path, body, "Content-Type", plain)
	return res.Header.Get("Stream-Next-Offset")
}

// events is an event stream that is read.
type events struct {
	t      *testing.T
	body   io.ReadCloser
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

// follow opens an event stream. The status is not 200 if it was refused: there
// are no events then.
func (f *front) follow(path, offset string) (e *events, status int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	f.t.Cleanup(cancel)
	res, err := f.ask(ctx, http.MethodGet, path+"?live=sse&offset="+offset, "")
	if err != nil {
		f.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		cancel()
		return nil, res.StatusCode
	}
	if got := res.Header.Get("Content-Type"); res.ProtoMajor != 2 || got != "text/event-stream" {
		f.t.Fatalf("%s of %s", res.Proto, got)
	}
	return &events{t: f.t, body: res.Body, lines: bufio.NewScanner(res.Body), cancel: cancel}, res.StatusCode
}

// next is the next event of a kind. Others are passed over.
func (e *events) next(kind string) (data string) {
	e.t.Helper()
	event := ""
	for e.lines.Scan() {
		if v, ok := strings.CutPrefix(e.lines.Text(), "event: "); ok {
			event = v
		} else if v, ok := strings.CutPrefix(e.lines.Text(), "data:"); ok && event == kind {
			return v
		}
	}
	e.t.Fatalf("the event stream ends before a %s event: %v", kind, e.lines.Err())
	return ""
}

// leave gives the stream up, as a closed page does.
func (e *events) leave() {
	e.cancel()
	e.body.Close()
}
