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

// divides reports whether the first input goes on with a stream that a segment
// before it has the beginning of.
func (p *mergePlan) divides(id uint64) bool {
	for _, l := range p.inputs {
		if len(l.segments) > 0 {
			first := &l.segments[0].info
			return len(p.inputs) == 1 && first.Start != 0 && first.FirstStream == id
		}
	}
	return false
}

// blame notes the segment that could not be read, so that no later plan has it:
// it would fail in the same way, and stop all other merging. The next start
// tries again; what came from the bucket is tried again before.
func (p *mergePlan) blame(path string, at int64) {
	for _, l := range p.inputs {
		for _, s := range l.segments {
			if s.path == path {
				s.damaged = at
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
		if plan, ok = planDead(v, e.liveStreams(), e.clockMS.Load()); !ok {
			// Whoever leaves from here on is another reason to look.
			e.removedSeen = removed
		}
	}
	if !ok {
		e.lookForTrimmed(v)
		plan, ok = planTrimmed(v, e.clockMS.Load())
	}
	if !ok {
		plan, ok = planLevels(v, e.opts.MergeFanIn, e.mergeBytesMax())
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

// unreadable reports whether a merge of the segment would fail, as far as is
// known.
func (s *segmentFile) unreadable(now int64) bool {
	return s.damaged != 0 && (s.far == nil || now < s.damaged+asideTime.Milliseconds())
}

// mergeable reports whether the layer can be merged with its neighbours: no
// segment of it is known to be damaged, and none has left the disk. To read that
// again costs more than looking through one layer more.
func (l *layer) mergeable() bool {
	return !slices.ContainsFunc(l.segments, func(s *segmentFile) bool { return s.damaged != 0 || s.far != nil })
}

// bytes is what the segments of the layer take.
func (l *layer) bytes() (n int64) {
	for _, s := range l.segments {
		n += s.info.Bytes
	}
	return n
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
// next, and have no more than so many bytes. The lowest level comes first: its
// layers are what reads have to look through. Layers without segments go along
// with their neighbours.
func planLevels(v *version, fanIn int, bytesMax int64) (mergePlan, bool) {
	best := mergePlan{}
	found := false
	for i := 0; i < len(v.layers); {
		level := v.layers[i].level()
		j := i
		bytes := int64(0)
		for j < len(v.layers) && j-i < fanIn && v.layers[j].mergeable() && (v.layers[j].level() == level || len(v.layers[j].segments) == 0) {
			if bytes += v.layers[j].bytes(); bytes > bytesMax {
				break
			}
			j++
		}
		if j-i == fanIn && (!found || level+1 < best.level) {
			best, found = planOf(v.layers[i:j], level+1), true
		}
		if j-i < fanIn && bytes > bytesMax {
			i++ // a smaller one may follow
			continue
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
func planDead(v *version, live *roaring64.Bitmap, now int64) (mergePlan, bool) {
	for _, l := range v.layers {
		var worth []*segmentFile
	neighbours:
		for _, s := range l.segments {
			members := s.reader.Members()
			all := members.GetCardinality()
			dead := all - members.AndCardinality(live)
			switch {
			case !s.unreadable(now) && dead*deadShare >= all:
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
