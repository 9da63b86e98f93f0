package engine

import (
	"slices"
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

// blameFar notes that segments could not be read in the bucket, for a while: other
// merges need not wait for that.
func (p *mergePlan) blameFar(at int64) {
	for _, l := range p.inputs {
		for _, s := range l.segments {
			if s.far != nil {
				s.damaged = at
			}
		}
	}
}

// planMerge finds what is most worth merging, and holds the inputs of it.
func (e *Engine) planMerge() (mergePlan, bool) {
	e.mu.Lock()
	v := e.pin()
	e.mu.Unlock()
	plan, ok := e.planReclaim(v)
	if !ok {
		plan, ok = planLevels(v, e.opts.MergeFanIn, e.mergeBytesMax())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if ok {
		for i := range plan.inputs {
			e.hold(plan.inputs[i].segments...)
		}
	}
	e.unpin(v)
	return plan, ok
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
