package jsonmode

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The kinds of bytes that the scanners tell apart. A byte of a string that has
// none of the marks is passed over without a second look.
const (
	classSpace  = 1 << iota // whitespace outside strings
	classStop               // ends a plain stretch of a string: quote, backslash, control
	classEscape             // may follow a backslash; u is a case of its own
	classHex                // digit of a \u escape
)

var classes = func() (t [256]uint8) {
	for _, c := range " \t\r\n" {
		t[c] |= classSpace
	}
	for c := range 0x20 {
		t[c] |= classStop
	}
	t['"'] |= classStop
	t['\\'] |= classStop
	for _, c := range `"\/bfnrt` {
		t[c] |= classEscape
	}
	for _, c := range "0123456789abcdefABCDEF" {
		t[c] |= classHex
	}
	return t
}()

// Eight copies of a byte, for looking at eight bytes in one step.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// skipPlain returns the first byte at or after i that has classStop, or len(b),
// and the bits of all bytes before it, in no particular place: what matters to
// the caller is whether any had its high bit set.
func skipPlain(b []byte, i int) (int, uint64) {
	var seen uint64
	for len(b)-i >= 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote := x ^ '"'*ones
		slash := x ^ '\\'*ones
		// Each term marks the high bit of the bytes it looks for. Borrows may
		// also mark bytes above a true mark, never below: the lowest is right.
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x) & highs
		if stop != 0 {
			n := bits.TrailingZeros64(stop) &^ 7
			return i + n>>3, seen | x&(1<<n-1)
		}
		seen |= x
		i += 8
	}
	for i < len(b) && classes[b[i]]&classStop == 0 {
		seen |= uint64(b[i])
		i++
	}
	return i, seen
}

// scanString checks the rest of a string whose opening quote is the byte before
// i and returns the byte after the closing one.
func scanString(b []byte, i int) (int, fault) {
	start := i
	var seen, part uint64
	for {
		i, part = skipPlain(b, i)
		seen |= part
		if i == len(b) {
			return stringFault(b, start, i, faultEnd)
		}
		switch b[i] {
		case '"':
			// Quotes and backslashes are never inside the encoding of another
			// rune, so it is safe to find the end first and check the runes after.
			if seen&highs != 0 && !utf8.Valid(b[start:i]) {
				return stringFault(b, start, i, faultUTF8)
			}
			return i + 1, faultNone
		case '\\':
			var f fault
			if i, f = scanEscape(b, i+1); f != faultNone {
				return stringFault(b, start, i, f)
			}
		default:
			return stringFault(b, start, i, faultControl)
		}
	}
}

// scanEscape checks what follows a backslash.
func scanEscape(b []byte, i int) (int, fault) {
	if i == len(b) {
		return i, faultEnd
	}
	if b[i] != 'u' {
		if classes[b[i]]&classEscape == 0 {
			return i, faultEscape
		}
		return i + 1, faultNone
	}
	i++
	for end := i + 4; i < end; i++ {
		if i == len(b) {
			return i, faultEnd
		}
		if classes[b[i]]&classHex == 0 {
			return i, faultEscape
		}
	}
	return i, faultNone
}

// stringFault moves a fault to the first invalid rune before it, if there is
// one: runes are checked later than the rest of the string.
func stringFault(b []byte, start, i int, f fault) (int, fault) {
	for start < i {
		r, n := utf8.DecodeRune(b[start:i])
		if r == utf8.RuneError && n == 1 {
			return start, faultUTF8
		}
		start += n
	}
	return i, f
}
