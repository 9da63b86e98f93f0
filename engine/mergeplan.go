package engine

import (
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

// deadShare is how much of a segment nobody shows any more, as one part in so
// many, before it is written anew without that.
const deadShare = 4

// planMerge finds what is most worth merging, and pins the version that has it.
func (e *Engine) planMerge() (mergePlan, *version) {
	e.mu.Lock()
	v := e.pin()
	removed := e.removed
	changed := removed != e.removedSeen
	var ids []stream.ID
	if changed {
		ids = e.table.AppendIDs(nil)
	}
	e.mu.Unlock()
	plan, ok := mergePlan{}, false
	if changed {
		plan, ok = planDead(v, ids)
	}
	if !ok {
		// Whoever is removed from here on is another reason to look.
		e.removedSeen = removed
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
		for j < len(v.layers) && (v.layers[j].level() == level || len(v.layers[j].segments) == 0) {
			j++
		}
		if j-i >= fanIn && (!found || level < best.level) {
			best, found = planOf(v.layers[i:i+fanIn], level+1), true
		}
		i = j
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

// planDead finds the segments of one layer of which much is dead. ids are the
// streams that live. The sets tell how many streams of a segment are dead
// without reading it; they count streams for bytes.
func planDead(v *version, ids []stream.ID) (mergePlan, bool) {
	live := roaring64.New()
	many := make([]uint64, len(ids))
	for i, id := range ids {
		many[i] = uint64(id)
	}
	live.AddMany(many)
	for _, l := range v.layers {
		var worth []*segmentFile
		for _, s := range l.segments {
			members := s.reader.Members()
			all := members.GetCardinality()
			dead := all - members.AndCardinality(live)
			if dead*deadShare >= all {
				worth = append(worth, s)
			}
		}
		if len(worth) > 0 {
			level := l.level()
			l.segments = worth
			return planOf([]layer{l}, level), true
		}
	}
	return mergePlan{}, false
}
