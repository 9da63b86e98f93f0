package engine

import (
	"math"

	"tailrace/internal/stream"
)

// trimLooksMax is how many trimmed streams are looked at before a merge is
// planned. Each costs a page of every layer that has it.
const trimLooksMax = 256

// trimmedStreams are those whose floor rose since the merger looked at them, in the
// order in which that began.
type trimmedStreams struct {
	list []stream.ID
	in   map[stream.ID]struct{}
}

func (t *trimmedStreams) add(id stream.ID) {
	if _, known := t.in[id]; known {
		return
	}
	if t.in == nil {
		t.in = make(map[stream.ID]struct{})
	}
	t.in[id] = struct{}{}
	t.list = append(t.list, id)
}

func (t *trimmedStreams) take() (stream.ID, bool) {
	if len(t.list) == 0 {
		return 0, false
	}
	id := t.list[0]
	t.list = t.list[1:]
	delete(t.in, id)
	return id, true
}

// lookForTrimmed finds out how much of the segments of a version was dropped from
// the front of streams since they were looked at last, some streams at a time.
// Only the merger calls it.
func (e *Engine) lookForTrimmed(v *version) {
	type look struct {
		id    uint64
		floor uint64
	}
	var looks []look
	e.mu.Lock()
	for range trimLooksMax {
		id, ok := e.trimmed.take()
		if !ok {
			break
		}
		if s := e.table.ByID(id); s != nil {
			looks = append(looks, look{uint64(id), uint64(e.table.Floor(s))})
		}
	}
	e.mu.Unlock()
	for _, l := range looks {
		for i := range v.layers {
			for _, seg := range v.layers[i].find(l.id) {
				seg.noteTrimmed(l.id, l.floor)
				seg.noteDead(e.clockMS.Load())
			}
		}
	}
}

// noteTrimmed notes how much a segment has of a stream below its floor. A page
// that cannot be read says nothing; a merge or a scrub finds out about it.
func (s *segmentFile) noteTrimmed(id, floor uint64) {
	if s.damaged != 0 || !s.reader.Has(id) {
		return
	}
	run, ok, err := s.reader.Run(id)
	if err != nil || !ok || floor <= run.Start {
		return
	}
	// Appends are of any size, so between its ends this is an estimate.
	share := float64(min(floor, run.End)-run.Start) / float64(run.End-run.Start)
	dead := int64(math.Ceil(share * float64(run.RawBytes())))
	if s.trimmed == nil {
		s.trimmed = make(map[uint64]int64)
	}
	s.trimmedBytes += dead - s.trimmed[id]
	s.trimmed[id] = dead
}

// trimmedBefore has the merger look at the streams that were trimmed before the
// store was opened. Nobody else has the engine yet.
func (e *Engine) trimmedBefore() {
	for s := range e.table.All {
		if e.table.Floor(s) > 0 {
			e.trimmed.add(s.ID)
		}
	}
}

// floorOf is where what is stored under a stream begins to be shown.
func (e *Engine) floorOf(s *stream.Stream) uint64 { return uint64(e.table.Floor(s)) }
