package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
	return f.clientOf(c)
}

func (f *fixture) clientOf(c net.Conn) *client {
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
			ID      string `json:"request_id"`
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
	if id := envelope.Error.ID; id == "" || id != r.Header.Get("X-Request-Id") {
		t.Errorf("error %s has the request id %q, its header %q", code, id, r.Header.Get("X-Request-Id"))
	}
	return r.wantHeaders(t, "Content-Type: application/json", "Cache-Control: "+r.unkept(), "X-Content-Type-Options: nosniff")
}

// unkept is the Cache-Control of what nobody keeps.
func (r *response) unkept() string {
	if strings.HasPrefix(r.Header.Get("Cache-Control"), "private") {
		return "private, no-store"
	}
	return "no-store"
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
