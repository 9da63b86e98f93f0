package livetest

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

const root = "/v1/stream/"

// client speaks to the server over one connection at a time. It repeats
// nothing by itself.
type client struct {
	addr   string
	manner func() manner
	hurry  <-chan struct{}

	wire *wire
	in   *bufio.Reader
}

func plainManner() manner { return manner{} }

// drop ends the connection.
func (c *client) drop() {
	if c.wire != nil {
		c.wire.Close()
		c.wire, c.in = nil, nil
	}
}

// send sends a request without waiting for the answer. Headers are whole lines.
func (c *client) send(method, target string, body []byte, headers ...string) error {
	if c.wire == nil {
		w, err := dial(c.addr, c.manner(), c.hurry)
		if err != nil {
			return err
		}
		c.wire, c.in = w, bufio.NewReaderSize(w, 16<<10)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", method, root, target, c.addr)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != nil || method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	if err := c.wire.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.wire.Write(append([]byte(b.String()), body...))
	return err
}

// receive waits for the head of an answer.
func (c *client) receive(method string) (*http.Response, error) {
	if err := c.wire.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.in, &http.Request{Method: method})
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte // nil if there is none
}

func (a *answer) String() string { return fmt.Sprintf("%d %v %.200q", a.status, a.header, a.body) }

func (a *answer) next() (offset, error) { return parseOffset(a.header.Get("Stream-Next-Offset")) }
func (a *answer) closed() bool          { return a.header.Get("Stream-Closed") == "true" }
func (a *answer) upToDate() bool        { return a.header.Get("Stream-Up-To-Date") == "true" }

// later reports whether the server asks to try again.
func (a *answer) later() bool {
	return (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests) && a.header.Get("Retry-After") != ""
}

func (a *answer) missing() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusGone
}

// whole reads the answer to its end.
func whole(r *http.Response) (*answer, error) {
	defer r.Body.Close()
	a := &answer{status: r.StatusCode, header: r.Header}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusNoContent && r.Request.Method != http.MethodHead {
		a.body = body
	}
	return a, a.decode()
}

var errCoding = errors.New("the coding of an answer")

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return d
})

func (a *answer) decode() error {
	var err error
	switch coding := a.header.Get("Content-Encoding"); coding {
	case "":
	case "gzip":
		var in *gzip.Reader
		if in, err = gzip.NewReader(strings.NewReader(string(a.body))); err == nil {
			a.body, err = io.ReadAll(in)
		}
	case "zstd":
		a.body, err = zstdDecoder().DecodeAll(a.body, []byte{})
	default:
		err = errors.New(coding)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errCoding, err)
	}
	return nil
}

// do sends a request and reads the whole answer. After an error the connection
// is of no use.
func (c *client) do(method, target string, body []byte, headers ...string) (*answer, error) {
	if err := c.send(method, target, body, headers...); err != nil {
		return nil, err
	}
	r, err := c.receive(method)
	if err != nil {
		return nil, err
	}
	return whole(r)
}
