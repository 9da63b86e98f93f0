package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestErrorsAreOneLine: with the code first, and the request id if there is one.
func TestErrorsAreOneLine(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/stream/ours":
			refuse(w, 409, "stream_closed")
		case "/v1/stream/old":
			w.Header().Set("X-Request-Id", "from-header")
			w.WriteHeader(403)
			io.WriteString(w, `{"error":{"code":"forbidden","message":"no"}}`)
		case "/v1/stream/moved":
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		default:
			w.WriteHeader(500)
			io.WriteString(w, "<html>\noh\n</html>")
		}
	}
	c := newClient(t, Options{Server: handle(t, answer), Patience: -1})
	for name, want := range map[string]string{
		"ours": "stream_closed: so it is (request id r-7)", "old": "forbidden: no (request id from-header)",
		"other": "500 Internal Server Error, and no answer of tailrace", "moved": "302 Found, and no answer of tailrace",
	} {
		_, err := c.Create(t.Context(), name, CreateOptions{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestNotFound(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&Error{Status: 404, Code: "not_found"}, true}, {&Error{Status: 410, Code: "gone"}, true},
		{&Error{Status: 410, Code: "offset_trimmed"}, false}, {&Error{Status: 409}, false}, {io.EOF, false}, {nil, false},
	} {
		if IsNotFound(c.err) != c.want {
			t.Errorf("%v: %t", c.err, !c.want)
		}
	}
}

// refusing answers the first requests with a status.
func refusing(t *testing.T, times, status int, code string, headers ...string) (url string, requests *atomic.Int32) {
	requests = new(atomic.Int32)
	return handle(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if int(requests.Add(1)) > times {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if code == "" {
			w.WriteHeader(status)
			return
		}
		refuse(w, status, code, headers...)
	}), requests
}

// TestWhatIsRepeated says it for every kind of refusal, with and without a
// producer.
func TestWhatIsRepeated(t *testing.T) {
	for _, c := range []struct {
		status          int
		code            string
		producer, plain bool // it is repeated
	}{
		{503, "overloaded", true, true},
		{429, "rate_limited", true, true},
		{429, "too_many_producers", false, false},
		{408, "request_timeout", true, true},
		{502, "", true, false},
		{503, "", true, false},
		{504, "", true, false},
		{500, "internal", false, false},
		{507, "disk_full", false, false},
		{404, "not_found", false, false},
		{409, "stream_closed", false, false},
	} {
		for _, producer := range []*Producer{nil, {ID: "p"}} {
			want := c.plain
			if producer != nil {
				want = c.producer
			}
			url, requests := refusing(t, 1, c.status, c.code)
			_, err := newClient(t, Options{Server: url}).Append(t.Context(), "a", AppendRequest{ContentType: "text/plain", Body: []byte("x"), Producer: producer})
			if repeated := requests.Load() == 2; repeated != want || (err == nil) != want {
				t.Errorf("%d %s, producer %v: %d requests, %v", c.status, c.code, producer, requests.Load(), err)
			}
		}
	}
}

// TestUnknownOutcomes: a connection that breaks may have done its part.
func TestUnknownOutcomes(t *testing.T) {
	var requests atomic.Int32
	url := handle(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		if r.Method == http.MethodDelete {
			refuse(w, 404, "not_found")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	c := newClient(t, Options{Server: url})
	a := AppendRequest{ContentType: "text/plain", Body: []byte("x")}
	if _, err := c.Append(t.Context(), "a", a); err == nil || requests.Load() != 1 {
		t.Errorf("without a producer: %d requests, %v", requests.Load(), err)
	}
	requests.Store(0)
	a.Producer = &Producer{ID: "p"}
	if _, err := c.Append(t.Context(), "a", a); err != nil || requests.Load() != 2 {
		t.Errorf("with a producer: %d requests, %v", requests.Load(), err)
	}
	requests.Store(0)
	if err := c.Delete(t.Context(), "a"); err != nil {
		t.Errorf("deleted, and the answer was lost: %v", err)
	}
	if err := c.Delete(t.Context(), "a"); !IsNotFound(err) {
		t.Errorf("deleted again: %v", err)
	}
}

func TestWaitsAreLongerEachTimeAndRandom(t *testing.T) {
	url, _ := refusing(t, 6, 503, "overloaded")
	var p pauses
	half := func() float64 { return 0.5 }
	c := newClient(t, Options{Server: url, Sleep: p.sleep, Rand: half, BackoffMin: time.Second, BackoffMax: 10 * time.Second})
	if _, err := c.Head(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{500, 1000, 2000, 4000, 5000, 5000}
	for i, d := range p.list() {
		if d != want[i]*time.Millisecond {
			t.Errorf("wait %d is %v, want %dms", i, d, want[i])
		}
	}
	if n := len(p.list()); n != len(want) {
		t.Errorf("%d waits, want %d", n, len(want))
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	date := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	for _, header := range []string{"30", date} {
		url, _ := refusing(t, 1, 429, "rate_limited", "Retry-After", header)
		var p pauses
		c := newClient(t, Options{Server: url, Sleep: p.sleep, BackoffMax: time.Second})
		if _, err := c.CloseStream(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		// A date has no fractions of a second, and some time has passed.
		if all := p.list(); len(all) != 1 || all[0] < 20*time.Second || all[0] > 31*time.Second {
			t.Errorf("Retry-After: %s: waits %v", header, all)
		}
	}
}

// TestPatienceEnds: at once if the server asks for more than there is.
func TestPatienceEnds(t *testing.T) {
	for after, patience := range map[int]time.Duration{3600: time.Minute, 1: -1} {
		url, requests := refusing(t, 1000, 503, "overloaded", "Retry-After", strconv.Itoa(after))
		var p pauses
		c := newClient(t, Options{Server: url, Sleep: p.sleep, Patience: patience})
		_, err := c.Head(t.Context(), "a")
		if err == nil || requests.Load() != 1 || len(p.list()) != 0 {
			t.Errorf("patience %v: %d requests, waits %v, %v", patience, requests.Load(), p.list(), err)
		}
	}
}

func TestContextEndsTheWait(t *testing.T) {
	url, _ := refusing(t, 1000, 503, "overloaded")
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, Options{Server: url, Sleep: func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}})
	_, err := c.Head(ctx, "a")
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// TestStalledConnectionsAreGivenUp: the first answer never comes, the second one
// stops in the middle.
func TestStalledConnectionsAreGivenUp(t *testing.T) {
	var requests atomic.Int32
	end := make(chan struct{})
	url := handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) {
		case 1:
			<-end
		case 2:
			w.Header().Set("Content-Length", "10")
			w.Header().Set("Stream-Next-Offset", "10")
			io.WriteString(w, "01234")
			w.(http.Flusher).Flush()
			<-end
		default:
			w.Header().Set("Stream-Next-Offset", "10")
			w.Header().Set("Stream-Up-To-Date", "true")
			io.WriteString(w, "0123456789")
		}
	})
	t.Cleanup(func() { close(end) })
	c := newClient(t, Options{Server: url, Stall: 50 * time.Millisecond})
	if got := content(t, c, "a"); string(got) != "0123456789" {
		t.Errorf("read %q", got)
	}
}

// TestCertificatesAreNotTriedAgain: the next attempt would not find another one.
func TestCertificatesAreNotTriedAgain(t *testing.T) {
	s := newTLSServer(t)
	var p pauses
	c := newClient(t, Options{Server: s.URL, Sleep: p.sleep})
	if _, err := c.Head(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "certificate") || len(p.list()) != 0 {
		t.Errorf("waits %v, %v", p.list(), err)
	}
	c = newClient(t, Options{Server: s.URL, RootCAs: rootsOf(s)})
	if _, err := c.Head(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
