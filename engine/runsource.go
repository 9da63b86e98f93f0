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

// bytesOf is how many bytes the appends of a stream have that end at limit or
// before, in the run where the source is and in the segments that go on with it.
func (s *runSource) bytesOf(id, limit uint64) (int64, error) {
	n, err := s.bytesThrough(&s.run, s.reader, limit)
	for _, next := range s.segments {
		if err != nil || next.info.FirstStream != id {
			break
		}
		reader := next.in(s.how)
		run, ok, rerr := reader.Run(id)
		if err = rerr; err == nil && ok {
			var more int64
			more, err = s.bytesThrough(&run, reader, limit)
			n += more
		}
	}
	return n, err
}

// bytesThrough is how many bytes the appends of a run have that end at limit or
// before.
func (s *runSource) bytesThrough(run *segment.Run, in *segment.Reader, limit uint64) (n int64, err error) {
	switch {
	case run.End <= limit:
		return run.RawBytes(), nil
	case run.Start >= limit:
		return 0, nil // without reading it: it may be damaged, and nobody needs it
	}
	load := s.load
	if in != s.reader {
		load = in.ReadBlock
	}
	err = in.Appends(run, 0, load, func(body []byte, end uint64) bool {
		if end > limit {
			return false
		}
		n += int64(len(body))
		return true
	})
	return n, err
}

// copyTo adds the appends of the run that end at limit or before to what output
// says for the offset where each begins. Whole blocks of one stream go as they
// are.
func (s *runSource) copyTo(limit uint64, output func(at uint64) (*segment.Writer, error)) error {
	after, begun := s.run.Start, uint64(math.MaxUint64)
	var w *segment.Writer
	// A run that is smaller has no such block, and looking would read one that it
	// shares with hundreds of others.
	large := s.run.RawBytes() >= copyBytesMin-soloBrackets
	for i := 0; large && i < s.run.Blocks.Len() && s.run.End <= limit; i++ {
		raw, err := s.reader.ReadStored(s.run.Handle(i))
		if err != nil {
			return err
		}
		if !raw.Solo || raw.Content < copyBytesMin {
			break
		}
		if raw.Start != begun { // the pieces of an append stay together
			if w, err = output(after); err != nil {
				return err
			}
			begun = raw.Start
		}
		if err := w.CopyBlock(raw); err != nil {
			return err
		}
		after = raw.End
	}
	var failed error
	err := s.reader.Appends(&s.run, after, s.load, func(body []byte, end uint64) bool {
		if end > limit {
			return false
		}
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
