package bench

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// readerKind is what a connection of the audience asks for.
type readerKind string

const (
	readSSE      readerKind = "sse"
	readLongPoll readerKind = "long-poll"
	readOnce     readerKind = "keep-alive" // one answer, then the connection is idle
)

// request is what such a reader sends. From the beginning of a stream or from
// now on is up to offset; a long-poll waits only from now on.
func (k readerKind) request(stream int, offset string) []byte {
	live := ""
	if k != readOnce {
		live = "&live=" + string(k)
	}
	return []byte("GET " + target(stream) + "?offset=" + offset + live + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

// reader is one connection of the audience: it understands the answer as it
// comes, and checks that each message is there, once and in order.
type reader struct {
	kind   readerKind
	stream uint32
	phase  readerPhase
	begun  bool     // it has its first event, or its answer
	got    uint64   // messages, those before its time among them
	next   []uint64 // number of the next message, by sender
	rest   []byte   // received, not yet complete
	text   []byte   // of an event that goes on in the next chunk
	left   int      // of a body of known length
}

// readerPhase is what comes next on the connection.
type readerPhase uint8

const (
	phaseHead readerPhase = iota
	phaseChunks
	phaseBody
	phaseDone // nothing
)

// tally is what readers have got together since it was cleared.
type tally struct {
	events   int // with data
	messages int
	lat      []time.Duration // from sent to received, of each message
	scratch  []byte
}

// take takes what came at a time, in nanoseconds of the wall clock.
func (r *reader) take(part []byte, at int64, t *tally) error {
	if len(r.rest) > 0 {
		r.rest = append(r.rest, part...)
		part = r.rest
	}
	for {
		n, err := r.step(part, at, t)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		part = part[n:]
	}
	if len(part) == 0 {
		r.rest = nil // most readers are idle
		return nil
	}
	r.rest = append(r.rest[:0], part...)
	return nil
}

// step takes one whole element from the front and returns its size, 0 if there
// is none.
func (r *reader) step(b []byte, at int64, t *tally) (int, error) {
	switch r.phase {
	case phaseHead:
		return r.head(b)
	case phaseChunks:
		return r.chunk(b, at, t)
	case phaseBody:
		n := min(r.left, len(b))
		if r.left -= n; r.left == 0 {
			r.phase, r.begun = phaseDone, true
		}
		return n, nil
	}
	if len(b) > 0 {
		return 0, fmt.Errorf("bench: after the end of an answer comes %.100q", b)
	}
	return 0, nil
}

func (r *reader) head(b []byte) (n int, err error) {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, nil
	}
	head := b[:i+2]
	switch {
	case !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")), r.kind == readLongPoll:
		return 0, fmt.Errorf("bench: %s of stream %d is answered %.200q", r.kind, r.stream, head)
	case r.kind == readSSE:
		if !bytes.Contains(head, []byte("\r\nTransfer-Encoding: chunked\r\n")) {
			return 0, fmt.Errorf("bench: no chunks follow %q", head)
		}
		r.phase = phaseChunks
	default:
		r.phase = phaseBody
		if r.left, err = contentLength(head); err == nil && r.left == 0 {
			err = errors.New("bench: answer without a body")
		}
	}
	return i + len("\r\n\r\n"), err
}

func (r *reader) chunk(b []byte, at int64, t *tally) (int, error) {
	i := bytes.Index(b, []byte("\r\n"))
	if i < 0 {
		return 0, nil
	}
	size, err := strconv.ParseUint(string(b[:i]), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("bench: size of a chunk: %w", err)
	}
	from, to := i+2, i+2+int(size)
	if len(b) < to+2 {
		return 0, nil
	}
	if string(b[to:to+2]) != "\r\n" {
		return 0, fmt.Errorf("bench: a chunk of %d bytes ends with %q", size, b[to:to+2])
	}
	if size == 0 {
		if r.phase = phaseDone; len(r.text) > 0 {
			return 0, fmt.Errorf("bench: the last event breaks off after %.100q", r.text)
		}
		return to + 2, nil
	}
	return to + 2, r.events(b[from:to], at, t)
}

// events takes the text of a chunk, which ends with a whole event most of the
// time.
func (r *reader) events(text []byte, at int64, t *tally) error {
	if len(r.text) > 0 {
		r.text = append(r.text, text...)
		text = r.text
	}
	for {
		i := bytes.Index(text, []byte("\n\n"))
		if i < 0 {
			break
		}
		if err := r.event(text[:i], at, t); err != nil {
			return err
		}
		text = text[i+2:]
	}
	if len(text) == 0 {
		r.text = nil
		return nil
	}
	r.text = append(r.text[:0], text...)
	return nil
}

func (r *reader) event(lines []byte, at int64, t *tally) error {
	kind := ""
	t.scratch = t.scratch[:0]
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte{'\n'})
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "event":
			kind = string(value)
		case "data":
			t.scratch = append(t.scratch, value...)
		}
	}
	switch kind {
	case "control":
		r.begun = true
		return nil
	case "data":
		return r.data(at, t)
	case "":
		return nil // a comment
	}
	return fmt.Errorf("bench: event of type %q", kind)
}

// data takes the messages of an event, which are in scratch.
func (r *reader) data(at int64, t *tally) error {
	n, err := base64.StdEncoding.Decode(t.scratch, t.scratch)
	if err != nil {
		return fmt.Errorf("bench: data of an event: %w", err)
	}
	t.events++
	for b := t.scratch[:n]; len(b) > 0; b = b[messageBytes:] {
		m, err := parseMessage(b)
		if err != nil {
			return err
		}
		if missing := int(m.sender) + 1 - len(r.next); missing > 0 {
			r.next = append(r.next, slices.Repeat([]uint64{0}, missing)...)
		}
		if want := r.next[m.sender]; m.stream != r.stream || m.number != want {
			return fmt.Errorf("bench: a reader of stream %d got message %d of sender %d to stream %d, and was to get number %d",
				r.stream, m.number, m.sender, m.stream, want)
		}
		r.next[m.sender]++
		r.got++
		t.messages++
		t.lat = append(t.lat, time.Duration(at-m.sent))
	}
	return nil
}
