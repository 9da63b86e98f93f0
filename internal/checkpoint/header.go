package checkpoint

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

// Kind says what rows a file has.
type Kind uint32

const (
	Snapshot Kind = 1 // all
	Delta    Kind = 2 // those that changed, and marks of those that are gone
)

func (k Kind) String() string {
	switch k {
	case Snapshot:
		return "snapshot"
	case Delta:
		return "delta"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// Header is the beginning of a file.
type Header struct {
	Kind  Kind
	Store [16]byte // identity of the store
	ID    uint64   // of the file
	Batch uint64   // the last batch that is in the rows
	Base  uint64   // of a delta: the batch of the file that it builds on, at most Batch
}

// VersionError means that a file has a format version that this program cannot
// read.
type VersionError struct{ Found, Want uint32 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("checkpoint: format version is %d, this program reads version %d", e.Found, e.Want)
}

const headerMagic = "TAILCKP\n"

func (h Header) append(b []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, headerBytes)...)
	p := b[begin:]
	le := binary.LittleEndian
	copy(p, headerMagic)
	le.PutUint32(p[8:], formatVersion)
	le.PutUint32(p[12:], uint32(h.Kind))
	copy(p[16:], h.Store[:])
	le.PutUint64(p[32:], h.ID)
	le.PutUint64(p[40:], h.Batch)
	le.PutUint64(p[48:], h.Base)
	le.PutUint32(p[60:], frame.Checksum(p[:60]))
	return b
}

// check tells where a header is wrong, and why.
func (h Header) check() (at int64, reason string) {
	switch {
	case h.Kind != Snapshot && h.Kind != Delta:
		return 12, "checkpoint of unknown " + h.Kind.String()
	case h.ID == 0:
		return 32, "checkpoint without an id"
	case h.Kind == Snapshot && h.Base != 0:
		return 48, "snapshot that builds on another file"
	case h.Base > h.Batch:
		return 48, "delta that ends before it begins"
	}
	return 0, ""
}

// parseHeader decodes headerBytes of p.
func parseHeader(p []byte) (Header, error) {
	le := binary.LittleEndian
	if string(p[:8]) != headerMagic {
		return Header{}, corrupt(0, "not a checkpoint file: bad magic")
	}
	if v := le.Uint32(p[8:]); v != formatVersion {
		return Header{}, &VersionError{Found: v, Want: formatVersion}
	}
	if frame.Checksum(p[:60]) != le.Uint32(p[60:]) {
		return Header{}, corrupt(0, "header does not match its checksum")
	}
	if le.Uint32(p[56:]) != 0 {
		return Header{}, corrupt(56, "reserved bytes are not zero")
	}
	h := Header{
		Kind: Kind(le.Uint32(p[12:])), Store: [16]byte(p[16:32]),
		ID: le.Uint64(p[32:]), Batch: le.Uint64(p[40:]), Base: le.Uint64(p[48:]),
	}
	if at, reason := h.check(); reason != "" {
		return Header{}, corrupt(at, reason)
	}
	return h, nil
}

func corrupt(at int64, reason string) error {
	return &frame.CorruptError{Offset: at, Reason: reason}
}
