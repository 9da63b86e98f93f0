package wal

import (
	"encoding/binary"
	"iter"
	"math/bits"

	"tailrace/internal/frame"
)

// RecordSize is how many bytes a record of n bytes takes in a payload.
func RecordSize(n int) int {
	return (bits.Len64(uint64(n)|1)+6)/7 + n
}

// AppendRecord adds one record, head followed by body, to a payload.
func AppendRecord(payload, head, body []byte) []byte {
	payload = binary.AppendUvarint(payload, uint64(len(head)+len(body)))
	payload = append(payload, head...)
	return append(payload, body...)
}

// Records walks the records of a payload in order. Each record is a part of
// payload, not a copy. A malformed payload ends the walk with a
// *frame.CorruptError whose Offset counts from the beginning of the payload.
func Records(payload []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for at := 0; at < len(payload); {
			n, width := binary.Uvarint(payload[at:])
			// A length has one spelling only, so that equal records are equal bytes.
			if width <= 0 || width > 1 && payload[at+width-1] == 0 {
				yield(nil, &frame.CorruptError{Offset: int64(at), Reason: "malformed record length"})
				return
			}
			if n > uint64(len(payload)-at-width) {
				yield(nil, &frame.CorruptError{Offset: int64(at), Reason: "record is longer than its frame"})
				return
			}
			begin := at + width
			at = begin + int(n)
			if !yield(payload[begin:at:at], nil) {
				return
			}
		}
	}
}

// countRecords is the number of records in a well-formed payload.
func countRecords(payload []byte) (int, error) {
	n := 0
	for _, err := range Records(payload) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
