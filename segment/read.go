package segment

import (
	"fmt"
	"sort"
	"unsafe"

	"tailrace/internal/frame"
)

// Block is a block, verified and decoded. It is immutable, and ordinary
// collected memory: it stays valid as long as somebody holds it.
type Block struct {
	kind    kind
	content []byte
	table   table
}

// ReadBlock reads a block, verifies its header, its table, its payload and the
// checksum of each part, and decodes it.
func (s *Reader) ReadBlock(h Handle) (*Block, error) {
	if err := s.checkHandle(h); err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if cap(*buf) < int(h.Len) {
		*buf = make([]byte, h.Len)
	}
	b := (*buf)[:h.Len]
	if err := s.read(b, h.Pos); err != nil {
		return nil, err
	}
	return decodeBlock(s.path, b, h.Pos, s.sum)
}

// ReadStored reads a block and verifies its header, its table and its payload,
// but decodes nothing.
func (s *Reader) ReadStored(h Handle) (*RawBlock, error) {
	if err := s.checkHandle(h); err != nil {
		return nil, err
	}
	b := make([]byte, h.Len)
	if err := s.read(b, h.Pos); err != nil {
		return nil, err
	}
	head, t, err := verifyBlock(s.path, b, h.Pos, s.sum)
	if err != nil {
		return nil, err
	}
	return newRawBlock(b, &head, &t), nil
}

// checkHandle refuses what is no place of a block, before memory is spent.
func (s *Reader) checkHandle(h Handle) error {
	blocks := s.footer[sectionBlocks]
	if h.Len < blockHeaderBytes || h.Len > BlockMax || h.Pos < blocks.pos || h.Pos > blocks.end() || uint64(h.Len) > blocks.end()-h.Pos {
		return s.corrupt(h.Pos, fmt.Sprintf("no block can have %d bytes there", h.Len), nil)
	}
	return nil
}

// decodeBlock verifies and decodes the encoded block at a position. The result
// keeps nothing of b.
func decodeBlock(path string, b []byte, pos uint64, sum fileSum) (*Block, error) {
	h, t, err := verifyBlock(path, b, pos, sum)
	if err != nil {
		return nil, err
	}
	corrupt := func(reason string, err error) (*Block, error) {
		return nil, &frame.CorruptError{Path: path, Offset: int64(pos) + blockHeaderBytes + int64(h.table), Reason: reason, Err: err}
	}
	payload := b[blockHeaderBytes+h.table:]
	k := &Block{kind: h.kind, table: t}
	if h.codec == CodecRaw {
		k.content = append(make([]byte, 0, len(payload)), payload...)
	} else if k.content, err = decode(payload, h.content); err != nil {
		return corrupt("payload does not decode", err)
	}
	if h.kind == kindSolo && t.parts[0].json {
		last := len(k.content) - 1
		if k.content[0] != '[' || k.content[last] != ']' {
			return corrupt("JSON without its brackets", nil)
		}
		k.content[last] = ',' // so that all appends are parts of the content
	}
	for i := range t.parts {
		p := &t.parts[i]
		if frame.Checksum(k.content[p.at:p.at+p.bytes]) != p.crc {
			return corrupt(fmt.Sprintf("appends of stream %d do not match their checksum", p.stream), nil)
		}
	}
	return k, nil
}

// Bytes is the memory that the block takes.
func (b *Block) Bytes() int {
	return int(unsafe.Sizeof(*b)) + cap(b.content) + cap(b.table.parts)*int(unsafe.Sizeof(part{})) + 4*cap(b.table.lengths)
}

// part is the part of a stream in the block.
func (b *Block) part(stream uint64) (*part, bool) {
	parts := b.table.parts
	i := sort.Search(len(parts), func(i int) bool { return parts[i].stream >= stream })
	if i == len(parts) || parts[i].stream != stream {
		return nil, false
	}
	return &parts[i], true
}

// Appends yields the whole appends of a stream that are in the block and end
// after an offset, each with its end. A body is a part of the block: nobody
// may change it. A piece is no whole append; [Reader.Appends] reads on over the
// bounds of blocks.
func (b *Block) Appends(stream, after uint64, yield func(body []byte, end uint64) bool) {
	if p, ok := b.part(stream); ok && b.kind != kindPiece {
		b.appends(p, after, yield)
	}
}

// appends is false when yield has had enough.
func (b *Block) appends(p *part, after uint64, yield func(body []byte, end uint64) bool) bool {
	at, end := p.at, p.start
	for _, n := range b.table.lengths[p.first : p.first+p.count] {
		end += uint64(n) + AppendOverhead
		if end > after && !yield(b.content[at:at+n:at+n], end) {
			return false
		}
		at += n
	}
	return true
}
