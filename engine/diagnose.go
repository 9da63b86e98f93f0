package engine

import (
	"slices"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/segment"
)

// damagedSegment is a segment that does not verify, and what of it is lost.
type damagedSegment struct {
	path    string
	err     error
	streams map[uint64]uint64 // with something in what does not verify: where that begins; nil = not known
	info    manifest.Segment
}

// diagnoseSegments verifies all segments.
func (e *Engine) diagnoseSegments(layers []manifest.Layer) (damaged []damagedSegment) {
	for _, l := range layers {
		for _, info := range l.Segments {
			d := damagedSegment{path: e.filePath(info.OnDisk()), info: info}
			s, err := e.openSegment(info)
			if err != nil {
				d.err = err
				damaged = append(damaged, d)
				continue
			}
			if s.far != nil {
				if d.err = wholeRuns(s.reader); d.err != nil { // its blocks are in the bucket
					damaged = append(damaged, d)
				}
				s.file.Close()
				continue
			}
			if _, d.err = segment.Verify(s.path, s.file, info.Bytes); d.err != nil {
				d.streams = lostIn(s)
				damaged = append(damaged, d)
			}
			s.file.Close() // it was only read
		}
	}
	return damaged
}

// lostIn finds the streams with a run in blocks that do not verify. It is nil
// when the index of the segment does not tell.
func lostIn(s *segmentFile) map[uint64]uint64 {
	bad := make(map[uint64]bool) // the block that was read last, by position
	lost := make(map[uint64]uint64)
	for run, err := range s.reader.Runs {
		if err != nil {
			return nil
		}
		for i := range run.Blocks.Len() {
			h := run.Handle(i)
			is, known := bad[h.Pos]
			if !known {
				_, err := s.reader.ReadBlock(h)
				is = err != nil
				clear(bad) // runs share the last block at most
				bad[h.Pos] = is
			}
			if is {
				lost[run.Stream] = run.Blocks.At(i).First
				break
			}
		}
	}
	if len(lost) == 0 {
		return nil // the fault is between the parts
	}
	return lost
}

// concerned names the streams that may miss something, sorted: those of the
// segment, and those that show something of them as forks.
func (e *Engine) concerned(d *damagedSegment) (paths []string) {
	hit := func(id stream.ID, upTo stream.Offset) bool {
		if d.streams != nil {
			// What begins where a fork leaves off is read to find the end of it.
			from, ok := d.streams[uint64(id)]
			return ok && from <= uint64(upTo)
		}
		return uint64(id) >= d.info.FirstStream && uint64(id) <= d.info.LastStream
	}
	for s := range e.table.All {
		if s.Gone {
			continue // its forks are asked themselves
		}
		upTo := s.Tail
		for at := s; at != nil; at = at.Source() {
			if hit(at.ID, upTo) {
				paths = append(paths, s.Path)
				break
			}
			upTo = min(upTo, at.Base())
		}
	}
	slices.Sort(paths)
	return paths
}
