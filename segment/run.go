package segment

import "tailrace/index"

// Handle is where a block is in its file.
type Handle struct {
	Pos uint64 // bytes
	Len uint32 // bytes
}

// Run is all appends of one stream that a segment has. They are contiguous.
type Run struct {
	Stream  uint64
	Start   uint64 // offset where the first append starts
	End     uint64 // offset where the last one ends
	Appends uint64
	JSON    bool
	Blocks  index.Sparse // in which the appends are
}

// RawBytes is the length of all stored bodies together.
func (r *Run) RawBytes() int64 { return int64(r.End - r.Start - AppendOverhead*r.Appends) }

// Handle is that of block number i, counted from 0.
func (r *Run) Handle(i int) Handle {
	b := r.Blocks.At(i)
	return Handle{b.Pos, b.Len}
}

// Find is the number of the block in which the first append begins that ends
// after an offset, and false if the run has none. When Start of that block is
// the offset, the block is the rest of the run from the offset on.
func (r *Run) Find(after uint64) (int, bool) {
	if after >= r.End {
		return 0, false
	}
	return r.Blocks.Find(after), true
}
