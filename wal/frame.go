package wal

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

// frameMagic is "FRM1" as a number.
const frameMagic = 0x314D5246

// Flags says what kind of frame it is. A frame has one kind.
type Flags uint32

const (
	FlagWitness    Flags = 1 << iota // testifies for the frame before it, nothing else
	FlagSealRotate                   // last frame of its file; the next file follows
	FlagSealClose                    // last frame of its file; its owner ended, or recovery cut it
)

const flagsSeal = FlagSealRotate | FlagSealClose

// String is the name of the kind.
func (f Flags) String() string {
	switch f {
	case 0:
		return "records"
	case FlagWitness:
		return "witness"
	case FlagSealRotate:
		return "seal-rotate"
	case FlagSealClose:
		return "seal-close"
	}
	return fmt.Sprintf("flags %#x", uint32(f))
}

// FrameHeader is the decoded beginning of a frame.
type FrameHeader struct {
	Flags   Flags
	Length  int // of the payload in bytes
	Records int
	Epoch   uint64
	File    uint64
	Seq     uint64
	At      int64
	Durable uint64
	Chain   uint32
	CRC     uint32 // set by ParseFrame and AppendFrame
}

// AppendFrame adds the encoded frame, padding included, to b. It sets Length
// and CRC of h.
func AppendFrame(b []byte, h *FrameHeader, salt uint64, payload []byte) []byte {
	begin := len(b)
	size := int(FrameSize(len(payload)))
	if cap(b)-begin < size {
		b = append(make([]byte, 0, begin+size), b...)
	}
	b = b[:begin+size]
	p := b[begin:]
	h.Length = len(payload)
	le := binary.LittleEndian
	le.PutUint32(p[0:], frameMagic)
	le.PutUint32(p[4:], uint32(h.Flags))
	le.PutUint32(p[8:], uint32(h.Length))
	le.PutUint32(p[12:], uint32(h.Records))
	le.PutUint64(p[16:], h.Epoch)
	le.PutUint64(p[24:], h.File)
	le.PutUint64(p[32:], h.Seq)
	le.PutUint64(p[40:], uint64(h.At))
	le.PutUint64(p[48:], h.Durable)
	le.PutUint32(p[56:], h.Chain)
	n := frameHeaderBytes + copy(p[frameHeaderBytes:], payload)
	h.CRC = frameCRC(p[:n], salt)
	le.PutUint32(p[60:], h.CRC)
	clear(p[n:])
	return b
}

// frameCRC is the checksum of a frame given as its header and payload.
func frameCRC(p []byte, salt uint64) uint32 {
	var s [8]byte
	binary.LittleEndian.PutUint64(s[:], salt)
	crc := frame.Update(frame.Checksum(s[:]), p[:60])
	return frame.Update(crc, p[frameHeaderBytes:])
}

// frameExtent is the length of header and payload that the frame at the
// beginning of p claims, and a reason when no frame can begin like this. It
// needs frameHeaderBytes of p.
func frameExtent(p []byte) (n int, reason string) {
	le := binary.LittleEndian
	if len(p) < frameHeaderBytes {
		return 0, "frame header is cut short"
	}
	if le.Uint32(p) != frameMagic {
		return 0, "no frame: bad magic"
	}
	length := le.Uint32(p[8:])
	if length > FrameBytesLimit {
		return 0, "payload length is beyond the limit"
	}
	return frameHeaderBytes + int(length), ""
}

// checkFrame tells how long the frame at the beginning of p is, header and
// payload, when its checksum holds, and otherwise the reason why none is there.
func checkFrame(p []byte, salt uint64) (n int, reason string) {
	n, reason = frameExtent(p)
	switch {
	case reason != "":
		return 0, reason
	case len(p) < n:
		return 0, "frame is cut short"
	case frameCRC(p[:n], salt) != binary.LittleEndian.Uint32(p[60:]):
		return 0, "frame does not match its checksum"
	}
	return n, ""
}

// ParseFrame decodes the frame at the beginning of p, which may be longer. The
// payload is a part of p. Errors are *frame.CorruptError.
func ParseFrame(p []byte, salt uint64) (FrameHeader, []byte, error) {
	n, reason := checkFrame(p, salt)
	if reason != "" {
		return FrameHeader{}, nil, &frame.CorruptError{Reason: reason}
	}
	return decodeFrame(p[:n])
}

// decodeFrame reads a frame whose checksum holds: what it finds wrong was
// written like that.
func decodeFrame(p []byte) (FrameHeader, []byte, error) {
	corrupt := func(at int64, reason string, err error) (FrameHeader, []byte, error) {
		return FrameHeader{}, nil, &frame.CorruptError{Offset: at, Reason: reason, Err: err}
	}
	h := decodeFrameHeader(p)
	payload := p[frameHeaderBytes:len(p):len(p)]
	switch h.Flags {
	case 0:
		count, err := countRecords(payload)
		if err != nil {
			return corrupt(frameHeaderBytes, "malformed payload", err)
		}
		if count == 0 || count != h.Records {
			return corrupt(12, fmt.Sprintf("frame has %d records and claims %d", count, h.Records), nil)
		}
	case FlagWitness, FlagSealRotate, FlagSealClose:
		if h.Length != 0 || h.Records != 0 {
			return corrupt(8, h.Flags.String()+" with a payload", nil)
		}
	default:
		return corrupt(4, "unknown "+h.Flags.String(), nil)
	}
	if h.Durable >= h.Seq {
		return corrupt(48, fmt.Sprintf("frame %d claims that %d is durable", h.Seq, h.Durable), nil)
	}
	return h, payload, nil
}

// decodeFrameHeader reads the fields, verifying nothing.
func decodeFrameHeader(p []byte) FrameHeader {
	le := binary.LittleEndian
	return FrameHeader{
		Flags:   Flags(le.Uint32(p[4:])),
		Length:  int(le.Uint32(p[8:])),
		Records: int(le.Uint32(p[12:])),
		Epoch:   le.Uint64(p[16:]),
		File:    le.Uint64(p[24:]),
		Seq:     le.Uint64(p[32:]),
		At:      int64(le.Uint64(p[40:])),
		Durable: le.Uint64(p[48:]),
		Chain:   le.Uint32(p[56:]),
		CRC:     le.Uint32(p[60:]),
	}
}
