package dir

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"

	"tailrace/internal/frame"
)

// TestHeaderKeepsItsBytes holds version 1, byte for byte.
func TestHeaderKeepsItsBytes(t *testing.T) {
	const v1 = "5441494c4f424a0a" + "0100" + "000000000000" + "0900000000000000" + "efcdab8967452301" + "00ca9a3b00000000" + "839206e3"
	h := header{size: 9, tag: 0x0123456789abcdef, modified: time.Unix(1, 0), crc: 0xe3069283}
	got := h.encode()
	if text := hex.EncodeToString(got); len(got) != headerBytes || text[:88] != v1 {
		t.Errorf("header %s, want %s and a checksum", text, v1)
	}
	back, err := decodeHeader(got)
	if err != nil || back.size != h.size || back.tag != h.tag || back.crc != h.crc || !back.modified.Equal(h.modified) {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if h.etag() != `"0123456789abcdef"` {
		t.Errorf("tag %s", h.etag())
	}
}

// FuzzHeader decodes headers whose check is right, which nothing but it keeps from
// the fields: what is taken has one encoding, and names a length that there can be.
func FuzzHeader(f *testing.F) {
	f.Add(header{size: 9, tag: 1, modified: time.Unix(1, 0), crc: 2}.encode())
	f.Add(header{size: -1, tag: 1, modified: time.Unix(-1, 0)}.encode())
	for _, at := range []int{0, 8, 10, 15} {
		b := header{size: 9, modified: time.Unix(1, 0)}.encode()
		b[at] ^= 2
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeHeader(b); err == nil && len(b) != headerBytes {
			t.Fatalf("%d bytes are a header", len(b))
		}
		if len(b) < headerBytes {
			return
		}
		b = b[:headerBytes]
		binary.LittleEndian.PutUint32(b[44:], frame.Checksum(b[:44]))
		h, err := decodeHeader(b)
		if err == nil && (h.size < 0 || !bytes.Equal(h.encode(), b)) {
			t.Fatalf("%x is read as %+v, which is written as %x", b, h, h.encode())
		}
	})
}
