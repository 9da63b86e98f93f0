package crashtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// client speaks to a server over one connection.
type client struct {
	base string
	http *http.Client
}

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{
		Transport: &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, DisableCompression: true},
	}}
}

// forget drops the connection, which belongs to a server that is gone.
func (c *client) forget() { c.http.CloseIdleConnections() }

// request is a request for a stream. Headers come as name, value, name, value.
type request struct {
	method string
	name   string
	query  url.Values
	header []string
	body   []byte
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) next() string { return a.header.Get("Stream-Next-Offset") }
func (a answer) closed() bool { return a.header.Get("Stream-Closed") == "true" }

func (a answer) String() string {
	return fmt.Sprintf("%d %v %.300q", a.status, a.header, a.body)
}

const streams = "/v1/stream/"

// open sends a request and returns the response with its body unread.
func (c *client) open(ctx context.Context, q request) (*http.Response, error) {
	target := c.base + streams + q.name
	if q.query != nil {
		target += "?" + q.query.Encode()
	}
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(q.header); i += 2 {
		r.Header.Set(q.header[i], q.header[i+1])
	}
	return c.http.Do(r)
}

// do sends a request and reads the whole answer.
func (c *client) do(q request) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := c.open(ctx, q)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, err
}

var errEndless = errors.New("a read made no progress and is not up to date")

// read reads a stream from an offset to its end and hands over each answer
// together with the offset it was asked with. It returns the last answer,
// which is the only one if the stream can't be read.
func (c *client) read(name, from string, each func(a answer, from string)) (answer, error) {
	for {
		a, err := c.do(request{method: "GET", name: name, query: url.Values{"offset": {from}}})
		if err != nil || a.status != http.StatusOK {
			return a, err
		}
		each(a, from)
		if a.header.Get("Stream-Up-To-Date") == "true" {
			return a, nil
		}
		if a.next() == from {
			return a, errEndless
		}
		from = a.next()
	}
}
