package jsonmode

import "slices"

// Flatten checks that the whole body is one JSON text and appends its messages
// to dst in the stored form. It returns the extended buffer and the number of
// messages, which is 0 for an empty array: whether that is allowed is the
// caller's rule.
//
// The check is strict: RFC 8259 with nothing added, UTF-8 without a byte order
// mark, MaxDepth levels of nesting in a message. A \u escape of half a
// surrogate pair is legal JSON and is kept.
//
// At most len(body)+1 bytes are appended. The error is a *SyntaxError, and then
// out holds nothing but the bytes of dst. dst must not share memory with body.
func Flatten(dst, body []byte) (out []byte, messages int, err error) {
	i := skipSpace(body, 0)
	if i == len(body) {
		return dst, 0, faultEmpty.at(i)
	}

	// Nothing that is stored is longer than this, so one growth is enough.
	out = slices.Grow(dst, len(body)+1)

	var s scanner
	var end int
	var f fault
	if body[i] != '[' {
		if end, f = s.value(body, i); f == faultNone {
			out = append(append(out, body[i:end]...), ',')
			messages = 1
		}
	} else {
		out, messages, end, f = s.elements(out, body, i+1)
	}
	if f == faultNone {
		if end = skipSpace(body, end); end < len(body) {
			f = faultTrailing
		}
	}
	if f != faultNone {
		return out[:len(dst)], 0, f.at(end)
	}
	return out, messages, nil
}

// elements appends the elements of the array whose opening bracket is the byte
// before i. It returns the byte after the closing bracket, or where it stopped.
func (s *scanner) elements(out, body []byte, i int) ([]byte, int, int, fault) {
	messages := 0
	i = skipSpace(body, i)
	if i < len(body) && body[i] == ']' {
		return out, 0, i + 1, faultNone
	}
	for {
		end, f := s.value(body, i)
		if f != faultNone {
			return out, messages, end, f
		}
		out = append(append(out, body[i:end]...), ',')
		messages++

		i = skipSpace(body, end)
		if i == len(body) {
			return out, messages, i, faultEnd
		}
		switch body[i] {
		case ',':
			i = skipSpace(body, i+1)
		case ']':
			return out, messages, i + 1, faultNone
		default:
			return out, messages, i, faultComma
		}
	}
}
