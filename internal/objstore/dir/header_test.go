package dir

import (
	"encoding/hex"
	"testing"
	"time"
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
