package segment

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"tailrace/internal/frame"
)

// blockMagic is "BLK1" as a number.
const blockMagic = 0x314B4C42

const (
	flagSolo  = 1 << 0 // one part of one run
	flagWhole = 1 << 1 // the content is an HTTP body
)

// kind is what a block is for. Its value is that of the flags.
type kind uint8

const (
	kindShared kind = 0
	kindPiece  kind = flagSolo
	kindSolo   kind = flagSolo | flagWhole
)

// String is the name of the kind.
func (k kind) String() string {
	switch k {
	case kindShared:
		return "shared"
	case kindPiece:
		return "piece"
	case kindSolo:
		return "solo"
	}
	return fmt.Sprintf("flags %#x", uint8(k))
}

// blockHeader is the decoded beginning of a block.
type blockHeader struct {
	codec      Codec
	kind       kind
	content    int // bytes
	stored     int // bytes
	table      int // bytes
	payloadCRC uint32
	tableCRC   uint32
}

// bytes is the length of the whole block.
func (h *blockHeader) bytes() int { return blockHeaderBytes + h.table + h.stored }

// put encodes the header of a block at a position into p.
func (h *blockHeader) put(p []byte, pos uint64, sum fileSum) {
	le.PutUint32(p[0:], blockMagic)
	p[4], p[5], p[6], p[7] = byte(h.codec), byte(h.kind), 0, 0
	le.PutUint32(p[8:], uint32(h.content))
	le.PutUint32(p[12:], uint32(h.stored))
	le.PutUint32(p[16:], uint32(h.table))
	le.PutUint32(p[20:], h.payloadCRC)
	le.PutUint32(p[24:], h.tableCRC)
	le.PutUint32(p[28:], sum.placed(pos, p[:28]))
}

// parseBlockHeader decodes the header at a position. at is where in the header
// the fault is.
func parseBlockHeader(p []byte, pos uint64, sum fileSum) (h blockHeader, at int, reason string) {
	if len(p) < blockHeaderBytes {
		return h, 0, "block header is cut short"
	}
	p = p[:blockHeaderBytes]
	if le.Uint32(p) != blockMagic {
		return h, 0, "no block: bad magic"
	}
	if sum.placed(pos, p[:28]) != le.Uint32(p[28:]) {
		return h, 0, "block header does not match its checksum"
	}
	h = blockHeader{codec: Codec(p[4]), kind: kind(p[5]), payloadCRC: le.Uint32(p[20:]), tableCRC: le.Uint32(p[24:])}
	content, stored, table := le.Uint32(p[8:]), le.Uint32(p[12:]), le.Uint32(p[16:])
	switch {
	case h.codec > CodecZstd:
		return h, 4, "unknown " + h.codec.String()
	case h.kind != kindShared && h.kind != kindPiece && h.kind != kindSolo:
		return h, 5, "unknown " + h.kind.String()
	case p[6] != 0 || p[7] != 0:
		return h, 6, "reserved bytes are not zero"
	case content == 0 || content > contentMax:
		return h, 8, "content length is beyond the limit"
	case h.codec == CodecRaw && stored != content || h.codec == CodecZstd && (stored == 0 || stored >= content):
		return h, 12, "stored length does not fit the content"
	case table == 0 || table > tableMax:
		return h, 16, "table length is beyond the limit"
	}
	h.content, h.stored, h.table = int(content), int(stored), int(table)
	return h, 0, ""
}

// part is a part of a run in a block.
type part struct {
	stream uint64
	start  uint64 // where the first append starts
	first  uint32 // its place among the lengths of the block
	count  uint32 // appends
	at     uint32 // where in the content it begins
	bytes  uint32 // of stored bodies
	crc    uint32 // of stored bodies
	json   bool
}

// end is where the last append ends. It is that of whole appends, not of a
// piece.
func (p *part) end() uint64 { return p.start + uint64(p.bytes) + AppendOverhead*uint64(p.count) }

// table is what the append table of a block says.
type table struct {
	parts         []part
	lengths       []uint32 // of all appends
	before, after uint64   // of a piece: bytes of the append in other blocks
}

// append adds the encoded table of a block of that kind to b.
func (t *table) append(b []byte, k kind) []byte {
	stream := uint64(0)
	for i := range t.parts {
		p := &t.parts[i]
		b = binary.AppendUvarint(b, p.stream-stream)
		stream = p.stream
		b = binary.AppendUvarint(b, p.start)
		b = binary.AppendUvarint(b, uint64(p.count)<<1|bit(p.json))
		if k == kindPiece {
			b = binary.AppendUvarint(b, t.before)
			b = binary.AppendUvarint(b, t.after)
		}
		for _, n := range t.lengths[p.first : p.first+p.count] {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = le.AppendUint32(b, p.crc)
	}
	return b
}

func bit(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

var tables = sync.Pool{New: func() any { return new(table) }}

// parseTable decodes the table of a block. Its checksum holds, so what is
// wrong was written like that; at is where in the table.
func parseTable(b []byte, h *blockHeader) (t table, at int, reason string) {
	// Numbers of parts and appends are known at the end only. What is kept, in a
	// cache perhaps, has no room to spare.
	scratch := tables.Get().(*table)
	defer tables.Put(scratch)
	t = table{parts: scratch.parts[:0], lengths: scratch.lengths[:0]}
	defer func() {
		scratch.parts, scratch.lengths = t.parts, t.lengths
		t.parts, t.lengths = slices.Clone(t.parts), slices.Clone(t.lengths)
	}()
	d := decoder{b: b}
	var content, stream uint64
	appends := uint32(0)
	for d.left() > 0 && d.reason == "" {
		at = d.at
		p := part{stream: d.id(stream), start: d.offset(), first: appends}
		stream = p.stream
		v := d.uvarint()
		p.json = v&1 != 0
		if count := v >> 1; count == 0 || count > AppendsMax-uint64(appends) {
			d.fail("impossible number of appends")
			break
		}
		p.count = uint32(v >> 1)
		appends += p.count
		if h.kind == kindPiece {
			t.before, t.after = d.offset(), d.offset()
		}
		if h.kind == kindSolo && p.json {
			content++ // the opening bracket; the closing one takes the place of a comma
		}
		p.at = uint32(content)
		for range p.count {
			n := d.uvarint()
			if n == 0 || n > SoloBytesMax {
				d.fail("impossible length of an append")
				break
			}
			t.lengths = append(t.lengths, uint32(n))
			content += n
		}
		if content > contentMax {
			d.fail("appends are longer than a block")
			break
		}
		p.bytes = uint32(content) - p.at
		p.crc = d.uint32()
		if p.start > startMax || t.before > appendMax || t.after > appendMax {
			d.fail("offset is beyond the limit")
		}
		t.parts = append(t.parts, p)
	}
	if d.reason != "" {
		return t, d.at, d.reason
	}
	switch {
	case content != uint64(h.content):
		return t, 0, fmt.Sprintf("appends have %d bytes, the content has %d", content, h.content)
	case h.kind != kindShared && len(t.parts) != 1:
		return t, at, "block of one run has parts of several"
	case h.kind == kindPiece && (appends != 1 || t.before == 0 && t.after == 0):
		return t, at, "piece is not a part of one append"
	}
	return t, 0, ""
}

// verifyBlock verifies an encoded block at a position as far as that is
// possible without decoding the payload.
func verifyBlock(path string, b []byte, pos uint64, sum fileSum) (blockHeader, table, error) {
	corrupt := func(at int, reason string) (blockHeader, table, error) {
		return blockHeader{}, table{}, &frame.CorruptError{Path: path, Offset: int64(pos) + int64(at), Reason: reason}
	}
	h, at, reason := parseBlockHeader(b, pos, sum)
	if reason != "" {
		return corrupt(at, reason)
	}
	if h.bytes() != len(b) {
		return corrupt(8, fmt.Sprintf("block has %d bytes, the index says %d", h.bytes(), len(b)))
	}
	tb, payload := b[blockHeaderBytes:][:h.table], b[blockHeaderBytes+h.table:]
	if frame.Checksum(tb) != h.tableCRC {
		return corrupt(blockHeaderBytes, "append table does not match its checksum")
	}
	if frame.Checksum(payload) != h.payloadCRC {
		return corrupt(blockHeaderBytes+h.table, "payload does not match its checksum")
	}
	t, at, reason := parseTable(tb, &h)
	if reason != "" {
		return corrupt(blockHeaderBytes+at, reason)
	}
	if h.codec == CodecZstd {
		if reason := checkFrame(payload, h.content); reason != "" {
			return corrupt(blockHeaderBytes+h.table, reason)
		}
	}
	return h, t, nil
}
