package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// event is one event of a text/event-stream. data is valid until the next one.
type event struct {
	kind string
	data []byte
}

// eventReader reads events by the rules of the HTML standard, but for what this
// protocol does not use: ids, retry times and a byte order mark. An event that
// lacks the empty line at its end is none.
type eventReader struct {
	in   *bufio.Reader
	cr   bool // the last line ended with CR: an LF now is part of that end
	line []byte
	data []byte
}

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{in: bufio.NewReaderSize(r, 32<<10)}
}

var errEventLarge = fmt.Errorf("%w: an event of more than %d bytes", errLarge, batchBytesMax)

// next returns io.EOF where the stream ends, be it in the middle of an event.
func (r *eventReader) next() (event, error) {
	r.data = r.data[:0]
	kind, lines := "", 0
	for {
		line, err := r.readLine()
		if err != nil {
			return event{}, err
		}
		if len(line) == 0 {
			if lines == 0 {
				kind = ""
				continue
			}
			return event{kind: kind, data: r.data[:len(r.data)-1]}, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			kind = string(value)
		case "data":
			if len(r.data)+len(value) > 2*batchBytesMax {
				return event{}, errEventLarge
			}
			r.data = append(append(r.data, value...), '\n')
			lines++
		}
	}
}

// readLine returns a line without its end, which is CR, LF or both. It does not
// wait for what comes after a CR.
func (r *eventReader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		piece, err := r.peek()
		if err != nil {
			return nil, err
		}
		if r.cr && piece[0] == '\n' {
			r.in.Discard(1)
			r.cr = false
			continue
		}
		r.cr = false
		end := bytes.IndexAny(piece, "\r\n")
		if end < 0 {
			if len(r.line)+len(piece) > 2*batchBytesMax {
				return nil, errEventLarge
			}
			r.line = append(r.line, piece...)
			r.in.Discard(len(piece))
			continue
		}
		r.cr = piece[end] == '\r'
		r.line = append(r.line, piece[:end]...)
		r.in.Discard(end + 1)
		return r.line, nil
	}
}

// peek returns what has arrived, and waits for one byte at least.
func (r *eventReader) peek() ([]byte, error) {
	if _, err := r.in.Peek(1); err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, nil // never: the buffer has room for one
		}
		return nil, err
	}
	return r.in.Peek(r.in.Buffered())
}
