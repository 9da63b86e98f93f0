package remote

import (
	"encoding/binary"
	"fmt"
	"math"

	"tailrace/internal/frame"
)

const headerMagic = "TAILCEL\n"

// VersionError means that a file has a format version that this program cannot
// read.
type VersionError struct{ Found, Want uint32 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("remote: format version is %d, this program reads version %d", e.Found, e.Want)
}

// Header is the beginning of a file of cells.
type Header struct {
	Store     [16]byte
	CellBytes uint32
	Slots     uint32
}

func (h Header) tableEnd() int64 { return pageBytes + int64(h.Slots)*entryBytes }

// data is where the data of a slot begins.
func (h Header) data(slot uint32) int64 {
	return (h.tableEnd()+pageBytes-1)/pageBytes*pageBytes + int64(slot)*int64(h.CellBytes)
}

// slotsWithin is how many slots a file of so many bytes has room for.
func slotsWithin(bytes, cellBytes int64) uint32 {
	n := max((bytes-pageBytes)/(cellBytes+entryBytes), 0)
	n = min(n, math.MaxUint32)
	for ; n > 0; n-- { // the end of the table is rounded up: once or twice at most
		if (Header{CellBytes: uint32(cellBytes), Slots: uint32(n)}).data(uint32(n)) <= bytes {
			break
		}
	}
	return uint32(n)
}

// Append adds the encoded header to b.
func (h Header) Append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, headerBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, headerMagic)
	le.PutUint32(p[8:], formatVersion)
	le.PutUint32(p[12:], h.CellBytes)
	copy(p[16:], h.Store[:])
	le.PutUint32(p[32:], h.Slots)
	le.PutUint32(p[60:], frame.Checksum(p[:60]))
	return b
}

// seed is what all other checksums of the file begin with.
func (h Header) seed() uint32 { return frame.Checksum(h.Append(nil)[60:]) }

// Entry says what is in a slot.
type Entry struct {
	File   uint64
	Cell   uint64
	Length uint32
	CRC    uint32 // of the data, and of whose they are
}

// appendKey adds what comes before the checksums.
func (e Entry) appendKey(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, e.File)
	b = le.AppendUint64(b, e.Cell)
	b = le.AppendUint32(b, e.Length)
	return le.AppendUint32(b, 0)
}

// sum is what CRC has to be for the data to be those of the entry.
func (e Entry) sum(seed uint32, data []byte) uint32 {
	var key [24]byte
	return frame.Update(frame.Update(seed, e.appendKey(key[:0])), data)
}

func entrySum(seed, slot uint32, entry []byte) uint32 {
	var number [4]byte
	binary.LittleEndian.PutUint32(number[:], slot)
	return frame.Update(frame.Update(seed, number[:]), entry[:28])
}

// append adds the encoded entry of a slot to b.
func (e Entry) append(b []byte, seed, slot uint32) []byte {
	begin := len(b)
	b = e.appendKey(b)
	b = binary.LittleEndian.AppendUint32(b, e.CRC)
	return binary.LittleEndian.AppendUint32(b, entrySum(seed, slot, b[begin:]))
}

// Table is the front of a file of cells.
type Table struct {
	Header
	Entries map[uint32]Entry // by slot
	Damaged int              // entries that do not verify
}

// DecodeTable decodes the front of a file of cells. Bytes after the table are
// not looked at. A faulty header is an error, a *frame.CorruptError or a
// *VersionError; faulty entries are counted and left out.
func DecodeTable(b []byte) (Table, error) {
	le := binary.LittleEndian
	if len(b) < headerBytes {
		return Table{}, corrupt(0, "header is cut short")
	}
	if string(b[:8]) != headerMagic {
		return Table{}, corrupt(0, "not a file of cells: bad magic")
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return Table{}, &VersionError{Found: v, Want: formatVersion}
	}
	if frame.Checksum(b[:60]) != le.Uint32(b[60:]) {
		return Table{}, corrupt(0, "header does not match its checksum")
	}
	h := Header{Store: [16]byte(b[16:32]), CellBytes: le.Uint32(b[12:]), Slots: le.Uint32(b[32:])}
	switch {
	case h.CellBytes == 0 || h.CellBytes%pageBytes != 0 || h.CellBytes > cellBytesMax:
		return Table{}, corrupt(12, fmt.Sprintf("cells of %d bytes", h.CellBytes))
	case h.Slots == 0:
		return Table{}, corrupt(32, "no slots")
	case [24]byte(b[36:60]) != [24]byte{}:
		return Table{}, corrupt(36, "reserved bytes are not zero")
	case int64(len(b)) < h.tableEnd():
		return Table{}, corrupt(int64(len(b)), "table is cut short")
	}
	t := Table{Header: h, Entries: map[uint32]Entry{}}
	seed := h.seed()
	for slot := range h.Slots {
		p := b[pageBytes+int64(slot)*entryBytes:][:entryBytes]
		if [entryBytes]byte(p) == [entryBytes]byte{} {
			continue
		}
		e := Entry{File: le.Uint64(p), Cell: le.Uint64(p[8:]), Length: le.Uint32(p[16:]), CRC: le.Uint32(p[24:])}
		if le.Uint32(p[28:]) != entrySum(seed, slot, p) || le.Uint32(p[20:]) != 0 ||
			e.Length == 0 || e.Length > h.CellBytes || e.Cell > uint64(math.MaxInt64)/uint64(h.CellBytes) {
			t.Damaged++
			continue
		}
		t.Entries[slot] = e
	}
	return t, nil
}
