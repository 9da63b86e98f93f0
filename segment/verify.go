package segment

import (
	"fmt"
	"io"

	"tailrace/internal/frame"
)

// Verify reads a whole segment and verifies every byte: all checksums, that
// blocks, runs, membership and properties say the same, and that nothing lies
// between them. path is for errors only. The first fault is a
// *frame.CorruptError or a *VersionError.
func Verify(path string, r io.ReaderAt, size int64) (Properties, error) {
	s, err := Open(path, r, size)
	if err != nil {
		return Properties{}, err
	}
	v := verifier{Reader: s, next: headerBytes}
	indexCRC := uint32(0)
	for i := range s.refs {
		var fault error
		seen := func(page []byte) { indexCRC = frame.Update(indexCRC, page) }
		s.runsOf(i, seen, func(r Run, err error) bool {
			if fault = err; fault == nil {
				fault = v.run(&r)
			}
			return fault == nil
		})
		if fault != nil {
			return Properties{}, fault
		}
	}
	if err := v.leave(); err != nil {
		return Properties{}, err
	}
	if err := v.end(indexCRC); err != nil {
		return Properties{}, err
	}
	return s.props, nil
}

// verifier follows blocks and runs side by side.
type verifier struct {
	*Reader
	block *Block
	begin uint64 // position of block
	next  uint64 // position after it
	part  int    // next part of block that a run has to claim
	crc   uint32 // of all blocks so far
	last  uint64 // stream
	sums  Properties
}

// run verifies the blocks of the next run.
func (v *verifier) run(r *Run) error {
	f := follow{run: r, next: r.Start}
	for i := range r.Blocks.Len() {
		b := r.Blocks.At(i)
		if v.block == nil || b.Pos != v.begin {
			if err := v.enter(Handle{b.Pos, b.Len}); err != nil {
				return err
			}
		}
		if b.End() != v.next {
			return v.corrupt(b.Pos, "runs do not agree on the length of a block", nil)
		}
		if v.part == len(v.block.table.parts) || v.block.table.parts[v.part].stream != r.Stream {
			return v.corrupt(b.Pos, fmt.Sprintf("block does not have the run of stream %d where the index has it", r.Stream), nil)
		}
		p := &v.block.table.parts[v.part]
		v.part++
		if reason := f.take(b.First, p, v.block); reason != "" {
			return v.corrupt(b.Pos, reason, nil)
		}
		v.sums.RawBytes += int64(p.bytes)
	}
	if reason := f.end(); reason != "" {
		return v.corrupt(v.begin, reason, nil)
	}
	if f.appends != r.Appends {
		return v.corrupt(v.begin, fmt.Sprintf("run of stream %d has %d appends, the index says %d", r.Stream, f.appends, r.Appends), nil)
	}
	if r.Stream <= v.last || !v.members.Contains(r.Stream) {
		return v.corrupt(v.footer[sectionMembers].pos, fmt.Sprintf("membership lacks stream %d", r.Stream), nil)
	}
	v.last = r.Stream
	v.sums.Runs++
	v.sums.Appends += r.Appends
	return nil
}

// enter goes on to the next block.
func (v *verifier) enter(h Handle) error {
	if err := v.leave(); err != nil {
		return err
	}
	if h.Pos != v.next {
		return v.corrupt(v.next, "bytes that are in no block of the index", nil)
	}
	if err := v.checkHandle(h); err != nil {
		return err
	}
	b := make([]byte, h.Len)
	if err := v.read(b, h.Pos); err != nil {
		return err
	}
	block, err := decodeBlock(v.path, b, h.Pos, v.sum)
	if err != nil {
		return err
	}
	head, _, _ := parseBlockHeader(b, h.Pos, v.sum)
	v.block, v.begin, v.next, v.part = block, h.Pos, h.Pos+uint64(h.Len), 0
	v.crc = frame.Update(v.crc, b)
	v.sums.Blocks++
	v.sums.StoredBytes += int64(head.stored)
	if head.kind == kindSolo {
		v.sums.AsIs++
	}
	return nil
}

// leave verifies that all of a block was in the index.
func (v *verifier) leave() error {
	if v.block != nil && v.part != len(v.block.table.parts) {
		return v.corrupt(v.begin, fmt.Sprintf("block has stream %d, the index does not", v.block.table.parts[v.part].stream), nil)
	}
	return nil
}

// end compares the sums.
func (v *verifier) end(indexCRC uint32) error {
	blocks, runIndex := v.footer[sectionBlocks], v.footer[sectionIndex]
	switch {
	case v.next != blocks.end():
		return v.corrupt(v.next, "bytes that are in no block of the index", nil)
	case v.crc != blocks.crc:
		return v.corrupt(blocks.pos, "blocks do not match their checksum in the footer", nil)
	case indexCRC != runIndex.crc:
		return v.corrupt(runIndex.pos, "run index does not match its checksum in the footer", nil)
	}
	// First, last and the number of members were compared when the file was opened.
	want := v.sums
	want.Info, want.Bytes, want.First, want.Last = v.props.Info, v.props.Bytes, v.props.First, v.props.Last
	if want != v.props {
		return v.corrupt(v.footer[sectionProperties].pos, fmt.Sprintf("properties are %+v, the segment has %+v", v.props, want), nil)
	}
	return nil
}
