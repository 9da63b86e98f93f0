package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tailrace/internal/sse/ssetest"
)

// sseClient is a reader of a stream by SSE.
type sseClient struct {
	*client
	head   *http.Response
	events *ssetest.Reader
}

type control struct {
	Next     string `json:"streamNextOffset"`
	Cursor   string `json:"streamCursor"`
	UpToDate bool   `json:"upToDate"`
	Closed   bool   `json:"streamClosed"`
}

// follow starts a reader, whose request may have more headers.
func (f *fixture) follow(query string, headers ...string) *sseClient {
	f.t.Helper()
	c := f.dial().send(f.request("GET", root+query+"&live=sse", "", headers...))
	return c.sse()
}

func (c *client) sse() *sseClient {
	c.t.Helper()
	s := &sseClient{client: c}
	var err error
	if s.head, err = http.ReadResponse(c.in, &http.Request{Method: "GET"}); err != nil {
		c.t.Fatalf("read the head: %v", err)
	}
	if s.head.StatusCode != 200 {
		c.t.Fatalf("status %d", s.head.StatusCode)
	}
	s.events = ssetest.NewReader(s.head.Body)
	return s
}

// next reads a control event and the data event before it, if there is one.
func (s *sseClient) next() (data string, has bool, ctl control) {
	s.t.Helper()
	e, err := s.events.Next()
	if err != nil {
		s.t.Fatalf("read an event: %v", err)
	}
	if e.Type == "data" {
		data, has = e.Data, true
		if e, err = s.events.Next(); err != nil {
			s.t.Fatalf("read the control event after data: %v", err)
		}
	}
	if e.Type != "control" {
		s.t.Fatalf("event %q, want control", e.Type)
	}
	d := json.NewDecoder(strings.NewReader(e.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&ctl); err != nil {
		s.t.Fatalf("control %q: %v", e.Data, err)
	}
	if !ctl.Closed {
		if _, err := strconv.ParseUint(ctl.Cursor, 10, 64); err != nil {
			s.t.Errorf("cursor %q while the stream is open", ctl.Cursor)
		}
	}
	return data, has, ctl
}

// wantEnd demands that the response ends cleanly, and then the connection.
func (s *sseClient) wantEnd() {
	s.t.Helper()
	if e, err := s.events.Next(); err != io.EOF {
		s.t.Fatalf("after the end: event %+v, error %v", e, err)
	}
	s.wantClosed()
}
