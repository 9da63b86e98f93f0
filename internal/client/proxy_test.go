package client

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
)

// mishap is what goes wrong with a request.
type mishap int

const (
	none     mishap = iota
	busy            // refused with 503 and Retry-After
	rejected        // a gateway that reached nobody, or lost the answer
	lost            // the request arrives, the answer does not
	half            // the request arrives in part only
	cut             // the answer breaks off
	dribble         // the answer comes byte by byte, then breaks off or not
	mishaps
)

var mishapNames = [mishaps]string{"none", "busy", "rejected", "lost", "half", "cut", "dribble"}

// proxy stands before a server and breaks things.
type proxy struct {
	upstream string
	plan     func(r *http.Request) (m mishap, at int) // at: after how many bytes

	mu   sync.Mutex
	seen [mishaps]int
}

// newProxy has one of every so many requests go wrong, at random.
func newProxy(t *testing.T, upstream string, r *rand.Rand) (*proxy, string) {
	t.Helper()
	var mu sync.Mutex
	p := &proxy{upstream: upstream}
	p.plan = func(*http.Request) (mishap, int) {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(2) == 0 {
			return none, 0
		}
		return mishap(r.IntN(int(mishaps))), r.IntN(1 << r.IntN(18))
	}
	return p, handle(t, p.ServeHTTP)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, at := p.plan(r)
	p.mu.Lock()
	p.seen[m]++
	p.mu.Unlock()
	switch m {
	case busy:
		refuse(w, http.StatusServiceUnavailable, "overloaded", "Retry-After", "1")
		return
	case half:
		io.CopyN(io.Discard, r.Body, int64(at))
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, p.upstream+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	out.Header = r.Header.Clone()
	answer, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	switch m {
	case lost:
		panic(http.ErrAbortHandler)
	case rejected:
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	w.(http.Flusher).Flush()
	p.copy(w, answer.Body, m, at)
}

func (p *proxy) copy(w http.ResponseWriter, in io.Reader, m mishap, at int) {
	buf := make([]byte, 32<<10)
	for sent := 0; ; {
		n, err := in.Read(buf)
		for piece := buf[:n]; len(piece) > 0; {
			some := piece
			switch {
			case m == dribble && sent < 64:
				some = piece[:1]
			case (m == cut || m == dribble) && sent >= at:
				panic(http.ErrAbortHandler)
			case m == cut:
				some = piece[:min(len(piece), at-sent)]
			}
			w.Write(some)
			w.(http.Flusher).Flush()
			sent += len(some)
			piece = piece[len(some):]
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// demandMishaps fails the test if too little went wrong for it to mean anything.
func (p *proxy) demandMishaps(t *testing.T, least int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := 0
	for m, n := range p.seen {
		t.Logf("%s: %d", mishapNames[m], n)
		if mishap(m) != none {
			sum += n
		}
	}
	if sum < least {
		t.Errorf("%d requests went wrong, want %d", sum, least)
	}
}
