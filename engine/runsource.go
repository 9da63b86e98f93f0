package engine

import (
	"iter"

	"tailrace/segment"
)

// runSource walks over the runs of one layer, in the order of streams.
type runSource struct {
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

// bytesThrough is how many bytes the appends of the run have that end at limit
// or before.
func (s *runSource) bytesThrough(limit uint64) (n int64, err error) {
	switch {
	case s.run.End <= limit:
		return s.run.RawBytes(), nil
	case s.run.Start >= limit:
		return 0, nil // without reading it: it may be damaged, and nobody needs it
	}
	err = s.reader.Appends(&s.run, 0, s.load, func(body []byte, end uint64) bool {
		if end > limit {
			return false
		}
		n += int64(len(body))
		return true
	})
	return n, err
}

// copyTo adds the appends of the run that end at limit or before to a run that
// they continue. Whole blocks of one stream go as they are.
func (s *runSource) copyTo(w *segment.Writer, limit uint64) error {
	after := s.run.Start
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
