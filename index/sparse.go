package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// Block is a block of a file, as the index of one run of appends sees it.
type Block struct {
	First uint64 // offset where the first append of the run that is in the block starts
	Pos   uint64 // of the block in its file, in bytes
	Len   uint32 // of the block in its file, in bytes; never 0
}

// End is the position after the block.
func (b Block) End() uint64 { return b.Pos + uint64(b.Len) }

// Sparse is the blocks of one run of appends in the order of the file: one
// entry for a block, not for an append. Blocks of a run stand back to back, and
// their firsts do not fall. Firsts are equal where one append spans blocks: the
// blocks of equal firsts hold its pieces and nothing else. The zero value is
// empty.
//
// # Encoded form
//
//	count  uvarint  blocks
//	then for each block
//	first  uvarint  minus the first of the block before
//	len    uvarint  1..4294967295
//
// The form hangs on the block before, which is not part of it: the position of
// each block is the end of the one before. Uvarints take as few bytes as they
// can, so that a list of blocks has one encoding.
type Sparse struct{ blocks []Block }

// pos63 bounds offsets and positions, so that sums of them never wrap.
const pos63 = math.MaxInt64

// errSparse is beneath every error of decoding.
var errSparse = errors.New("index: malformed sparse index")

// Add adds the next block. It must stand right behind the one before, and its
// First must not be less: what does not is a fault of the caller.
func (x *Sparse) Add(b Block) {
	if n := len(x.blocks); n > 0 {
		if last := x.blocks[n-1]; b.Pos != last.End() || b.First < last.First {
			panic(fmt.Sprintf("index: block %+v after %+v", b, last))
		}
	}
	if b.Len == 0 {
		panic("index: block of no bytes")
	}
	x.blocks = append(x.blocks, b)
}

// Len is the number of blocks.
func (x *Sparse) Len() int { return len(x.blocks) }

// At is the block number i, counted from 0.
func (x *Sparse) At(i int) Block { return x.blocks[i] }

// Reset makes x empty and keeps its memory.
func (x *Sparse) Reset() { x.blocks = x.blocks[:0] }

// Find is the number of the block in which the first append begins that ends
// after an offset. Whether there is such an append, the caller knows from the
// end of the run. Of an append that spans blocks it is the block of the
// first piece. x must not be empty.
func (x *Sparse) Find(after uint64) int {
	// An append starts where the one before ends. So the append that ends after
	// the offset is in the last block that starts at or before it.
	i := sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].First > after })
	if i == 0 {
		return 0
	}
	first := x.blocks[i-1].First
	return sort.Search(i, func(i int) bool { return x.blocks[i].First >= first })
}

// AppendTail appends the encoded form of the blocks from number skip on.
// before is the block that they follow.
func (x *Sparse) AppendTail(dst []byte, skip int, before Block) []byte {
	tail := x.blocks[skip:]
	dst = binary.AppendUvarint(dst, uint64(len(tail)))
	for _, b := range tail {
		if b.Pos != before.End() || b.First < before.First {
			panic(fmt.Sprintf("index: block %+v after %+v", b, before))
		}
		dst = binary.AppendUvarint(dst, b.First-before.First)
		dst = binary.AppendUvarint(dst, uint64(b.Len))
		before = b
	}
	return dst
}

// DecodeTail adds the blocks of the encoded form at the beginning of b, which
// may be longer, and tells how long it is. before is the block that they
// follow. After an error x holds what was read so far.
func (x *Sparse) DecodeTail(b []byte, before Block) (n int, err error) {
	count, n, err := uvarint(b, 0)
	if err != nil {
		return n, err
	}
	// A block takes two bytes at least, so memory is bounded by what is there.
	if count > uint64(len(b)-n)/2 {
		return n, fmt.Errorf("%w: %d blocks in %d bytes", errSparse, count, len(b)-n)
	}
	if need := len(x.blocks) + int(count); cap(x.blocks) < need {
		x.blocks = append(make([]Block, 0, need), x.blocks...)
	}
	for range count {
		var delta, length uint64
		if delta, n, err = uvarint(b, n); err != nil {
			return n, err
		}
		if length, n, err = uvarint(b, n); err != nil {
			return n, err
		}
		switch {
		case delta > pos63-min(before.First, pos63):
			return n, fmt.Errorf("%w: offset beyond the limit", errSparse)
		case length == 0 || length > math.MaxUint32:
			return n, fmt.Errorf("%w: block of %d bytes", errSparse, length)
		case before.Pos > pos63-2*math.MaxUint32:
			return n, fmt.Errorf("%w: position beyond the limit", errSparse)
		}
		before = Block{First: before.First + delta, Pos: before.End(), Len: uint32(length)}
		x.blocks = append(x.blocks, before)
	}
	return n, nil
}

// uvarint reads a number at place n of b and returns the place after it.
func uvarint(b []byte, n int) (v uint64, next int, err error) {
	v, size := binary.Uvarint(b[n:])
	switch {
	case size <= 0:
		return 0, n, fmt.Errorf("%w: number is cut short", errSparse)
	case size > 1 && b[n+size-1] == 0:
		return 0, n, fmt.Errorf("%w: number is longer than it has to be", errSparse)
	}
	return v, n + size, nil
}
