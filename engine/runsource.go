package engine

import (
	"iter"
	"math"

	"tailrace/internal/remote"
	"tailrace/segment"
)

// runSource walks over the runs of one layer, in the order of streams.
type runSource struct {
	how      how
	segments []*segmentFile // not begun yet
	run      segment.Run    // where it is
	ok       bool           // there is one
	first    uint64         // where what is kept of it begins, or noAppend, if begun
	begun    bool

	reader *segment.Reader
	pull   func() (segment.Run, error, bool)
	stop   func()

	// The block that was read last: runs that follow each other are often in one.
	handle segment.Handle
	block  *segment.Block
}

// newRunSource walks over a layer. Segments that are in the bucket are read front
// to back.
func (e *Engine) newRunSource(l layer) *runSource {
	return &runSource{segments: l.segments, how: how{ctx: e.ctx, ask: remote.Ask{Sequential: true}}}
}

// advance moves to the next run.
func (s *runSource) advance() error {
	s.ok = false
	for {
		if s.pull == nil {
			if len(s.segments) == 0 {
				return nil
			}
			s.reader, s.segments = s.segments[0].in(s.how), s.segments[1:]
			s.block = nil
			s.pull, s.stop = iter.Pull2(s.reader.Runs)
		}
		run, err, more := s.pull()
		if err != nil {
			return err
		}
		if more {
			s.run, s.ok, s.begun = run, true, false
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

// bytesOf is how many bytes the appends of a stream have that are within the
// bounds, in the run where the source is and in the segments that go on with it.
func (s *runSource) bytesOf(id uint64, b bounds) (n int64, err error) {
	n, s.first, err = bytesWithin(&s.run, s.reader, s.load, b)
	s.begun = err == nil
	for _, next := range s.segments {
		if err != nil || next.info.FirstStream != id {
			break
		}
		reader := next.in(s.how)
		run, ok, rerr := reader.Run(id)
		if err = rerr; err == nil && ok {
			var more int64
			more, _, err = bytesWithin(&run, reader, reader.ReadBlock, b)
			n += more
		}
	}
	return n, err
}

// begin finds out where what is kept of the run begins.
func (s *runSource) begin(b bounds) (first uint64, err error) {
	if !s.begun {
		_, s.first, err = bytesWithin(&s.run, s.reader, s.load, b)
		s.begun = err == nil
	}
	return s.first, err
}

// bytesWithin is how many bytes the appends of a run have that are within the
// bounds, and where they begin.
func bytesWithin(run *segment.Run, in *segment.Reader, load func(segment.Handle) (*segment.Block, error), b bounds) (n int64, first uint64, err error) {
	if run.End <= b.floor || run.Start >= b.limit {
		return 0, noAppend, nil // without reading it: it may be damaged, and nobody needs it
	}
	if b.floor <= run.Start && run.End <= b.limit {
		return run.RawBytes(), run.Start, nil
	}
	// The shorter part of what a floor divides is read.
	if run.End <= b.limit && b.floor-run.Start < run.End-b.floor {
		n, first = run.RawBytes(), run.Start
		err = in.Appends(run, 0, load, func(body []byte, end uint64) bool {
			if end > b.floor {
				return false
			}
			n, first = n-int64(len(body)), end
			return true
		})
		if err == nil {
			return n, first, nil
		}
		// It is damaged where nobody needs it, perhaps.
	}
	n, first = 0, noAppend
	err = in.Appends(run, b.floor, load, func(body []byte, end uint64) bool {
		if end > b.limit {
			return false
		}
		if first == noAppend {
			first = end - uint64(len(body)) - segment.AppendOverhead
		}
		n += int64(len(body))
		return true
	})
	return n, first, err
}

// outputs says for an offset what the appends from there on go into.
type outputs func(at uint64) (*segment.Writer, error)

// copyTo adds the appends of the run that are within the bounds to what output
// says for the offset where each begins. Whole blocks of one stream go as they
// are.
func (s *runSource) copyTo(b bounds, output outputs) error {
	// A run that is smaller has no such block, and looking would read one that it
	// shares with hundreds of others.
	large := s.run.RawBytes() >= copyBytesMin-soloBrackets && s.run.End <= b.limit
	begin, _ := s.run.Find(s.first)
	after, piece := s.first, uint64(noAppend)
	if large && s.run.Blocks.At(begin).First != s.first {
		// It begins within a block, of which the rest is copied by itself.
		begin++
		if begin == s.run.Blocks.Len() {
			large = false
		} else if err := s.copyAppends(output, after, s.run.Blocks.At(begin).First); err != nil {
			return err
		} else {
			after = s.run.Blocks.At(begin).First
		}
	}
	var w *segment.Writer
	for i := begin; large && i < s.run.Blocks.Len(); i++ {
		raw, err := s.reader.ReadStored(s.run.Handle(i))
		if err != nil {
			return err
		}
		if !raw.Solo || raw.Content < copyBytesMin {
			break
		}
		if raw.Start != piece { // the pieces of one stay together
			if w, err = output(after); err != nil {
				return err
			}
			piece = raw.Start
		}
		if err := w.CopyBlock(raw); err != nil {
			return err
		}
		after = raw.End
	}
	return s.copyAppends(output, after, b.limit)
}

// copyAppends adds the appends of the run that end after an offset, and at limit
// or before.
func (s *runSource) copyAppends(output outputs, after, limit uint64) error {
	var failed error
	err := s.reader.Appends(&s.run, after, s.load, func(body []byte, end uint64) bool {
		if end > limit {
			return false
		}
		var w *segment.Writer
		if w, failed = output(end - uint64(len(body)) - segment.AppendOverhead); failed == nil {
			failed = w.Append(body)
		}
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
