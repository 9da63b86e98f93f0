package bench

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// template is a request, complete but for the digits that name the stream.
type template struct {
	text    []byte
	digits  int           // where they are
	streams int           // to choose from, at random
	fresh   *atomic.Int64 // or the number of the next stream, which nobody used before
	want    int           // status
	message bool          // the body is one, and says each time what it is
}

func newTemplate(method, query, headers string, body []byte, want int) template {
	name := streamName(0)
	text := method + " /v1/stream/" + name + query + " HTTP/1.1\r\nHost: localhost\r\n" + headers
	if method != "GET" {
		text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return template{
		text:   append([]byte(text+"\r\n"), body...),
		digits: strings.Index(text, name) + len(name) - nameDigits,
		want:   want,
	}
}

// appendRequest appends size bytes to one of so many streams.
func appendRequest(streams, size int) template { return appendWith(streams, size, "") }

// appendWith does so with more headers, as lines that end with CRLF.
func appendWith(streams, size int, headers string) template {
	t := newTemplate("POST", "", "Content-Type: "+binary+"\r\n"+headers, bytes.Repeat([]byte{'x'}, size), 204)
	t.streams = streams
	return t
}

// messageRequest appends a message to one of so many streams.
func messageRequest(streams int) template {
	t := appendRequest(streams, messageBytes)
	t.message = true
	return t
}

// readRequest reads one of so many streams from its beginning.
func readRequest(streams int) template {
	t := newTemplate("GET", "?offset=-1", "", nil, 200)
	t.streams = streams
	return t
}

// createRequest creates a new stream each time.
func createRequest() template {
	t := newTemplate("PUT", "", "Content-Type: "+binary+"\r\n", nil, 201)
	t.fresh = new(atomic.Int64)
	return t
}

// client sends requests over one connection, one after the other.
type client struct {
	conn net.Conn
	text []byte // the request, own copy
	at   int
	in   []byte // received and not yet used begins here
	have int

	sender uint32
	sent   []uint64 // messages that were answered, by stream; nil if it sends none
}

func dial(addr string, t *template) (*client, error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, text: bytes.Clone(t.text), at: t.digits, in: make([]byte, 16<<10)}
	if t.message {
		c.sent = make([]uint64, t.streams)
	}
	return c, nil
}

// exchange sends the request for stream n and returns the status of the answer.
func (c *client) exchange(n int) (int, error) {
	status, _, _, err := c.answer(n)
	return status, err
}

// answer returns the parts of an answer. They are valid until the next one.
func (c *client) answer(n int) (status int, head, body []byte, err error) {
	if c.sent != nil {
		m := message{stream: uint32(n), sender: c.sender, number: c.sent[n]}
		m.put(c.text[len(c.text)-messageBytes:])
	}
	for i := c.at + nameDigits - 1; i >= c.at; i-- {
		c.text[i] = byte('0' + n%10)
		n /= 10
	}
	if _, err := c.conn.Write(c.text); err != nil {
		return 0, nil, nil, err
	}
	c.have = 0
	end := -1
	for end < 0 {
		if err := c.fill(); err != nil {
			return 0, nil, nil, err
		}
		end = bytes.Index(c.in[:c.have], []byte("\r\n\r\n"))
	}
	head = c.in[:end+2]
	if status, err = strconv.Atoi(string(c.in[9:12])); err != nil {
		return 0, nil, nil, fmt.Errorf("bench: status of %q: %w", head, err)
	}
	size := 0
	if status != 204 {
		if size, err = contentLength(head); err != nil {
			return 0, nil, nil, err
		}
	}
	for c.have < end+4+size {
		if err := c.fill(); err != nil {
			return 0, nil, nil, err
		}
	}
	if c.have > end+4+size {
		return 0, nil, nil, fmt.Errorf("bench: %d bytes after the answer %q", c.have-end-4-size, head)
	}
	return status, head, c.in[end+4 : c.have], nil
}

var errLarge = errors.New("bench: answer does not fit")

func (c *client) fill() error {
	if c.have == len(c.in) {
		return errLarge
	}
	n, err := c.conn.Read(c.in[c.have:])
	c.have += n
	if n > 0 {
		return nil
	}
	return cmp.Or(err, io.ErrNoProgress)
}

func contentLength(head []byte) (int, error) {
	_, after, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return 0, fmt.Errorf("bench: no length in %q", head)
	}
	digits, _, _ := bytes.Cut(after, []byte("\r\n"))
	return strconv.Atoi(string(digits))
}

// ask asks once and returns the answer without what every server adds to it by
// itself.
func (t *template) ask(tb testing.TB, addr string) answer {
	tb.Helper()
	c, err := dial(addr, t)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.conn.Close()
	n := 0
	if t.fresh != nil {
		n = int(t.fresh.Add(1))
	}
	status, head, body, err := c.answer(n)
	if err != nil {
		tb.Fatal(err)
	}
	if status != t.want {
		tb.Fatalf("bench: %q is answered\n%s%s", t.text, head, body)
	}
	a := answer{Status: status, Body: bytes.Clone(body)}
	for _, line := range strings.Split(strings.TrimSpace(string(head)), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if name != "Date" && name != "Content-Length" {
			a.Headers = append(a.Headers, [2]string{name, value})
		}
	}
	return a
}

// equal compares answers; the order of headers does not matter.
func (w *answer) equal(o *answer) bool {
	sorted := func(h [][2]string) [][2]string {
		return slices.SortedFunc(slices.Values(h), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	}
	return w.Status == o.Status && bytes.Equal(w.Body, o.Body) && slices.Equal(sorted(w.Headers), sorted(o.Headers))
}
