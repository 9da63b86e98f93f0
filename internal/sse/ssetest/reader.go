// Package ssetest reads Server-Sent Events the way browsers do, for tests of
// what writes them. It is written from the rules of the WHATWG HTML standard,
// section "Server-sent events", and shares no code with the encoder.
//
// One rule is left out: bytes that are not UTF-8 are kept instead of replaced,
// so that tests see what was really sent. The package is for tests only: a line
// may be as long as memory allows.
package ssetest

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// Event is one event as a listener of EventSource gets it.
type Event struct {
	Type string // "message" when the stream names none
	Data string // the data lines, joined with LF
	ID   string // the last id seen so far, also from an earlier event
}

// Field is one line, before it takes any effect.
type Field struct {
	Name  string // ":" for a comment, empty for the empty line after an event
	Value string
}

// Reader reads events from a connection as they come. An event is returned as
// soon as the end of its empty line was read, without waiting for more.
type Reader struct {
	in    *bufio.Reader
	line  []byte
	begun bool // the first line, which may hold a byte order mark, was read
	cr    bool // the last line ended with CR: an LF now is part of that end

	data []byte // of the event that is being read, LF after each line
	kind string
	id   string // takes effect with the empty line, and stays

	lastID string

	comments int
	retry    time.Duration
}

// NewReader returns a Reader at the start of a stream. It buffers: r must not be
// read by anybody else.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReader(r)}
}

// Next returns the next event. At the end of the stream it returns io.EOF, and
// an event without its empty line is dropped. Other errors are those of the
// underlying reader, and a later call goes on where it stopped.
func (r *Reader) Next() (Event, error) {
	for {
		line, err := r.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(line) > 0 {
			r.process(parseField(line))
			continue
		}
		if e, ok := r.dispatch(); ok {
			return e, nil
		}
	}
}

// Comments is how many comments were read so far.
func (r *Reader) Comments() int { return r.comments }

// Retry is the time to wait before connecting again, zero unless the stream set it.
func (r *Reader) Retry() time.Duration { return r.retry }

// LastID is what a client would send as Last-Event-ID. It changes at the empty
// line of an event, also of one without data.
func (r *Reader) LastID() string { return r.lastID }

func (r *Reader) process(f Field) {
	switch f.Name {
	case ":":
		r.comments++
	case "event":
		r.kind = f.Value
	case "data":
		r.data = append(append(r.data, f.Value...), '\n')
	case "id":
		if !strings.Contains(f.Value, "\x00") {
			r.id = f.Value
		}
	case "retry":
		if f.Value != "" && strings.Trim(f.Value, "0123456789") == "" {
			if ms, err := strconv.ParseInt(f.Value, 10, 32); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// dispatch ends the event that was being read. Without a single data line there
// is none, whatever else was set.
func (r *Reader) dispatch() (Event, bool) {
	kind, data := r.kind, r.data
	r.kind, r.data = "", r.data[:0]
	r.lastID = r.id
	if len(data) == 0 {
		return Event{}, false
	}
	if kind == "" {
		kind = "message"
	}
	return Event{Type: kind, Data: string(data[:len(data)-1]), ID: r.lastID}, true
}

// readLine returns the next whole line without its end; it is valid until the
// next call.
func (r *Reader) readLine() ([]byte, error) {
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == '\n' && r.cr {
			r.cr = false
			continue
		}
		r.cr = c == '\r'
		if c != '\r' && c != '\n' {
			r.line = append(r.line, c)
			continue
		}
		line := r.line
		r.line = r.line[:0]
		if !r.begun {
			r.begun = true
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		return line, nil
	}
}

func parseField(line []byte) Field {
	name, value, found := strings.Cut(string(line), ":")
	if found && name == "" {
		return Field{Name: ":", Value: value}
	}
	return Field{Name: name, Value: strings.TrimPrefix(value, " ")}
}
