package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// input cuts what is to be appended into bodies.
type input interface {
	// next appends the next body to dst, which is empty, and says how many records
	// it has. It returns io.EOF when there is nothing more.
	next(dst []byte) (body []byte, records int64, err error)
}

// chunkInput makes bodies of a size, whatever is in them. The same input makes the
// same bodies.
type chunkInput struct {
	in   io.Reader
	size int
}

func (c *chunkInput) next(dst []byte) ([]byte, int64, error) {
	if cap(dst) < c.size {
		dst = make([]byte, 0, c.size)
	}
	n, err := io.ReadFull(c.in, dst[:c.size])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return dst[:n], 1, err
}

// lineBytesMax is the longest line. It has to be in memory as a whole, and a
// server takes less, by default.
const lineBytesMax = 64 << 20

// lineInput makes bodies of whole lines. While a body waits to be sent the next
// lines are read, up to size bytes of them, so that a slow input is appended line
// by line and a fast one in large bodies.
type lineInput struct {
	in    io.Reader
	size  int
	eager bool // do not wait for size bytes

	mu    sync.Mutex
	moved sync.Cond
	begun bool
	buf   []byte
	last  int   // index after the last line end in buf
	err   error // why nothing more is read
}

func newLineInput(in io.Reader, size int, eager bool) *lineInput {
	l := &lineInput{in: in, size: size, eager: eager}
	l.moved.L = &l.mu
	return l
}

// pump reads until the end of the input. It is not waited for, because a read from
// a terminal cannot be ended.
func (l *lineInput) pump() {
	piece := make([]byte, 64<<10)
	for {
		n, err := l.in.Read(piece)
		l.mu.Lock()
		if end := bytes.LastIndexByte(piece[:n], '\n'); end >= 0 {
			l.last = len(l.buf) + end + 1
		}
		l.buf = append(l.buf, piece[:n]...)
		if err == nil && l.last == 0 && len(l.buf) > lineBytesMax {
			err = fmt.Errorf("a line has more than %d bytes", lineBytesMax)
		}
		l.err = err
		l.moved.Broadcast()
		for l.last > 0 && len(l.buf) >= l.size {
			l.moved.Wait()
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *lineInput) next(dst []byte) ([]byte, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun = true
		go l.pump()
	}
	for l.err == nil && (l.last == 0 || !l.eager && len(l.buf) < l.size) {
		l.moved.Wait()
	}
	end := l.cut()
	if end == 0 {
		return dst, 0, l.err
	}
	dst = append(dst, l.buf[:end]...)
	l.buf = l.buf[:copy(l.buf, l.buf[end:])]
	l.last = max(0, l.last-end)
	l.moved.Broadcast()
	records := int64(bytes.Count(dst, []byte("\n")))
	if dst[len(dst)-1] != '\n' {
		records++
	}
	return dst, records, nil
}

// cut is where the next body ends: behind the last line that fits, or behind the
// first one if that alone is larger. What follows the last line end counts as a
// line when the input has ended.
func (l *lineInput) cut() int {
	// Where it ends must not depend on whether the end of the input was met already.
	if errors.Is(l.err, io.EOF) && len(l.buf) < l.size {
		return len(l.buf)
	}
	if end := bytes.LastIndexByte(l.buf[:min(l.size, len(l.buf))], '\n') + 1; end > 0 {
		return end
	}
	if l.last > 0 {
		return bytes.IndexByte(l.buf, '\n') + 1
	}
	if errors.Is(l.err, io.EOF) {
		return len(l.buf)
	}
	return 0
}

// valueInput makes an array of the JSON values of several lines.
type valueInput struct {
	lines *lineInput
	line  int64 // number of the last one
	raw   []byte
	err   error // told with the next body
}

func (v *valueInput) next(dst []byte) ([]byte, int64, error) {
	for v.err == nil {
		var err error
		if v.raw, _, err = v.lines.next(v.raw[:0]); err != nil {
			return dst[:0], 0, err
		}
		dst = append(dst[:0], '[')
		values := int64(0)
		for line := range bytes.Lines(v.raw) {
			v.line++
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue
			}
			if !json.Valid(line) || !utf8.Valid(line) {
				v.err = fmt.Errorf("line %d is no JSON value: %.60q", v.line, line)
				break
			}
			if values++; values > 1 {
				dst = append(dst, ',')
			}
			dst = append(dst, line...)
		}
		if values > 0 {
			return append(dst, ']'), values, nil
		}
	}
	return dst[:0], 0, v.err
}
