// Package frame holds what every file format of the project shares: the
// checksum, the check of reserved bytes, and the error for bytes that do not
// verify.
//
// The checksum is CRC-32C (Castagnoli): it finds every burst of up to 32 bits
// and processors compute it at memory speed.
package frame

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC-32C of b.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Update continues a checksum: Update(Checksum(a), b) is the checksum of a
// followed by b.
func Update(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }

// Zeros tells whether the bytes from one position to before another are zero,
// and where the first is that is not.
func Zeros(b []byte, from, to int) (at int64, ok bool) {
	part := b[from:to]
	// All bytes are zero if the first is and each equals the one before it, which
	// is a comparison at the speed of memory.
	if len(part) == 0 || part[0] == 0 && bytes.Equal(part[1:], part[:len(part)-1]) {
		return 0, true
	}
	for i, c := range part {
		if c != 0 {
			return int64(from + i), false
		}
	}
	return 0, true
}

// CorruptError means that stored bytes are not what was written: a checksum
// fails, a field contradicts another, a file that must be there is missing.
// It never stands for a torn tail that nobody was told about.
type CorruptError struct {
	Path   string // the file; empty when a decoder saw bytes only
	Offset int64  // where in the file the first fault begins; 0 for a whole file
	Reason string // what is wrong, for a human
	Err    error  // what lies beneath, or nil
}

// Error names the file, the byte and the fault.
func (e *CorruptError) Error() string {
	var b strings.Builder
	b.WriteString("corrupt")
	if e.Path != "" {
		b.WriteString(" " + e.Path)
	}
	fmt.Fprintf(&b, " at byte %d: %s", e.Offset, e.Reason)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives what lies beneath.
func (e *CorruptError) Unwrap() error { return e.Err }
