package livetest

import (
	"fmt"
	"strconv"
	"strings"
)

// offset is a place in a stream, as ADR 0004 counts.
type offset uint64

const (
	tokenZeros   = "0000000000000000_"
	appendFixed  = 5 // what an append takes beside its bytes
	tokenBegin   = "-1"
	tokenNow     = "now"
	offsetDigits = 16
)

func (o offset) String() string { return fmt.Sprintf("%s%016d", tokenZeros, uint64(o)) }

func parseOffset(s string) (offset, error) {
	digits, ok := strings.CutPrefix(s, tokenZeros)
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || len(digits) != offsetDigits {
		return 0, fmt.Errorf("%q is no offset", s)
	}
	return offset(n), nil
}
