package checkpoint

import (
	"encoding/binary"

	"tailrace/internal/frame"
)

// Magics of blocks and footer as numbers: "ROWS" and "ENDS".
const (
	blockMagic  = 0x53574F52
	footerMagic = 0x53444E45
)

// Totals say what a file holds.
type Totals struct {
	Rows    uint64 // with bytes
	Removed uint64 // marks of streams that are gone
	Bytes   uint64 // of all rows together
	Blocks  uint64
}

func (t Totals) append(b []byte, chain uint32) []byte {
	begin := len(b)
	b = append(b, make([]byte, footerBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	le.PutUint32(p, footerMagic)
	le.PutUint64(p[8:], t.Rows)
	le.PutUint64(p[16:], t.Removed)
	le.PutUint64(p[24:], t.Bytes)
	le.PutUint64(p[32:], t.Blocks)
	le.PutUint32(p[40:], chain)
	le.PutUint32(p[44:], frame.Checksum(p[:44]))
	return b
}

// checkFooter holds the footer at the beginning of p, which is at that position
// of the file, against what was read before it.
func (t Totals) checkFooter(p []byte, at int64, chain uint32) error {
	le := binary.LittleEndian
	switch {
	case frame.Checksum(p[:44]) != le.Uint32(p[44:]):
		return corrupt(at, "footer does not match its checksum")
	case le.Uint32(p[4:]) != 0:
		return corrupt(at+4, "reserved bytes are not zero")
	case le.Uint32(p[40:]) != chain:
		return corrupt(at+40, "footer does not follow the block before it")
	}
	if (Totals{le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:]), le.Uint64(p[32:])}) != t {
		return corrupt(at+8, "footer has other totals than the rows")
	}
	return nil
}
