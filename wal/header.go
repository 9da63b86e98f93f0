package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

const (
	headerMagic   = "TAILWAL\n"
	formatVersion = 1
	headerCRCAt   = headerBytes - 4
	headerUsed    = 96
)

// UUID is the identity of a store.
type UUID [16]byte

// String is the UUID in hexadecimal.
func (u UUID) String() string { return fmt.Sprintf("%x", u[:]) }

// VersionError means that a file has a format version that this program cannot
// read.
type VersionError struct {
	Path  string // empty when a decoder saw bytes only
	Found uint32
	Want  uint32
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("wal: %s has format version %d, this program reads version %d", e.Path, e.Found, e.Want)
}

// FileHeader is the first page of a log file.
type FileHeader struct {
	File      uint64 // number of the file
	Store     UUID
	Epoch     uint64
	Salt      uint64
	FirstSeq  uint64 // sequence of the first frame
	PredFile  uint64 // 0 for file 1
	PredEnd   int64
	PredCRC   uint32
	Reused    bool  // frames of an earlier file may stand after its own
	FileBytes int64 // length until a seal cuts it; 0 = written whole, sealed
}

// Append adds the encoded header, a page, to b.
func (h FileHeader) Append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, headerBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, headerMagic)
	le.PutUint32(p[8:], formatVersion)
	le.PutUint64(p[16:], h.File)
	copy(p[24:], h.Store[:])
	le.PutUint64(p[40:], h.Epoch)
	le.PutUint64(p[48:], h.Salt)
	le.PutUint64(p[56:], h.FirstSeq)
	le.PutUint64(p[64:], h.PredFile)
	le.PutUint64(p[72:], uint64(h.PredEnd))
	le.PutUint32(p[80:], h.PredCRC)
	if h.Reused {
		le.PutUint32(p[84:], 1)
	}
	le.PutUint64(p[88:], uint64(h.FileBytes))
	le.PutUint32(p[headerCRCAt:], frame.Checksum(p[:headerCRCAt]))
	return b
}

// headerCRC is the checksum inside an encoded header: the chain value of the
// first frame.
func headerCRC(page []byte) uint32 { return binary.LittleEndian.Uint32(page[headerCRCAt:]) }

// ParseFileHeader decodes the first page of a log file. Its errors are
// *VersionError and *frame.CorruptError.
func ParseFileHeader(p []byte) (FileHeader, error) {
	corrupt := func(at int64, reason string) (FileHeader, error) {
		return FileHeader{}, &frame.CorruptError{Offset: at, Reason: reason}
	}
	le := binary.LittleEndian
	if len(p) < headerBytes {
		return corrupt(int64(len(p)), "file header is cut short")
	}
	p = p[:headerBytes]
	if string(p[:8]) != headerMagic {
		return corrupt(0, "not a log file: bad magic")
	}
	// The version comes before the checksum: another version may keep it elsewhere.
	if v := le.Uint32(p[8:]); v != formatVersion {
		return FileHeader{}, &VersionError{Found: v, Want: formatVersion}
	}
	if frame.Checksum(p[:headerCRCAt]) != headerCRC(p) {
		return corrupt(0, "file header does not match its checksum")
	}
	h := FileHeader{
		File:      le.Uint64(p[16:]),
		Store:     UUID(p[24:40]),
		Epoch:     le.Uint64(p[40:]),
		Salt:      le.Uint64(p[48:]),
		FirstSeq:  le.Uint64(p[56:]),
		PredFile:  le.Uint64(p[64:]),
		PredEnd:   int64(le.Uint64(p[72:])),
		PredCRC:   le.Uint32(p[80:]),
		Reused:    le.Uint32(p[84:]) == 1,
		FileBytes: int64(le.Uint64(p[88:])),
	}
	if le.Uint32(p[12:]) != 0 {
		return corrupt(12, "shard is not 0")
	}
	if reused := le.Uint32(p[84:]); reused > 1 || reused == 1 && h.FileBytes == 0 {
		return corrupt(84, "file is neither new nor used before")
	}
	if i := firstNonZero(p[headerUsed:headerCRCAt]); i >= 0 {
		return corrupt(int64(headerUsed+i), "reserved bytes are not zero")
	}
	switch {
	case h.File == 0 || h.PredFile != h.File-1:
		return corrupt(64, "file and predecessor are not consecutive")
	case h.PredFile == 0 && (h.PredEnd != 0 || h.PredCRC != 0):
		return corrupt(72, "predecessor's end without predecessor")
	case h.PredFile != 0 && (h.PredEnd < headerBytes || h.PredEnd%pageBytes != 0):
		return corrupt(72, "impossible end of the predecessor")
	case h.Epoch == 0 || h.FirstSeq == 0:
		return corrupt(40, "epoch and sequence begin at 1")
	case h.FileBytes != 0 && (h.FileBytes < fileBytesMin || h.FileBytes > fileBytesLimit || h.FileBytes%pageBytes != 0):
		return corrupt(88, "impossible length of the file")
	}
	return h, nil
}

// firstNonZero is the index of the first byte that is not zero, or -1.
func firstNonZero(b []byte) int {
	for at := 0; at < len(b); at += len(zeroPage) {
		part := b[at:min(at+len(zeroPage), len(b))]
		if bytes.Equal(part, zeroPage[:len(part)]) {
			continue // compared many bytes at a time: whole files are
		}
		for i, c := range part {
			if c != 0 {
				return at + i
			}
		}
	}
	return -1
}

var zeroPage [pageBytes]byte
