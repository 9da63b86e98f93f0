package segment

import (
	"fmt"

	"tailrace/internal/frame"
)

// RawBlock is a block as it is stored, verified and not decoded. It is
// immutable.
type RawBlock struct {
	Codec   Codec
	Payload []byte // the content, encoded
	Content int    // length of the content in bytes

	// Solo: all appends are of one stream, and the fields below are set.
	Solo bool
	// Whole: all appends are whole, and the content is exactly one HTTP body. A
	// solo block that is not whole is a piece of an append.
	Whole   bool
	JSON    bool
	Stream  uint64
	Start   uint64 // offset where the first append starts; of a piece, its append
	End     uint64 // offset where the last append ends; of a piece, its append
	Appends uint64 // a piece counts as 1

	header blockHeader
	table  []byte
	part   part
	before uint64 // of a piece
	after  uint64
}

func newRawBlock(b []byte, h *blockHeader, t *table) *RawBlock {
	r := &RawBlock{
		Codec: h.codec, Content: h.content,
		Payload: b[blockHeaderBytes+h.table:], table: b[blockHeaderBytes:][:h.table],
		header: *h, before: t.before, after: t.after,
	}
	if h.kind != kindShared {
		p := t.parts[0]
		r.Solo, r.Whole, r.JSON, r.part = true, h.kind == kindSolo, p.json, p
		r.Stream, r.Start, r.Appends = p.stream, p.start, uint64(p.count)
		r.End = p.end() + t.before + t.after
	}
	return r
}

// span is an append of which not all pieces have come.
type span struct {
	seen uint64 // bytes
	left uint64 // bytes; 0 = there is no such append
}

// CopyBlock adds all appends of a solo block of another segment to the current
// run, which they must continue, and takes over the block as it is stored:
// nothing is decoded. The pieces of an append must come together. The block
// keeps its length, even if it is longer or shorter than this writer would
// have made it.
func (w *Writer) CopyBlock(b *RawBlock) error {
	if w.err != nil {
		return w.err
	}
	if err := w.copyable(b); err != nil {
		return w.fail(err)
	}
	w.flush()
	if w.err != nil {
		return w.err
	}
	h := b.header
	w.out = append(w.out[:0], make([]byte, blockHeaderBytes)...)
	h.put(w.out, w.pos, w.sum)
	w.out = append(append(w.out, b.table...), b.Payload...)
	w.wrote(&h, []part{b.part})
	w.write(w.out)
	if b.Whole {
		w.took(b.Appends, int64(b.part.bytes))
		return w.err
	}
	seen := b.before + uint64(b.part.bytes)
	if w.run.span = (span{seen, b.after}); b.after == 0 {
		w.run.span = span{}
		w.took(1, int64(seen))
	}
	return w.err
}

// copyable tells why a block does not continue the current run.
func (w *Writer) copyable(b *RawBlock) error {
	if !b.Solo {
		return fmt.Errorf("segment: copy a shared block")
	}
	if frame.Checksum(b.table) != b.header.tableCRC || frame.Checksum(b.Payload) != b.header.payloadCRC {
		return fmt.Errorf("segment: copy block of stream %d at %d: it was changed in memory", b.Stream, b.Start)
	}
	open := w.run.span
	w.run.span = span{} // what follows may be the rest of it
	err := w.takeable(int(min(b.before+uint64(b.part.bytes)+b.after, runMax)))
	w.run.span = open
	switch {
	case err != nil:
		return err
	case b.Stream != w.run.stream || b.JSON != w.run.json || b.Start != w.run.next:
		return fmt.Errorf("segment: copy block of stream %d at %d: the run of stream %d goes on at %d", b.Stream, b.Start, w.run.stream, w.run.next)
	case b.before != open.seen || open.left != 0 && open.left != uint64(b.part.bytes)+b.after:
		return fmt.Errorf("segment: copy block of stream %d at %d: piece at byte %d of an append of which %d bytes have come", b.Stream, b.Start, b.before, open.seen)
	}
	return nil
}
