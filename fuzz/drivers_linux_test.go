package fuzz

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Which driver serves a connection cannot be seen: for the same bytes in the same
// pieces both give the same answers and store the same. And net/http divides the
// bytes into the same requests, as far as it takes them. server has the same test
// with conversations by chance; here the fuzzer has the say.

// fill stands for bytes in large numbers, which a fuzzer does not come up with.
var fill = regexp.MustCompile(`\{[0-9]{1,5}\}`)

// inputMax bounds what is sent in a run.
const inputMax = 256 << 10

// expand puts in what stands for more.
func expand(in []byte) []byte {
	room := inputMax
	return fill.ReplaceAllFunc(in, func(m []byte) []byte {
		n, _ := strconv.Atoi(string(m[1 : len(m)-1]))
		n = min(n, room)
		room -= n
		return bytes.Repeat([]byte("x"), n)
	})
}

// cut cuts the input as the numbers say: 0 is up to the end of the line, small
// ones are bytes, and the largest are many of them. What is left is one piece.
func cut(in, cuts []byte) (pieces [][]byte) {
	for _, c := range cuts {
		n := int(c)
		switch {
		case c == 0:
			n = bytes.IndexByte(in, '\n') + 1
		case c > 200:
			n = int(c-200) << 9
		}
		if n = min(n, len(in)); n > 0 {
			pieces, in = append(pieces, in[:n]), in[n:]
		}
	}
	if len(in) > 0 || len(pieces) == 0 {
		pieces = append(pieces, in)
	}
	return pieces
}

// run has both drivers and net/http hear the input, and compares.
func (a *arena) run(t testing.TB, in, cuts []byte, end ending) {
	t.Helper()
	if in = expand(in); end == leavesIt {
		in = append(in, farewell...)
	}
	a.sent += len(in)
	k := talk{pieces: cut(in, cuts), end: end}
	for _, d := range a.both {
		d.furnish(t)
	}
	said, err := together(t, a.both, k)
	for side := range said {
		said[side] = settled(said[side])
	}
	names := namesIn(said[1])
	views := [2][]byte{a.both[0].view(t, names), a.both[1].view(t, names)}
	fatal := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s\nsent, %d pieces, ending %d: %s\nthe loop says: %s\nthe portable driver says: %s",
			fmt.Sprintf(format, args...), len(k.pieces), end, clip(in), shown(said[0]), shown(said[1]))
	}
	switch {
	case err != nil:
		fatal("%v", err)
	case !sameAnswers(said, len(in)):
		fatal("the answers differ")
	case !bytes.Equal(views[0], views[1]):
		fatal("the answers are the same, and what is stored differs:\n%s\n%s", views[0], views[1])
	}
	p := a.others.of(t, in)
	if err := p.compare(in, said[1], a.both[1].engine); err != nil {
		fatal("%v\nnet/http has %d requests, refused with %d, closes %t", err, len(p.requests), p.refused, p.last)
	}
	for _, d := range a.both {
		d.check(t)
		if !d.clear(t, names) {
			fatal("there are streams besides %q", names)
		}
	}
}

// sameAnswers compares the answers. Of a head that is malformed and too large
// both drivers say what they see first, which is a matter of the pieces.
func sameAnswers(said [2][]byte, size int) bool {
	if bytes.Equal(said[0], said[1]) {
		return true
	}
	if size < 16<<10 {
		return false
	}
	var begin [2]string
	for side, s := range said {
		at := bytes.LastIndex(s, []byte("HTTP/1.1 4"))
		if at < 0 || !bytes.Contains(s[at:], []byte(`"bad_request"`)) && !bytes.Contains(s[at:], []byte(`"headers_too_large"`)) {
			return false
		}
		begin[side] = string(s[:at])
	}
	return begin[0] == begin[1]
}

var (
	cursorInEvent = regexp.MustCompile(`"streamCursor":"[0-9]+"`)
	madeRequestID = regexp.MustCompile(`"request_id":"[0-9a-f]{16}"`)
	madeIDHeader  = regexp.MustCompile(`^X-Request-Id: [0-9a-f]{16}\r\n$`)
)

// settled leaves out what depends on the time, and ids that the server has made.
func settled(said []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(said) {
		if bytes.HasPrefix(line, []byte("Date: ")) {
			line = []byte("Date: …\r\n")
		}
		if madeIDHeader.Match(line) {
			line = []byte("X-Request-Id: 0000000000000000\r\n")
		}
		b.Write(line)
	}
	said = madeRequestID.ReplaceAll(b.Bytes(), []byte(`"request_id":"0000000000000000"`))
	return cursorInEvent.ReplaceAll(said, []byte(`"streamCursor":"…"`))
}

// namesIn are the streams that were there and those that were created, by the
// answers to that.
func namesIn(said []byte) []string {
	var names []string
	for _, s := range drivenStreams {
		names = append(names, s.Path)
	}
	for line := range bytes.Lines(said) {
		location, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "Location: ")
		if !ok {
			continue
		}
		_, path, _ := strings.Cut(location, streamURL(""))
		if name, err := url.PathUnescape(path); err == nil && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// readAnswers takes apart what a server says, up to a number of answers. method is
// that of each request. rest is what follows.
func readAnswers(said []byte, most int, method func(i int) string) (all []answer, rest []byte, err error) {
	src := bytes.NewReader(said)
	out := bufio.NewReader(src)
	for len(all) < most {
		if _, err := out.Peek(1); err == io.EOF {
			break
		}
		a, err := readResponse(out, method(len(all)))
		if err != nil {
			return all, nil, fmt.Errorf("answer %d: %w", len(all), err)
		}
		if a.StatusCode < 200 {
			continue
		}
		if a.StatusCode >= 400 && a.Close && method(len(all)) == "HEAD" {
			io.Copy(io.Discard, out) // what was not understood is answered with a body, HEAD or not
		}
		all = append(all, a)
	}
	return all, said[len(said)-src.Len()-out.Buffered():], nil
}

// clip shows what is long by its begin and its end.
func clip(b []byte) string {
	if len(b) <= 1000 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q…%d bytes…%q", b[:600], len(b)-900, b[len(b)-300:])
}

// always are headers that every answer has.
var always = regexp.MustCompile(`(Access-Control|X-Content-Type|X-Request-Id|Cross-Origin|Date)[^\n]*\n`)

// shown is a part of an answer for people.
func shown(said []byte) string { return clip(always.ReplaceAll(said, nil)) }

func FuzzDrivers(f *testing.F) {
	for i, row := range badHTTP {
		f.Add([]byte(row.said), []byte{byte(i)}, uint8(i))
		f.Add([]byte(row.said), make([]byte, 12), uint8(3)) // by lines
	}
	p := &arenas{}
	f.Cleanup(func() { p.drop(f) })
	f.Fuzz(func(t *testing.T, in, cuts []byte, end uint8) {
		defer func() {
			if t.Failed() {
				p.now = nil // what it has left is not worth looking at
			}
		}()
		p.take(t).run(t, in, cuts, endings[end%4])
	})
}
