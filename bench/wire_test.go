package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// wire is a connection for requests of any size, one after the other. It
// decodes nothing and keeps nothing.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	head []byte
	buf  []byte
}

// reply is what is known of an answer.
type reply struct {
	status   int
	size     int // of the body as it was sent
	next     string
	upToDate bool
	coding   string
}

const wireBufferBytes = 256 << 10

func dialWire(addr string) (*wire, error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, 16<<10), buf: make([]byte, wireBufferBytes)}, nil
}

// do sends a request, headers as lines that end with CRLF, and gives the body of
// the answer to take, part by part. A part is valid until take returns.
func (w *wire) do(method, target, headers string, body []byte, take func(part []byte)) (reply, error) {
	w.head = append(w.head[:0], method...)
	w.head = append(w.head, ' ')
	w.head = append(w.head, target...)
	w.head = append(w.head, " HTTP/1.1\r\nHost: localhost\r\n"...)
	w.head = append(w.head, headers...)
	if method != "GET" {
		w.head = append(w.head, "Content-Length: "...)
		w.head = strconv.AppendInt(w.head, int64(len(body)), 10)
		w.head = append(w.head, "\r\n"...)
	}
	w.head = append(w.head, "\r\n"...)
	parts := net.Buffers{w.head, body}
	if _, err := parts.WriteTo(w.conn); err != nil {
		return reply{}, err
	}
	r, err := w.readHead()
	if err != nil {
		return r, err
	}
	for left := r.size; left > 0; {
		n, err := w.r.Read(w.buf[:min(left, len(w.buf))])
		if n > 0 && take != nil {
			take(w.buf[:n])
		}
		left -= n
		if err != nil && left > 0 {
			return r, fmt.Errorf("bench: body of %s: %w", target, errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
	return r, nil
}

func (w *wire) readHead() (r reply, err error) {
	line, err := w.r.ReadSlice('\n')
	if err != nil {
		return r, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return r, fmt.Errorf("bench: answer begins with %q", line)
	}
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return r, fmt.Errorf("bench: answer begins with %q: %w", line, err)
	}
	r.size = -1
	for {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return r, err
		}
		name, value, found := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		if !found {
			break
		}
		switch string(name) {
		case "Content-Length":
			if r.size, err = strconv.Atoi(string(value)); err != nil {
				return r, err
			}
		case "Stream-Next-Offset":
			r.next = string(value)
		case "Stream-Up-To-Date":
			r.upToDate = true
		case "Content-Encoding":
			r.coding = string(value)
		}
	}
	if r.size < 0 {
		if r.status != 204 {
			return r, fmt.Errorf("bench: answer %d without a length", r.status)
		}
		r.size = 0
	}
	return r, nil
}

// refusedPause is how long a client waits after it was refused.
const refusedPause = 5 * time.Millisecond

// insist repeats a request that is refused for now, and counts that.
func (w *wire) insist(want int, method, target, headers string, body []byte) (refused int, err error) {
	for {
		r, err := w.do(method, target, headers, body, nil)
		switch {
		case err != nil:
			return refused, err
		case r.status == want:
			return refused, nil
		case r.status != 503:
			return refused, fmt.Errorf("bench: %s %s: status %d, want %d", method, target, r.status, want)
		}
		refused++
		<-time.After(refusedPause)
	}
}

// target is where a stream is.
func target(i int) string { return "/v1/stream/" + streamName(i) }

// readThrough reads a stream from its beginning to its tail and gives the
// bodies to take; end says that a body is complete.
func (w *wire) readThrough(i int, headers string, take func(part []byte), end func(r reply)) error {
	for offset := "-1"; ; {
		r, err := w.do("GET", target(i)+"?offset="+offset, headers, nil, take)
		switch {
		case err != nil:
			return err
		case r.status == 503:
			<-time.After(refusedPause)
			continue
		case r.status != 200:
			return fmt.Errorf("bench: read of stream %d at %s: status %d", i, offset, r.status)
		}
		if end != nil {
			end(r)
		}
		if r.upToDate {
			return nil
		}
		if r.next == offset {
			return fmt.Errorf("bench: read of stream %d at %s goes nowhere", i, offset)
		}
		offset = r.next
	}
}
