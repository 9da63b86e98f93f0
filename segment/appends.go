package segment

import "fmt"

// Appends yields the appends of a run that end after an offset, in order, each
// whole and with its end. It is the way to read a run: appends that span
// blocks are put together here. load reads a block, from a cache perhaps; nil
// stands for [Reader.ReadBlock]. A body is a part of a block, or memory of its
// own if it spans blocks: nobody may change it, and it stays valid.
//
// Blocks that do not continue the run are a *frame.CorruptError; other errors
// are those of load. What was yielded before an error is right.
func (s *Reader) Appends(r *Run, after uint64, load func(Handle) (*Block, error), yield func(body []byte, end uint64) bool) error {
	i, ok := r.Find(after)
	if !ok {
		return nil
	}
	if load == nil {
		load = s.ReadBlock
	}
	f := follow{run: r, next: r.Blocks.At(i).First}
	var joined []byte
	for ; i < r.Blocks.Len(); i++ {
		h := r.Handle(i)
		b, err := load(h)
		if err != nil {
			return err
		}
		p, ok := b.part(r.Stream)
		if !ok {
			return s.corrupt(h.Pos, fmt.Sprintf("block has nothing of stream %d", r.Stream), nil)
		}
		if reason := f.take(r.Blocks.At(i).First, p, b); reason != "" {
			return s.corrupt(h.Pos, reason, nil)
		}
		if b.kind != kindPiece {
			if !b.appends(p, after, yield) {
				return nil
			}
			continue
		}
		if joined == nil {
			// No more than the blocks that are there can hold.
			rest := uint64(r.Blocks.Len()-i) * SoloBytesMax
			joined = make([]byte, 0, min(rest, uint64(p.bytes)+b.table.after))
		}
		joined = append(joined, b.content...)
		if f.seen == 0 {
			if f.next > after && !yield(joined, f.next) {
				return nil
			}
			joined = nil
		}
	}
	if reason := f.end(); reason != "" {
		return s.corrupt(r.Handle(r.Blocks.Len()-1).Pos, reason, nil)
	}
	return nil
}

// follow goes along a run from block to block and sees whether each part
// continues it.
type follow struct {
	run     *Run
	next    uint64 // where the next append starts
	seen    uint64 // bytes of that append in the blocks before
	whole   uint64 // its bytes in all blocks, if seen is not 0
	appends uint64
}

// take tells why a part does not follow. first is where the index says that it
// starts.
func (f *follow) take(first uint64, p *part, b *Block) (reason string) {
	t := &b.table
	switch {
	case first != p.start || p.start != f.next || t.before != f.seen:
		return fmt.Sprintf("block does not continue the run of stream %d at %d", f.run.Stream, f.next)
	case p.json != f.run.JSON:
		return fmt.Sprintf("block and index do not agree that stream %d is JSON", f.run.Stream)
	}
	if b.kind != kindPiece {
		f.next = p.end()
		f.appends += uint64(p.count)
	} else {
		whole := t.before + uint64(p.bytes) + t.after
		if f.seen != 0 && whole != f.whole {
			return fmt.Sprintf("pieces of the append of stream %d at %d do not agree", f.run.Stream, f.next)
		}
		f.whole, f.seen = whole, t.before+uint64(p.bytes)
		if t.after == 0 {
			f.next += whole + AppendOverhead
			f.appends++
			f.seen = 0
		}
	}
	if f.next > f.run.End {
		return fmt.Sprintf("block goes beyond the end %d of the run of stream %d", f.run.End, f.run.Stream)
	}
	return ""
}

// end tells why the run cannot end here.
func (f *follow) end() (reason string) {
	if f.next != f.run.End || f.seen != 0 {
		return fmt.Sprintf("run of stream %d ends at %d, the index says %d", f.run.Stream, f.next, f.run.End)
	}
	return ""
}
