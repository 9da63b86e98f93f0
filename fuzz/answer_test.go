package fuzz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tailrace/server"
)

// answer is a response of the server.
type answer struct {
	*http.Response
	body []byte
	code string // of the error, if it is one with a body
}

// catalogue is the statuses by code.
var catalogue = func() map[string]int {
	m := map[string]int{}
	for _, e := range server.Catalogue() {
		m[e.Code] = e.Status
	}
	return m
}()

// readResponse reads the next response from what the server said.
func readResponse(r *bufio.Reader, method string) (answer, error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	a := answer{Response: resp}
	a.body, err = io.ReadAll(resp.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) && resp.Header.Get("Content-Type") == "text/event-stream" {
		err = nil // the client has left, so nobody waits for the end
	}
	if err != nil {
		return a, fmt.Errorf("body of the response: %w", err)
	}
	return a, a.checkLaws(method)
}

// checkLaws checks what holds for every response.
func (a *answer) checkLaws(method string) error {
	h := a.Header
	switch {
	case a.StatusCode == 100:
		return nil
	case a.StatusCode == 500 || a.StatusCode < 200 || a.StatusCode > 599:
		return fmt.Errorf("status %d", a.StatusCode)
	case h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "*":
		return fmt.Errorf("response %d lacks headers: %v", a.StatusCode, h)
	case a.StatusCode < 400:
		return nil
	}
	if method == http.MethodHead {
		if len(a.body) > 0 {
			return fmt.Errorf("HEAD is answered with a body %q", a.body)
		}
		return nil
	}
	var envelope struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
	}
	strict := json.NewDecoder(bytes.NewReader(a.body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&envelope); err != nil {
		return fmt.Errorf("error %d has the body %q: %w", a.StatusCode, a.body, err)
	}
	a.code = envelope.Error.Code
	if id := envelope.Error.RequestID; id == "" || id != h.Get("X-Request-Id") {
		return fmt.Errorf("error %d has the request id %q, its header %q", a.StatusCode, id, h.Get("X-Request-Id"))
	}
	if catalogue[a.code] != a.StatusCode || envelope.Error.Message == "" {
		return fmt.Errorf("error %d with code %q is not in the catalogue", a.StatusCode, a.code)
	}
	if h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		return fmt.Errorf("error %d has the headers %v", a.StatusCode, h)
	}
	return nil
}

// retriesMax bounds how often an overloaded server is asked again. It makes
// its next log file while it refuses.
const retriesMax = 100_000

// ask sends one request and returns the response to it.
func (h *house) ask(t testing.TB, method, target string, header []string, body []byte) answer {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: fuzz\r\n", method, target)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	for range retriesMax {
		out := bufio.NewReader(bytes.NewReader(h.talk(t, b.Bytes(), 1<<20)))
		a, err := readResponse(out, method)
		if err != nil {
			t.Fatalf("%v, after %q", err, b.Bytes())
		}
		if rest, _ := io.ReadAll(out); len(rest) > 0 {
			t.Fatalf("%q follows the response to %q", rest, b.Bytes())
		}
		if a.code != "overloaded" {
			return a
		}
	}
	t.Fatalf("overloaded for ever by %q", b.Bytes())
	return answer{}
}

func streamURL(path string) string { return "/v1/stream/" + path }

// has reports whether a header is there and true.
func (a *answer) has(name string) bool { return strings.EqualFold(a.Header.Get(name), "true") }
