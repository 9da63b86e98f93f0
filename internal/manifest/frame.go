package manifest

import (
	"encoding/binary"
	"fmt"

	"tailrace/internal/frame"
)

// frameMagic is "EDT1" as a number.
const frameMagic = 0x31544445

// FrameKind is what a frame holds.
type FrameKind uint32

const (
	FrameSnapshot FrameKind = 1 // a state; the first frame of every file, and no other
	FrameEdits    FrameKind = 2 // a group of edits, all or none of which happen
	FrameConfirm  FrameKind = 3 // nothing: it testifies for the frame before it, and for the length of the file
)

func (k FrameKind) String() string {
	switch k {
	case FrameSnapshot:
		return "snapshot"
	case FrameEdits:
		return "edits"
	case FrameConfirm:
		return "confirm"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// FrameHeader is the decoded beginning of a frame.
type FrameHeader struct {
	Kind   FrameKind
	Length int    // of the payload in bytes
	Edits  int    // number of edits in the payload
	File   uint64 // number of the manifest file
	Seq    uint64 // sequence of the frame: one more than the frame before
	Size   int64  // length of the file that was durable before this was written
	Chain  uint32 // crc of the frame before, or of the file header
	CRC    uint32 // set by ParseFrame and AppendFrame
}

// AppendFrame adds the encoded frame, padding included, to b. It sets Length
// and CRC of h.
func AppendFrame(b []byte, h *FrameHeader, store [16]byte, payload []byte) []byte {
	begin := len(b)
	b = append(b, make([]byte, frameSize(len(payload)))...)
	p := b[begin:]
	h.Length = len(payload)
	le := binary.LittleEndian
	le.PutUint32(p[0:], frameMagic)
	le.PutUint32(p[4:], uint32(h.Kind))
	le.PutUint32(p[8:], uint32(h.Length))
	le.PutUint32(p[12:], uint32(h.Edits))
	le.PutUint64(p[16:], h.File)
	le.PutUint64(p[24:], h.Seq)
	le.PutUint64(p[32:], uint64(h.Size))
	le.PutUint32(p[40:], h.Chain)
	copy(p[frameHeaderBytes:], payload)
	h.CRC = frameCRC(p, store)
	le.PutUint32(p[44:], h.CRC)
	return b
}

// frameCRC is the checksum of a whole frame. The store is in it, so that a
// frame of another store never verifies.
func frameCRC(p []byte, store [16]byte) uint32 {
	crc := frame.Update(frame.Checksum(store[:]), p[:44])
	return frame.Update(crc, p[frameHeaderBytes:])
}

// checkFrame tells how long the frame at the beginning of p is when its
// checksum holds, and otherwise the reason why none is there.
func checkFrame(p []byte, store [16]byte) (n int64, reason string) {
	le := binary.LittleEndian
	switch {
	case len(p) < frameHeaderBytes:
		return 0, "frame header is cut short"
	case le.Uint32(p) != frameMagic:
		return 0, "no frame: bad magic"
	case le.Uint32(p[8:]) > payloadMax:
		return 0, "payload length is beyond the limit"
	}
	n = frameSize(int(le.Uint32(p[8:])))
	switch {
	case int64(len(p)) < n:
		return 0, "frame is cut short"
	case frameCRC(p[:n], store) != le.Uint32(p[44:]):
		return 0, "frame does not match its checksum"
	}
	return n, ""
}

// ParseFrame decodes the frame at the beginning of p, which may be longer. The
// payload is a part of p and not decoded. Errors are *frame.CorruptError.
func ParseFrame(p []byte, store [16]byte) (FrameHeader, []byte, error) {
	n, reason := checkFrame(p, store)
	if reason != "" {
		return FrameHeader{}, nil, corrupt(0, reason, nil)
	}
	le := binary.LittleEndian
	h := FrameHeader{
		Kind:   FrameKind(le.Uint32(p[4:])),
		Length: int(le.Uint32(p[8:])),
		Edits:  int(le.Uint32(p[12:])),
		File:   le.Uint64(p[16:]),
		Seq:    le.Uint64(p[24:]),
		Size:   int64(le.Uint64(p[32:])),
		Chain:  le.Uint32(p[40:]),
		CRC:    le.Uint32(p[44:]),
	}
	end := frameHeaderBytes + h.Length
	if at, ok := frame.Zeros(p, end, int(n)); !ok {
		return FrameHeader{}, nil, corrupt(at, "padding is not zero", nil)
	}
	switch h.Kind {
	case FrameSnapshot, FrameConfirm:
		if h.Edits != 0 {
			return FrameHeader{}, nil, corrupt(12, h.Kind.String()+" claims to have edits", nil)
		}
		if h.Kind == FrameConfirm && h.Length != 0 {
			return FrameHeader{}, nil, corrupt(8, "confirm with a payload", nil)
		}
	case FrameEdits:
	default:
		return FrameHeader{}, nil, corrupt(4, "frame of unknown "+h.Kind.String(), nil)
	}
	return h, p[frameHeaderBytes:end:end], nil
}
