package dir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"tailrace/internal/frame"
)

const (
	magic       = "TAILOBJ\n"
	version     = 1
	headerBytes = 48
)

// header is what an object file says about its content.
type header struct {
	size     int64
	tag      uint64
	modified time.Time
	crc      uint32
}

func (h header) encode() []byte {
	b := make([]byte, 0, headerBytes)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = append(b, make([]byte, 6)...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.size))
	b = binary.LittleEndian.AppendUint64(b, h.tag)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.modified.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	return binary.LittleEndian.AppendUint32(b, frame.Checksum(b))
}

func decodeHeader(b []byte) (header, error) {
	if len(b) != headerBytes || string(b[:8]) != magic {
		return header{}, errors.New("not an object file")
	}
	if got, want := frame.Checksum(b[:44]), binary.LittleEndian.Uint32(b[44:]); got != want {
		return header{}, fmt.Errorf("the header has CRC-32C %08x, not %08x", got, want)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return header{}, fmt.Errorf("version %d, not %d", v, version)
	}
	if string(b[10:16]) != "\x00\x00\x00\x00\x00\x00" {
		return header{}, errors.New("reserved bytes are not zero")
	}
	h := header{
		size:     int64(binary.LittleEndian.Uint64(b[16:])),
		tag:      binary.LittleEndian.Uint64(b[24:]),
		modified: time.Unix(0, int64(binary.LittleEndian.Uint64(b[32:]))),
		crc:      binary.LittleEndian.Uint32(b[40:]),
	}
	if h.size < 0 {
		return header{}, fmt.Errorf("size %d", h.size)
	}
	return h, nil
}

func (h header) etag() string { return fmt.Sprintf(`"%016x"`, h.tag) }
