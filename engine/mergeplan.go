package engine

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"tailrace/internal/stream"
)

// mergePlan is what a merge has to do.
type mergePlan struct {
	from, to uint64 // batches of the layer that it makes
	level    uint8
	inputs   []layer // all of some adjacent layers, or a part of one
	bytes    int64
}

// removes is the inputs as an edit names them.
func (p *mergePlan) removes() []uint64 {
	var ids []uint64
	for _, l := range p.inputs {
		for _, s := range l.segments {
			ids = append(ids, s.info.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// blame notes the segment that could not be read, so that no later plan has it:
// it would fail in the same way, and stop all other merging. The next start
// tries again.
func (p *mergePlan) blame(path string) {
	for _, l := range p.inputs {
		for _, s := range l.segments {
			if s.path == path {
				s.damaged = true
			}
		}
	}
}

// deadShare is how much of a segment nobody shows any more, as one part in so
// many, before it is written anew without that.
const deadShare = 4

// planMerge finds what is most worth merging, and pins the version that has it.
func (e *Engine) planMerge() (mergePlan, *version) {
	e.mu.Lock()
	v := e.pin()
	removed := e.removed
	// It takes a walk over all streams, so not for each one that leaves.
	look := e.removedSeen == math.MaxUint64 || removed != e.removedSeen && removed-e.removedSeen >= uint64(e.table.Len()/lookShare)
	e.mu.Unlock()
	plan, ok := mergePlan{}, false
	if look {
		if plan, ok = planDead(v, e.liveStreams()); !ok {
			// Whoever leaves from here on is another reason to look.
			e.removedSeen = removed
		}
	}
	if !ok {
		e.lookForTrimmed(v)
		plan, ok = planTrimmed(v)
	}
	if !ok {
		plan, ok = planLevels(v, e.opts.MergeFanIn)
	}
	if ok {
		return plan, v
	}
	e.mu.Lock()
	e.unpin(v)
	e.mu.Unlock()
	return mergePlan{}, nil
}

// lookShare is how much of the table has to leave, as one part in so many,
// before the segments are asked again how much of them is dead.
const lookShare = 64

// liveStreams is the set of the streams there are. It is gathered piece by
// piece: who leaves meanwhile may be in it, and is found the next time.
func (e *Engine) liveStreams() *roaring64.Bitmap {
	live := roaring64.New()
	ids := make([]uint64, 0, visitStreamsMax)
	for after := stream.ID(0); ; {
		ids = ids[:0]
		e.mu.Lock()
		for s := e.table.Next(after); s != nil && len(ids) < cap(ids); s = e.table.Next(after) {
			after = s.ID
			ids = append(ids, uint64(s.ID))
		}
		e.mu.Unlock()
		if len(ids) == 0 {
			return live
		}
		live.AddMany(ids)
	}
}

// damaged reports whether a merge of the layer would fail.
func (l *layer) damaged() bool {
	return slices.ContainsFunc(l.segments, func(s *segmentFile) bool { return s.damaged })
}

// level is the level of a layer: that of its segments.
func (l *layer) level() uint8 {
	level := uint8(0)
	for _, s := range l.segments {
		level = max(level, s.info.Level)
	}
	return level
}

// planLevels finds as many adjacent layers of one level as make one of the
// next. The lowest level comes first: its layers are what reads have to look
// through. Layers without segments go along with their neighbours.
func planLevels(v *version, fanIn int) (mergePlan, bool) {
	best := mergePlan{}
	found := false
	for i := 0; i < len(v.layers); {
		level := v.layers[i].level()
		j := i
		for j < len(v.layers) && !v.layers[j].damaged() && (v.layers[j].level() == level || len(v.layers[j].segments) == 0) {
			j++
		}
		if j-i >= fanIn && (!found || level < best.level) {
			best, found = planOf(v.layers[i:i+fanIn], level+1), true
		}
		i = max(j, i+1)
	}
	best.level = min(best.level, levelMax)
	return best, found
}

// levelMax keeps counting levels from being a limit.
const levelMax = 15

func planOf(inputs []layer, level uint8) mergePlan {
	p := mergePlan{from: inputs[0].From, to: inputs[len(inputs)-1].To, level: level, inputs: inputs}
	for _, l := range inputs {
		for _, s := range l.segments {
			p.bytes += s.info.RawBytes
		}
	}
	return p
}

// planDead finds neighbouring segments of one layer of which much is dead. The
// sets tell how many streams of a segment are dead without reading it; they
// count streams for bytes.
func planDead(v *version, live *roaring64.Bitmap) (mergePlan, bool) {
	for _, l := range v.layers {
		var worth []*segmentFile
	neighbours:
		for _, s := range l.segments {
			members := s.reader.Members()
			all := members.GetCardinality()
			dead := all - members.AndCardinality(live)
			switch {
			case !s.damaged && dead*deadShare >= all:
				worth = append(worth, s)
				continue
			case len(worth) == 0:
				continue
			}
			// What is made of them must not reach over this one.
			break neighbours
		}
		if len(worth) > 0 {
			level := l.level()
			l.segments = worth
			return planOf([]layer{l}, level), true
		}
	}
	return mergePlan{}, false
}
