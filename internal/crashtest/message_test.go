package crashtest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
)

// place names an append: the n-th one, from 0, of producer p.
type place struct{ p, n int }

func (at place) String() string { return fmt.Sprintf("message %d of producer %d", at.n, at.p) }

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

// encode returns the body of an append, never empty.
func (k kind) encode(at place, r *rand.Rand) []byte {
	switch k {
	case binaryKind:
		return encodeBinary(at, r)
	case textKind:
		return encodeText(at, r)
	default:
		return encodeJSON(at, r)
	}
}

// decode splits what was read into appends. What it can't make sense of is an
// error, and the appends before it are returned.
func (k kind) decode(b []byte) ([]place, error) {
	switch k {
	case binaryKind:
		return decodeBinary(b)
	case textKind:
		return decodeText(b)
	default:
		return decodeJSON(b)
	}
}

// size draws the size of a payload: most are small, some need many pages.
func size(r *rand.Rand) int {
	switch n := r.IntN(20); {
	case n == 0:
		return r.IntN(24 << 10)
	case n < 6:
		return r.IntN(6 << 10)
	default:
		return r.IntN(600)
	}
}

var errBinary = errors.New("not a binary message")

// Binary: magic, producer, number, length, payload, CRC-32 of all before it.
const (
	binaryMagic = "MSG\x00"
	binaryHead  = 16
)

func encodeBinary(at place, r *rand.Rand) []byte {
	b := append(make([]byte, 0, 1<<10), binaryMagic...)
	n := size(r)
	b = binary.LittleEndian.AppendUint32(b, uint32(at.p))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.n))
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for range n {
		b = append(b, byte(r.Uint32()))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func decodeBinary(b []byte) (all []place, err error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < binaryHead || string(b[:4]) != binaryMagic {
			return all, errBinary
		}
		end := binaryHead + int(le.Uint32(b[12:]))
		if end+4 > len(b) || le.Uint32(b[end:]) != crc32.ChecksumIEEE(b[:end]) {
			return all, errBinary
		}
		all = append(all, place{int(le.Uint32(b[4:])), int(le.Uint32(b[8:]))})
		b = b[end+4:]
	}
	return all, nil
}

// Text: a line with producer, number and length, the payload, a line with the
// CRC-32 of all before it. Payloads hold ends of line and what looks like the
// framing of an event stream. There is no CR: an event stream does not keep it.
func encodeText(at place, r *rand.Rand) []byte {
	payload := phrase(size(r), r)
	b := fmt.Appendf(nil, "%d %d %d\n%s", at.p, at.n, len(payload), payload)
	return fmt.Appendf(b, "%08x\n", crc32.ChecksumIEEE(b))
}

func decodeText(b []byte) (all []place, err error) {
	for len(b) > 0 {
		head, rest, _ := bytes.Cut(b, []byte("\n"))
		var at place
		var n int
		if _, err := fmt.Sscanf(string(head), "%d %d %d", &at.p, &at.n, &n); err != nil {
			return all, fmt.Errorf("not a text message: %w", err)
		}
		if n < 0 || n+9 > len(rest) {
			return all, fmt.Errorf("not a text message: %d bytes of %d", len(rest), n+9)
		}
		end := len(b) - len(rest) + n
		if want := fmt.Sprintf("%08x\n", crc32.ChecksumIEEE(b[:end])); string(rest[n:n+9]) != want {
			return all, fmt.Errorf("%v does not match its checksum", at)
		}
		all, b = append(all, at), rest[n+9:]
	}
	return all, nil
}

// phrase is text of about n bytes.
func phrase(n int, r *rand.Rand) string {
	words := [...]string{"tail", "race", " ", "\n", "\n\n", "é", "世", "\"", "\\", "data: ", "event: control\n", "{", "],[", "\t", "0123456789"}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

// part is a JSON message: an append has one or several of them, which belong
// together.
type part struct {
	P, N     int
	Part, Of int
	Text     string
	CRC      uint32
}

func (m part) sum() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %d %d %d %s", m.P, m.N, m.Part, m.Of, m.Text))
}

func encodeJSON(at place, r *rand.Rand) []byte {
	parts := make([]part, 1+max(0, r.IntN(5)-2))
	for i := range parts {
		m := part{P: at.p, N: at.n, Part: i, Of: len(parts), Text: phrase(size(r)/len(parts), r)}
		m.CRC = m.sum()
		parts[i] = m
	}
	var v any = parts
	if len(parts) == 1 && r.IntN(2) == 0 {
		v = parts[0] // a message alone needs no brackets
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func decodeJSON(b []byte) (all []place, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	var parts []part
	if err := json.Unmarshal(b, &parts); err != nil {
		return nil, err
	}
	for i := 0; i < len(parts); {
		first := parts[i]
		if first.Of < 1 || i+first.Of > len(parts) {
			return all, fmt.Errorf("an append of %d parts has %d", first.Of, len(parts)-i)
		}
		for j, m := range parts[i : i+first.Of] {
			if m.P != first.P || m.N != first.N || m.Of != first.Of || m.Part != j || m.CRC != m.sum() {
				return all, fmt.Errorf("part %d of an append is wrong: %.100v", j, m)
			}
		}
		all, i = append(all, place{first.P, first.N}), i+first.Of
	}
	return all, nil
}

func TestMessagesExplainThemselves(t *testing.T) {
	r := newRand(t)
	for k := range kinds {
		var stream []byte
		var want []place
		for n := range 50 {
			at := place{r.IntN(9), n}
			want = append(want, at)
			stream = join(k, stream, k.encode(at, r))
		}
		got, err := k.decode(stream)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v: decode = %v, %v, want %v", k, got, err, want)
		}
		for range 60 {
			damaged := bytes.Clone(stream)
			damaged[r.IntN(len(damaged))] ^= 1 << r.IntN(8)
			got, err := k.decode(damaged)
			if err == nil && k == jsonKind && fmt.Sprint(got) == fmt.Sprint(want) {
				continue // the case of a key means nothing
			}
			if err == nil {
				t.Errorf("%v: a flipped bit was not found: %v", k, got)
			}
		}
	}
}

// join appends a body to a stream as a reader sees it.
func join(k kind, stream, body []byte) []byte {
	if k != jsonKind {
		return append(stream, body...)
	}
	body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
	if len(stream) == 0 {
		return append(append([]byte("["), body...), ']')
	}
	return append(append(append(stream[:len(stream)-1], ','), body...), ']')
}
