package manifest

import (
	"encoding/binary"

	"tailrace/internal/frame"
)

const (
	headerMagic  = "TAILMAN\n"
	currentMagic = "TAILCUR\n"
)

// Header is the beginning of a manifest file.
type Header struct {
	Store    [16]byte // identity of the store
	Number   uint64   // of the file, also its name; at least 1
	FirstSeq uint64   // sequence of the snapshot that follows
}

const headerCRCAt = headerBytes - 4

// Append adds the encoded header to b.
func (h Header) Append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, headerBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, headerMagic)
	le.PutUint32(p[8:], formatVersion)
	copy(p[16:], h.Store[:])
	le.PutUint64(p[32:], h.Number)
	le.PutUint64(p[40:], h.FirstSeq)
	le.PutUint32(p[headerCRCAt:], frame.Checksum(p[:headerCRCAt]))
	return b
}

// ParseHeader decodes the header at the beginning of p, which may be longer.
// Errors are *VersionError and *frame.CorruptError.
func ParseHeader(p []byte) (Header, error) {
	if err := checkMagic(p, headerMagic, "manifest file", 1, formatVersion, headerBytes); err != nil {
		return Header{}, err
	}
	le := binary.LittleEndian
	if frame.Checksum(p[:headerCRCAt]) != le.Uint32(p[headerCRCAt:]) {
		return Header{}, corrupt(0, "header does not match its checksum", nil)
	}
	h := Header{Store: [16]byte(p[16:32]), Number: le.Uint64(p[32:]), FirstSeq: le.Uint64(p[40:])}
	if at, ok := frame.Zeros(p, 12, 16); !ok {
		return Header{}, corrupt(at, "reserved bytes are not zero", nil)
	}
	if at, ok := frame.Zeros(p, 48, headerCRCAt); !ok {
		return Header{}, corrupt(at, "reserved bytes are not zero", nil)
	}
	if h.Number == 0 {
		return Header{}, corrupt(32, "manifest file has no number", nil)
	}
	if h.FirstSeq == 0 {
		return Header{}, corrupt(40, "manifest file has no sequence", nil)
	}
	return h, nil
}

// Current is the content of CURRENT: which manifest file counts, and how it
// begins.
type Current struct {
	Store       [16]byte
	Number      uint64 // of the manifest file
	SnapshotSeq uint64 // sequence of its first frame
	SnapshotCRC uint32 // and the checksum of that
}

// Append adds the encoded file to b.
func (c Current) Append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, currentBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, currentMagic)
	le.PutUint32(p[8:], currentVersion)
	copy(p[16:], c.Store[:])
	le.PutUint64(p[32:], c.Number)
	le.PutUint64(p[40:], c.SnapshotSeq)
	le.PutUint32(p[48:], c.SnapshotCRC)
	le.PutUint32(p[60:], frame.Checksum(p[:60]))
	return b
}

// ParseCurrent decodes a whole CURRENT file. Errors are *VersionError and
// *frame.CorruptError.
func ParseCurrent(p []byte) (Current, error) {
	if err := checkMagic(p, currentMagic, "CURRENT", currentVersion, currentVersion, currentBytes); err != nil {
		return Current{}, err
	}
	if len(p) != currentBytes {
		return Current{}, corrupt(currentBytes, "CURRENT is too long", nil)
	}
	le := binary.LittleEndian
	if frame.Checksum(p[:60]) != le.Uint32(p[60:]) {
		return Current{}, corrupt(0, "CURRENT does not match its checksum", nil)
	}
	for _, reserved := range [][2]int{{12, 16}, {52, 60}} {
		if at, ok := frame.Zeros(p, reserved[0], reserved[1]); !ok {
			return Current{}, corrupt(at, "reserved bytes are not zero", nil)
		}
	}
	c := Current{
		Store: [16]byte(p[16:32]), Number: le.Uint64(p[32:]),
		SnapshotSeq: le.Uint64(p[40:]), SnapshotCRC: le.Uint32(p[48:]),
	}
	if c.Number == 0 {
		return Current{}, corrupt(32, "CURRENT names no file", nil)
	}
	return c, nil
}

// checkMagic checks magic, version and least length of a file.
func checkMagic(p []byte, magic, what string, oldest, newest uint32, length int) error {
	if len(p) < 12 {
		return corrupt(int64(len(p)), what+" is cut short", nil)
	}
	if string(p[:8]) != magic {
		return corrupt(0, "not a "+what+": bad magic", nil)
	}
	if v := binary.LittleEndian.Uint32(p[8:]); v < oldest || v > newest {
		return &VersionError{Found: v, Want: newest}
	}
	if len(p) < length {
		return corrupt(int64(len(p)), what+" is cut short", nil)
	}
	return nil
}
