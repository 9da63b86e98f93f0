package segment

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

const (
	headerMagic   = "TAILSEG\n"
	formatVersion = 1
	headerCRCAt   = headerBytes - crcBytes
)

var le = binary.LittleEndian

// Info is what a segment says of itself, given by who writes it.
type Info struct {
	Store   [16]byte // identity of the store
	ID      uint64   // of the segment, never reused in its store
	Level   uint8    // 0 from the log, higher from merges
	Created int64    // unix milliseconds
}

// VersionError means that a file has a format version that this program cannot
// read.
type VersionError struct {
	Path  string
	Found uint32
	Want  uint32
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("segment: %s has format version %d, this program reads version %d", e.Path, e.Found, e.Want)
}

// fileSum is the crc in the header of a file. Placed checksums begin with it.
type fileSum uint32

// placed is the checksum of b at a position of the file.
func (s fileSum) placed(pos uint64, b []byte) uint32 {
	var head [12]byte
	le.PutUint32(head[0:], uint32(s))
	le.PutUint64(head[4:], pos)
	return frame.Update(frame.Checksum(head[:]), b)
}

// appendHeader adds the encoded header to b and returns its checksum.
func (i Info) appendHeader(b []byte) ([]byte, fileSum) {
	var p [headerBytes]byte
	copy(p[:], headerMagic)
	le.PutUint32(p[8:], formatVersion)
	copy(p[16:], i.Store[:])
	le.PutUint64(p[32:], i.ID)
	le.PutUint64(p[40:], uint64(i.Created))
	p[48] = i.Level
	sum := frame.Checksum(p[:headerCRCAt])
	le.PutUint32(p[headerCRCAt:], sum)
	return append(b, p[:]...), fileSum(sum)
}

// parseHeader decodes the beginning of a file, which is headerBytes long.
func parseHeader(path string, p []byte) (Info, fileSum, error) {
	corrupt := func(at int64, reason string) (Info, fileSum, error) {
		return Info{}, 0, &frame.CorruptError{Path: path, Offset: at, Reason: reason}
	}
	if string(p[:8]) != headerMagic {
		return corrupt(0, "not a segment: bad magic")
	}
	// The version comes before the checksum: another version may keep it elsewhere.
	if v := le.Uint32(p[8:]); v != formatVersion {
		return Info{}, 0, &VersionError{Path: path, Found: v, Want: formatVersion}
	}
	sum := le.Uint32(p[headerCRCAt:])
	if frame.Checksum(p[:headerCRCAt]) != sum {
		return corrupt(0, "header does not match its checksum")
	}
	if le.Uint32(p[12:]) != 0 {
		return corrupt(12, "reserved bytes are not zero")
	}
	if !allZero(p[49:headerCRCAt]) {
		return corrupt(49, "reserved bytes are not zero")
	}
	return Info{
		Store: [16]byte(p[16:32]), ID: le.Uint64(p[32:]), Created: int64(le.Uint64(p[40:])), Level: p[48],
	}, fileSum(sum), nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
