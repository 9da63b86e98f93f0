package segment

import "tailrace/internal/frame"

// build is the open block of a writer.
type build struct {
	kind    kind
	content []byte
	table   table
}

func (b *build) empty() bool { return len(b.table.parts) == 0 }

// bytes is the length of the stored bodies in the block.
func (b *build) bytes() int {
	if b.kind == kindSolo && !b.empty() && b.table.parts[0].json {
		return len(b.content) - 1
	}
	return len(b.content)
}

// takes tells whether another body fits.
func (b *build) takes(n, limit int) bool {
	return b.empty() || b.bytes()+n <= limit && len(b.table.lengths) < AppendsMax
}

// begin adds a part to the block.
func (b *build) begin(stream, start uint64, json bool) {
	if b.kind == kindSolo && json {
		b.content = append(b.content, '[')
	}
	b.table.parts = append(b.table.parts, part{
		stream: stream, start: start, json: json,
		first: uint32(len(b.table.lengths)), at: uint32(len(b.content)),
	})
}

// add adds a body to the last part.
func (b *build) add(body []byte) {
	p := &b.table.parts[len(b.table.parts)-1]
	p.count++
	p.bytes += uint32(len(body))
	p.crc = frame.Update(p.crc, body)
	b.table.lengths = append(b.table.lengths, uint32(len(body)))
	b.content = append(b.content, body...)
}

// reset makes the block empty and keeps its memory.
func (b *build) reset() {
	b.kind = kindShared
	b.content = b.content[:0]
	b.table = table{parts: b.table.parts[:0], lengths: b.table.lengths[:0]}
}

// encode appends the whole block, as it is at a position of the file, to dst.
func (b *build) encode(dst []byte, pos uint64, sum fileSum, better bool) ([]byte, blockHeader) {
	if b.kind == kindSolo && b.table.parts[0].json {
		b.content[len(b.content)-1] = ']' // for the last comma
	}
	begin := len(dst)
	dst = append(dst, make([]byte, blockHeaderBytes)...)
	dst = b.table.append(dst, b.kind)
	h := blockHeader{kind: b.kind, content: len(b.content), table: len(dst) - begin - blockHeaderBytes}
	h.tableCRC = frame.Checksum(dst[begin+blockHeaderBytes:])
	payload := len(dst)
	dst, h.codec = encode(dst, b.content, better)
	h.stored = len(dst) - payload
	h.payloadCRC = frame.Checksum(dst[payload:])
	h.put(dst[begin:], pos, sum)
	return dst, h
}
