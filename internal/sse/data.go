package sse

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
)

// Encoding is how a payload becomes the text of a data event.
type Encoding uint8

const (
	// Text writes the payload as it is, line by line.
	Text Encoding = iota

	// JSON takes messages in their stored form, a comma after each one, and
	// writes them as one array.
	JSON

	// Base64 writes RFC 4648 base64 with padding, for payloads of any bytes.
	Base64
)

// String is the name used in messages and in test names.
func (e Encoding) String() string {
	switch e {
	case Text:
		return "text"
	case JSON:
		return "json"
	case Base64:
		return "base64"
	}
	return fmt.Sprintf("encoding(%d)", uint8(e))
}

// The pieces of a data event. There is no space after the colon: clients that
// match text, the official suite among them, expect none.
const (
	dataStart = "event: data\ndata:"
	dataLine  = "\ndata:"
	eventEnd  = "\n\n"
)

// AppendData appends one data event whose payload is all parts back to back.
// Parts may be cut anywhere, also between CR and LF or inside a rune. An empty
// payload is an event with empty data, or with [] as JSON.
//
// With JSON it panics when the payload is not empty and does not end with the
// comma of a message.
func AppendData(dst []byte, enc Encoding, parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	const fixed = len(dataStart) + len("[]") + len(eventEnd)

	switch enc {
	case Text:
		w := lineWriter{dst: append(slices.Grow(dst, size+fixed), dataStart...), start: true}
		for _, part := range parts {
			w.write(part)
		}
		return append(w.dst, eventEnd...)
	case JSON:
		dst = append(slices.Grow(dst, size+fixed), dataStart...)
		return append(appendJSON(dst, parts), eventEnd...)
	case Base64:
		dst = append(slices.Grow(dst, base64.StdEncoding.EncodedLen(size)+fixed), dataStart...)
		return append(appendBase64(dst, parts), eventEnd...)
	}
	panic(fmt.Sprintf("sse: append data: unknown %v", enc))
}

// lineWriter appends bytes that come in pieces and begins a new data line at
// each end of line among them.
type lineWriter struct {
	dst   []byte
	start bool // nothing of the current line is written yet
	cr    bool // the last byte was CR, which ended its line: an LF now belongs to it
}

func (w *lineWriter) write(p []byte) {
	if len(p) == 0 {
		return
	}
	if w.cr && p[0] == '\n' {
		p = p[1:]
	}
	w.cr = false

	// Each of the two is looked for again only once it has been passed. Looking
	// for both at every line would read a payload with many LF and no CR once
	// per line.
	lf, cr := -1, -1
	for at := 0; at < len(p); {
		if lf < at {
			lf = indexFrom(p, '\n', at)
		}
		if cr < at {
			cr = indexFrom(p, '\r', at)
		}
		end := min(lf, cr)
		if w.start && end > at {
			if p[at] == ' ' {
				w.dst = append(w.dst, ' ') // the reader drops one
			}
			w.start = false
		}
		w.dst = append(w.dst, p[at:end]...)
		if end == len(p) {
			return
		}
		w.dst = append(w.dst, dataLine...)
		w.start = true
		at = end + 1
		if end == cr {
			if at == len(p) {
				w.cr = true
			} else if p[at] == '\n' {
				at++
			}
		}
	}
}

// indexFrom is the first place of c at or after at, or len(p).
func indexFrom(p []byte, c byte, at int) int {
	if i := bytes.IndexByte(p[at:], c); i >= 0 {
		return at + i
	}
	return len(p)
}

func appendJSON(dst []byte, parts [][]byte) []byte {
	for len(parts) > 0 && len(parts[len(parts)-1]) == 0 {
		parts = parts[:len(parts)-1]
	}
	w := lineWriter{dst: append(dst, '[')}
	for _, part := range parts {
		w.write(part)
	}
	if len(parts) == 0 {
		return append(w.dst, ']')
	}
	// Dropping any other byte would hand out a changed message.
	last := len(w.dst) - 1
	if w.dst[last] != ',' {
		panic(fmt.Sprintf("sse: stored messages end with byte %#02x, want a comma", w.dst[last]))
	}
	w.dst[last] = ']'
	return w.dst
}

// appendBase64 encodes the parts as one: base64 takes three bytes at a time, so
// what is left of a part waits for the next one.
func appendBase64(dst []byte, parts [][]byte) []byte {
	var rest [3]byte
	n := 0
	for _, part := range parts {
		if n > 0 {
			taken := copy(rest[n:], part)
			n += taken
			part = part[taken:]
			if n < len(rest) {
				continue
			}
			dst = base64.StdEncoding.AppendEncode(dst, rest[:])
		}
		whole := len(part) - len(part)%3
		dst = base64.StdEncoding.AppendEncode(dst, part[:whole])
		n = copy(rest[:], part[whole:])
	}
	return base64.StdEncoding.AppendEncode(dst, rest[:n])
}
