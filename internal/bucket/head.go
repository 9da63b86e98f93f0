package bucket

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

const (
	headMagic   = "TAILHEAD"
	stateMagic  = "TAILSTAT"
	version     = 1
	headCRCAt   = HeadBytes - 4
	stateHeader = 96
	stateCRCAt  = stateHeader - 4
)

// HeadBytes is the size of a head.
const HeadBytes = 128

var le = binary.LittleEndian

// Head says who owns a store in the bucket, and what was published last.
type Head struct {
	Store [16]byte
	Owner [16]byte
	Epoch uint64

	State      Object // the zero value: nothing was published yet
	StateBytes int64

	Written int64  // unix milliseconds
	Nonce   uint64 // drawn for each head that is written, so that no two are equal
}

// VersionError means that an object has a format version that this program
// cannot read.
type VersionError struct {
	What        string
	Found, Want uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("bucket: %s has format version %d, this program reads version %d", e.What, e.Found, e.Want)
}

// Append adds the encoded head to b.
func (h *Head) Append(b []byte) []byte {
	var p [HeadBytes]byte
	copy(p[:], headMagic)
	le.PutUint32(p[8:], version)
	copy(p[16:], h.Store[:])
	copy(p[32:], h.Owner[:])
	le.PutUint64(p[48:], h.Epoch)
	le.PutUint64(p[56:], h.State.ID)
	le.PutUint64(p[64:], uint64(h.StateBytes))
	le.PutUint32(p[72:], h.State.CRC)
	le.PutUint64(p[80:], uint64(h.Written))
	le.PutUint64(p[88:], h.Nonce)
	le.PutUint32(p[headCRCAt:], frame.Checksum(p[:headCRCAt]))
	return append(b, p[:]...)
}

// ParseHead decodes a head. Errors are *VersionError and *frame.CorruptError.
func ParseHead(b []byte) (Head, error) {
	if err := checkMagic(b, headMagic, "the head", HeadBytes); err != nil {
		return Head{}, err
	}
	switch {
	case len(b) > HeadBytes:
		return Head{}, corrupt(HeadBytes, "head is too long")
	case frame.Checksum(b[:headCRCAt]) != le.Uint32(b[headCRCAt:]):
		return Head{}, corrupt(0, "head does not match its checksum")
	}
	for _, r := range [][2]int{{12, 16}, {76, 80}, {96, headCRCAt}} {
		if at, ok := frame.Zeros(b, r[0], r[1]); !ok {
			return Head{}, corrupt(at, "reserved bytes are not zero")
		}
	}
	h := Head{
		Store: [16]byte(b[16:32]), Owner: [16]byte(b[32:48]), Epoch: le.Uint64(b[48:]),
		StateBytes: int64(le.Uint64(b[64:])), Written: int64(le.Uint64(b[80:])), Nonce: le.Uint64(b[88:]),
	}
	if id := le.Uint64(b[56:]); id != 0 {
		h.State = Object{Kind: State, ID: id, CRC: le.Uint32(b[72:])}
	}
	switch {
	case h.Epoch == 0 || h.Owner == [16]byte{}:
		return Head{}, corrupt(32, "head without an owner")
	case h.Written < 0, h.StateBytes < 0, (h.StateBytes == 0) != (h.State.ID == 0), h.State.ID == 0 && le.Uint32(b[72:]) != 0:
		return Head{}, corrupt(56, "head of an impossible state")
	}
	return h, nil
}

// PublishedState is a state of the manifest on its way to a restore.
type PublishedState struct {
	Store   [16]byte
	ID      uint64
	Written int64 // unix milliseconds
	Payload []byte
}

// Append adds the encoded state to b.
func (s *PublishedState) Append(b []byte) []byte {
	var p [stateHeader]byte
	copy(p[:], stateMagic)
	le.PutUint32(p[8:], version)
	copy(p[16:], s.Store[:])
	le.PutUint64(p[32:], s.ID)
	le.PutUint64(p[40:], uint64(s.Written))
	le.PutUint64(p[48:], uint64(len(s.Payload)))
	le.PutUint32(p[stateCRCAt:], frame.Update(frame.Checksum(p[:stateCRCAt]), s.Payload))
	return append(append(b, p[:]...), s.Payload...)
}

// ParseState decodes a state. Its payload is a part of b. Errors are those of
// ParseHead.
func ParseState(b []byte) (PublishedState, error) {
	if err := checkMagic(b, stateMagic, "the state", stateHeader); err != nil {
		return PublishedState{}, err
	}
	s := PublishedState{
		Store: [16]byte(b[16:32]), ID: le.Uint64(b[32:]), Written: int64(le.Uint64(b[40:])), Payload: b[stateHeader:],
	}
	for _, r := range [][2]int{{12, 16}, {56, stateCRCAt}} {
		if at, ok := frame.Zeros(b, r[0], r[1]); !ok {
			return PublishedState{}, corrupt(at, "reserved bytes are not zero")
		}
	}
	switch {
	case le.Uint64(b[48:]) != uint64(len(s.Payload)):
		return PublishedState{}, corrupt(48, fmt.Sprintf("payload has %d bytes", len(s.Payload)))
	case frame.Update(frame.Checksum(b[:stateCRCAt]), s.Payload) != le.Uint32(b[stateCRCAt:]):
		return PublishedState{}, corrupt(0, "state does not match its checksum")
	case s.ID == 0 || s.Written < 0:
		return PublishedState{}, corrupt(32, "state without an id, or of an impossible time")
	}
	return s, nil
}

// checkMagic checks magic, version and least length.
func checkMagic(b []byte, magic, what string, length int) error {
	switch {
	case len(b) < 12:
		return corrupt(int64(len(b)), what+" is cut short")
	case string(b[:8]) != magic:
		return corrupt(0, "not "+what+" of a store: bad magic")
	case le.Uint32(b[8:]) != version:
		return &VersionError{What: what, Found: le.Uint32(b[8:]), Want: version}
	case len(b) < length:
		return corrupt(int64(len(b)), what+" is cut short")
	}
	return nil
}

func corrupt(at int64, reason string) error {
	return &frame.CorruptError{Offset: at, Reason: reason}
}
