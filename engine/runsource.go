package engine

import (
	"iter"
	"math"

	"tailrace/segment"
)

// runSource walks over the runs of one layer, in the order of streams.
type runSource struct {
	segments []*segmentFile // not begun yet
	run      segment.Run    // where it is
	ok       bool           // there is one
	first    uint64         // where what is kept of it begins, or noAppend

	reader *segment.Reader
	pull   func() (segment.Run, error, bool)
	stop   func()

	// The block that was read last: runs that follow each other are often in one.
	handle segment.Handle
	block  *segment.Block
}

func newRunSource(l layer) *runSource { return &runSource{segments: l.segments} }

// advance moves to the next run.
func (s *runSource) advance() error {
	s.ok = false
	for {
		if s.pull == nil {
			if len(s.segments) == 0 {
				return nil
			}
			s.reader, s.segments = s.segments[0].reader, s.segments[1:]
			s.block = nil
			s.pull, s.stop = iter.Pull2(s.reader.Runs)
		}
		run, err, more := s.pull()
		if err != nil {
			return err
		}
		if more {
			s.run, s.ok = run, true
			return nil
		}
		s.close()
	}
}

// close ends the walk.
func (s *runSource) close() {
	if s.stop != nil {
		s.stop()
		s.pull, s.stop = nil, nil
	}
}

// lowest is the smallest stream that the sources are at. It is false when all
// have ended.
func lowest(sources []*runSource) (id uint64, ok bool) {
	for _, s := range sources {
		if s.ok && (!ok || s.run.Stream < id) {
			id, ok = s.run.Stream, true
		}
	}
	return id, ok
}

func (s *runSource) load(h segment.Handle) (*segment.Block, error) {
	if s.block != nil && s.handle == h {
		return s.block, nil
	}
	b, err := s.reader.ReadBlock(h)
	if err == nil {
		s.handle, s.block = h, b
	}
	return b, err
}

// bounds are the part of a stream that somebody shows: the appends that end
// above floor, and at limit or before.
type bounds struct{ floor, limit uint64 }

// noAppend is where the kept appends of a run begin that has none.
const noAppend = math.MaxUint64

// bytesWithin is how many bytes the appends of the run have that are within the
// bounds. It also finds out where they begin.
func (s *runSource) bytesWithin(b bounds) (n int64, err error) {
	s.first = noAppend
	if s.run.End <= b.floor || s.run.Start >= b.limit {
		return 0, nil // without reading it: it may be damaged, and nobody needs it
	}
	if b.floor <= s.run.Start && s.run.End <= b.limit {
		s.first = s.run.Start
		return s.run.RawBytes(), nil
	}
	// The shorter part of what a floor divides is read.
	if s.run.End <= b.limit && b.floor-s.run.Start < s.run.End-b.floor {
		n, s.first = s.run.RawBytes(), s.run.Start
		err = s.reader.Appends(&s.run, 0, s.load, func(body []byte, end uint64) bool {
			if end > b.floor {
				return false
			}
			n, s.first = n-int64(len(body)), end
			return true
		})
		if err == nil {
			return n, nil
		}
		n, s.first = 0, noAppend // it is damaged where nobody needs it, perhaps
	}
	err = s.reader.Appends(&s.run, b.floor, s.load, func(body []byte, end uint64) bool {
		if end > b.limit {
			return false
		}
		if s.first == noAppend {
			s.first = end - uint64(len(body)) - segment.AppendOverhead
		}
		n += int64(len(body))
		return true
	})
	return n, err
}

// copyTo adds the appends of the run that are within the bounds to a run that they
// continue. Whole blocks of one stream go as they are.
func (s *runSource) copyTo(w *segment.Writer, b bounds) error {
	// A run that is smaller has no such block, and looking would read one that it
	// shares with hundreds of others.
	large := s.run.RawBytes() >= copyBytesMin-soloBrackets && s.run.End <= b.limit
	begin, _ := s.run.Find(s.first)
	after := s.first
	if large && s.run.Blocks.At(begin).First != s.first {
		// It begins within a block, of which the rest is copied by itself.
		begin++
		if begin == s.run.Blocks.Len() {
			large = false
		} else if err := s.copyAppends(w, after, s.run.Blocks.At(begin).First); err != nil {
			return err
		} else {
			after = s.run.Blocks.At(begin).First
		}
	}
	for i := begin; large && i < s.run.Blocks.Len(); i++ {
		raw, err := s.reader.ReadStored(s.run.Handle(i))
		if err != nil {
			return err
		}
		if !raw.Solo || raw.Content < copyBytesMin {
			break
		}
		if err := w.CopyBlock(raw); err != nil {
			return err
		}
		after = raw.End
	}
	return s.copyAppends(w, after, b.limit)
}

// copyAppends adds the appends of the run that end after an offset, and at limit
// or before.
func (s *runSource) copyAppends(w *segment.Writer, after, limit uint64) error {
	var failed error
	err := s.reader.Appends(&s.run, after, s.load, func(body []byte, end uint64) bool {
		if end > limit {
			return false
		}
		failed = w.Append(body)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// soloBrackets is what the content of a block of JSON has beyond the stored
// bodies.
const soloBrackets = 1

// copyBytesMin is the smallest block that is taken over as it is. Smaller ones
// are joined to larger ones.
const copyBytesMin = segment.SoloBytesMax / 2
