package s3test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Proxy is a way to a server that can be made bad. What is bad holds for the
// connections that are open as for later ones, until Heal.
type Proxy struct {
	Endpoint string // its URL, in place of that of the server

	api string
}

// proxied is the name of the one way through a proxy.
const proxied = "s3"

// StartProxy starts a proxy to the host and port upstream, and kills it at the
// end of the test.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	path := toxiproxy.find(t)
	_, address := serve(t, func(address string) *process {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		return &process{path: path, args: []string{"-host", loopback, "-port", port, "-seed", "1"}, health: "http://" + address + "/version"}
	})
	p := &Proxy{api: "http://" + address}
	var made struct{ Listen string }
	p.do(t, http.MethodPost, "/proxies", map[string]any{"name": proxied, "listen": loopback + ":0", "upstream": upstream, "enabled": true}, &made)
	p.Endpoint = "http://" + made.Listen
	return p
}

// Latency delays what the server sends.
func (p *Proxy) Latency(t testing.TB, d, jitter time.Duration) {
	t.Helper()
	p.toxic(t, "latency", "downstream", 1, map[string]any{"latency": d.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Bandwidth bounds what the server sends, in KiB a second.
func (p *Proxy) Bandwidth(t testing.TB, rate int) {
	t.Helper()
	p.toxic(t, "bandwidth", "downstream", 1, map[string]any{"rate": rate})
}

// Hang keeps all requests from the server, whose connections stay open.
func (p *Proxy) Hang(t testing.TB) {
	t.Helper()
	p.toxic(t, "timeout", "upstream", 1, map[string]any{"timeout": 0})
}

// Reset breaks every connection that sends something.
func (p *Proxy) Reset(t testing.TB) {
	t.Helper()
	p.toxic(t, "reset_peer", "upstream", 1, map[string]any{"timeout": 0})
}

// LoseReplies lets requests reach the server, and closes the connection in
// place of the reply: on that share of the connections.
func (p *Proxy) LoseReplies(t testing.TB, share float64) {
	t.Helper()
	p.toxic(t, "limit_data", "downstream", share, map[string]any{"bytes": 0})
}

// Heal ends all that is bad.
func (p *Proxy) Heal(t testing.TB) {
	t.Helper()
	p.do(t, http.MethodPost, "/reset", nil, nil)
}

func (p *Proxy) toxic(t testing.TB, kind, stream string, share float64, attributes map[string]any) {
	t.Helper()
	p.do(t, http.MethodPost, "/proxies/"+proxied+"/toxics",
		map[string]any{"name": kind, "type": kind, "stream": stream, "toxicity": share, "attributes": attributes}, nil)
}

func (p *Proxy) do(t testing.TB, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.api+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("s3test: toxiproxy: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("s3test: toxiproxy: %v", err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("s3test: toxiproxy: %s %s: %d %s", method, path, resp.StatusCode, text)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("s3test: toxiproxy: %v", err)
	}
}
