package livetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// kind is the type of a stream: what its messages look like.
type kind int

const (
	binaryKind kind = iota
	textKind
	jsonKind
	kinds
)

func (k kind) contentType() string {
	return [...]string{"application/octet-stream", "text/plain; charset=utf-8", "application/json"}[k]
}

func (k kind) String() string { return [...]string{"binary", "text", "json"}[k] }

// message is the body of an append.
type message struct {
	sent   []byte
	stored []byte // what offsets count
	cuts   []int  // JSON: the ends in stored of its values
}

// label says whose message it is.
func label(name string, writer, n int) string {
	return fmt.Sprintf("%s writer %d number %d", name, writer, n)
}

// part is the beginning of what is stored, n bytes or values long.
func (k kind) part(stored []byte, cuts []int, n int) ([]byte, []int) {
	if k == jsonKind {
		return stored[:cuts[n-1]], cuts[:n]
	}
	return stored[:n], nil
}

// bodyMax is the largest payload that is drawn.
const bodyMax = 200 << 10

// size draws the size of a payload: most are small.
func size(r *rand.Rand, heavy bool) int {
	n := r.IntN(100)
	if heavy {
		n = 60 + r.IntN(40)
	}
	switch {
	case n < 70:
		return r.IntN(600)
	case n < 90:
		return r.IntN(8 << 10)
	case n < 98:
		return r.IntN(40 << 10)
	default:
		return r.IntN(bodyMax)
	}
}

// message draws a message, never empty.
func (k kind) message(label string, r *rand.Rand, heavy bool) message {
	n := size(r, heavy)
	switch k {
	case binaryKind:
		b := append(make([]byte, 0, n+64), label...)
		for len(b) < n {
			v := r.Uint64()
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
		}
		return message{sent: b, stored: b}
	case textKind:
		b := []byte(phrase(r.IntN(20), r) + label + phrase(n, r))
		return message{sent: b, stored: b}
	default:
		return jsonMessage(label, n, r)
	}
}

// words are what text is made of: all ends of line, and what looks like the
// framing of an event stream.
var words = [...]string{
	"tail", "race", "0123456789abcdefghijklmnopqrstuvwxyz", " ", "  ", "\n", "\r", "\r\n", "\n\r", "\n\n", "\r\r", "\r\n\r\n", "é", "世", "🌊", "\"", "\\",
	":", "\n:", "data:", "data: ", "\ndata: x\n\n", "event: control", "\n\nevent: control\ndata:{\"streamNextOffset\":\"0000000000000000_0000000000000000\"}\n\n",
	"\rid: 7\r\r", "\nretry: 1\n\n", "{", "],[", "\t", "\x00", "\ufeff", "0\r\n\r\n",
}

// phrase is text of about n bytes.
func phrase(n int, r *rand.Rand) string {
	var b strings.Builder
	for b.Len() < n {
		if n-b.Len() > 4<<10 && r.IntN(50) == 0 {
			b.WriteString(strings.Repeat(words[r.IntN(4)], r.IntN(200))) // fewer lines in what is large
		}
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

// spaces are what may stand between values.
var spaces = [...]string{"", "", "", " ", "\n", "\r\n", "\t\r"}

// jsonMessage draws one value, or an array of some.
func jsonMessage(label string, n int, r *rand.Rand) message {
	values := 1 + max(0, r.IntN(8)-3)
	var m message
	space := func() { m.sent = append(m.sent, spaces[r.IntN(len(spaces))]...) }
	array := values > 1 || r.IntN(2) == 0
	if array {
		m.sent = append(m.sent, '[')
	}
	for i := range values {
		v := jsonValue(label, i, n/values, r)
		if i > 0 {
			m.sent = append(m.sent, ',')
		}
		space()
		m.sent = append(m.sent, v...)
		space()
		m.stored = append(append(m.stored, v...), ',')
		m.cuts = append(m.cuts, len(m.stored))
	}
	if array {
		m.sent = append(m.sent, ']')
	}
	return m
}

// jsonValue draws an object of about n bytes, as people or programs write it.
func jsonValue(label string, i, n int, r *rand.Rand) []byte {
	v := map[string]any{"of": label, "value": i, "é\"\n": nested(r, 3)}
	if n > 100 {
		v["text"] = phrase(n-100, r)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(r.IntN(2) == 0)
	if r.IntN(3) == 0 {
		enc.SetIndent("", spaces[3:][r.IntN(len(spaces)-3)])
	}
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if r.IntN(3) == 0 {
		out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n")) // between tokens: strings have none
	}
	return out
}

// nested draws any value.
func nested(r *rand.Rand, depth int) any {
	switch n := r.IntN(8); {
	case n == 0:
		return nil
	case n == 1:
		return r.IntN(2) == 0
	case n == 2:
		return json.Number([]string{"-0", "1.50", "1e400", "12345678901234567890123", "-7E-3"}[r.IntN(5)])
	case n == 3 || depth == 0:
		return phrase(r.IntN(30), r)
	case n < 6:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = nested(r, depth-1)
		}
		return list
	default:
		m := map[string]any{}
		for range r.IntN(4) {
			m[phrase(r.IntN(6), r)] = nested(r, depth-1)
		}
		return m
	}
}
