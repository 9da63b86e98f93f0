package stream

import (
	"errors"
	"strconv"
)

// Offset is a place in a stream's offset space. A fresh stream starts at 0,
// and an append of n stored bytes moves the tail by n + AppendGap.
//
// On the wire an offset is two groups of 16 decimal digits joined by an
// underscore, so that comparing tokens as strings compares offsets. The first
// group is always zero in what we send; it is accepted from clients, and then
// the offset lies past every tail.
type Offset uint64

const (
	// AppendGap is what an append adds to the tail beyond its stored length.
	// The gap keeps every offset inside an append distinct from its ends, so a
	// client that adds one to an offset still resumes at the right append.
	AppendGap = 5

	// OffsetMax lies past every tail: reading from it reads from the tail.
	// It is what the sentinel "now" means to a reader.
	OffsetMax Offset = 1<<64 - 1

	// offsetEnd is the first number that has no token.
	offsetEnd = 10_000_000_000_000_000

	// OffsetLen is the length of an offset token in bytes.
	OffsetLen = 33
)

// ErrOffset means that a token is not an offset.
var ErrOffset = errors.New("stream: malformed offset")

// ParseOffset reads an offset token. The sentinels "-1" and "now" are not
// offsets; callers treat them first.
func ParseOffset(token []byte) (Offset, error) {
	if len(token) != OffsetLen || token[16] != '_' {
		return 0, ErrOffset
	}
	hi, ok := digits16(token[:16])
	if !ok {
		return 0, ErrOffset
	}
	lo, ok := digits16(token[17:])
	if !ok {
		return 0, ErrOffset
	}
	if hi != 0 {
		return OffsetMax, nil
	}
	return Offset(lo), nil
}

func digits16(b []byte) (uint64, bool) {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// Append appends the token of o to dst. OffsetMax has no token: the server
// never sends an offset that is not a place in the stream.
func (o Offset) Append(dst []byte) []byte {
	if o >= offsetEnd {
		panic("stream: offset " + strconv.FormatUint(uint64(o), 10) + " has no token")
	}
	const zeros = "0000000000000000_0000000000000000"
	dst = append(dst, zeros...)
	for i, n := len(dst)-1, uint64(o); n > 0; i, n = i-1, n/10 {
		dst[i] = byte('0' + n%10)
	}
	return dst
}

// String is the token of o.
func (o Offset) String() string {
	var b [OffsetLen]byte
	return string(o.Append(b[:0]))
}

// End is the tail after an append of n stored bytes at o.
func (o Offset) End(n int) Offset { return o + Offset(n) + AppendGap }
