package jsonmode

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var seed = flag.Int64("jsonmode.seed", 0, "seed of the random tests; 0 takes one from the clock")

func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = time.Now().UnixNano()
	}
	t.Logf("-jsonmode.seed=%d", s)
	return rand.New(rand.NewPCG(uint64(s), 0))
}

// reference flattens with encoding/json. Its decoder is laxer than RFC 8259 in
// one point, UTF-8, and it allows more nesting than MaxDepth, which its callers
// here stay below.
func reference(body []byte) (stored []byte, messages int, ok bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, 0, false
	}
	text := bytes.Trim(body, " \t\r\n")
	if text[0] != '[' {
		return append(bytes.Clone(text), ','), 1, true
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		return nil, 0, false
	}
	for _, e := range elements {
		stored = append(stored, bytes.Trim(e, " \t\r\n")...)
		stored = append(stored, ',')
	}
	return stored, len(elements), true
}

// checkFlatten holds every law that can be stated about one body.
func checkFlatten(t *testing.T, body []byte) {
	t.Helper()
	before := bytes.Clone(body)
	const kept = "kept,"
	out, n, err := Flatten([]byte(kept), body)
	if !bytes.Equal(body, before) {
		t.Fatalf("Flatten(%q) changed the body to %q", before, body)
	}
	want, messages, ok := reference(body)
	if ok != (err == nil) {
		t.Fatalf("Flatten(%q) = %v, want valid %v", body, err, ok)
	}
	if !ok {
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, ErrInvalid) || errors.Is(err, ErrTooDeep) {
			t.Fatalf("Flatten(%q) = %v, want a *SyntaxError that is ErrInvalid", body, err)
		}
		if syntax.Offset < 0 || syntax.Offset > len(body) || syntax.Reason == "" {
			t.Fatalf("Flatten(%q) = %+v, want a reason and an offset of 0..%d", body, syntax, len(body))
		}
		if string(out) != kept || n != 0 {
			t.Fatalf("Flatten(%q) left %q and %d messages after an error", body, out, n)
		}
		return
	}
	stored := out[len(kept):]
	if string(out[:len(kept)]) != kept || !bytes.Equal(stored, want) || n != messages {
		t.Fatalf("Flatten(%q) = %q and %d messages, want %q and %d", body, out, n, want, messages)
	}
	checkStored(t, stored, n)
}

// Strings are read in steps of eight bytes, so each byte is tried at each place
// of a step, alone and with another special one behind it.
func TestFlattenAgreesOnEveryByteOfAString(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				body := []byte(`"` + strings.Repeat("a", length) + `"`)
				body[1+at] = byte(c)
				checkFlatten(t, body)
				if at+1 < length {
					body[2+at] = '!' // the byte a borrow would mark after a space
					checkFlatten(t, body)
					body[2+at] = '\\'
					checkFlatten(t, body)
				}
			}
		}
	}
}

func TestFlattenAgreesOnAllShortBodies(t *testing.T) {
	tokens := []string{"[", "]", "{", "}", ",", ":", `"`, `"k"`, `\`, "u", "0", "1", "-", ".", "e", " ", "true", "\xc3", "\xa9"}
	var try func(body []byte, left int)
	try = func(body []byte, left int) {
		checkFlatten(t, body)
		if left == 0 {
			return
		}
		for _, token := range tokens {
			try(append(body[:len(body):len(body)], token...), left-1)
		}
	}
	depth := 4
	if raceEnabled {
		depth = 3
	}
	try(nil, depth)
}

func TestFlattenAgreesOnDamagedBodies(t *testing.T) {
	r := random(t)
	for range 20_000 {
		body := randomValue(r, nil, 4)
		checkFlatten(t, body)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(body))
			switch r.IntN(3) {
			case 0:
				body[at] = byte(r.Uint32())
			case 1:
				body = body[:max(at, 1)]
			case 2:
				body = append(body[:at:at], body[min(at+1, len(body)-1):]...)
			}
		}
		checkFlatten(t, body)
	}
}

// randomValue appends a valid JSON text with whitespace in all legal places.
func randomValue(r *rand.Rand, b []byte, depth int) []byte {
	space := func() {
		for r.IntN(4) == 0 {
			b = append(b, " \t\r\n"[r.IntN(4)])
		}
	}
	word := func() {
		b = append(b, '"')
		for range r.IntN(24) {
			parts := []string{"a", "Z", "é", "€", "😀", `\"`, `\\`, `\u00e9`, `\ud83d`, ",", "[", "}", " "}
			b = append(b, parts[r.IntN(len(parts))]...)
		}
		b = append(b, '"')
	}
	space()
	kind := r.IntN(8)
	if depth == 0 {
		kind = r.IntN(4)
	}
	switch kind {
	case 0, 1:
		word()
	case 2:
		parts := []string{"0", "-1", "12.5", "1e9", "-0.1E-7", "123456789012345678901234567890"}
		b = append(b, parts[r.IntN(len(parts))]...)
	case 3:
		parts := []string{"true", "false", "null", "[]", "{}"}
		b = append(b, parts[r.IntN(len(parts))]...)
	case 4, 5:
		b = append(b, '[')
		for i := range 1 + r.IntN(4) {
			if i > 0 {
				b = append(b, ',')
			}
			b = randomValue(r, b, depth-1)
		}
		b = append(b, ']')
	default:
		b = append(b, '{')
		for i := range 1 + r.IntN(4) {
			if i > 0 {
				b = append(b, ',')
			}
			space()
			word()
			space()
			b = append(b, ':')
			b = randomValue(r, b, depth-1)
		}
		b = append(b, '}')
	}
	space()
	return b
}
