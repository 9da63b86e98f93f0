package engine

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"tailrace/internal/stream"
)

// deadShare is how much of a segment nobody shows any more, as one part in so
// many, before it is written anew without that.
const deadShare = 4

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

// looksPerReclaim is how often in Options.ReclaimWithin the segments are asked
// though few streams have left.
const looksPerReclaim = 8

// planReclaim finds segments that have so much which no stream shows any more, or
// have had some for so long, that they are written anew without that.
func (e *Engine) planReclaim(v *version) (mergePlan, bool) {
	now := e.clockMS.Load()
	if e.timeToLook(now) {
		e.mu.Lock()
		removed := e.removed
		e.mu.Unlock()
		waits := countDead(v, e.liveStreams(), now)
		if plan, ok := e.planDead(v, now); ok {
			return plan, true
		}
		// Whoever leaves from here on is another reason to look.
		e.removedSeen, e.lookedAt, e.deadWait = removed, now, waits
	}
	e.lookForTrimmed(v)
	return e.planDead(v, now)
}

// timeToLook reports whether the streams of the segments should be compared with
// those that there are. It takes a walk over all of them, so not for each one that
// leaves.
func (e *Engine) timeToLook(now int64) bool {
	e.mu.Lock()
	left, all := e.removed-e.removedSeen, e.table.Len()
	e.mu.Unlock()
	return e.removedSeen == math.MaxUint64 || left > 0 && left >= uint64(all/lookShare) ||
		(left > 0 || e.deadWait) && now-e.lookedAt >= e.opts.ReclaimWithin.Milliseconds()/looksPerReclaim
}

// countDead notes how many streams of each segment are dead, and whether there are
// any. The sets tell that without reading it; they count streams for bytes.
func countDead(v *version, live *roaring64.Bitmap, now int64) (any bool) {
	for i := range v.layers {
		for _, s := range v.layers[i].segments {
			members := s.reader.Members()
			s.dead = members.GetCardinality() - members.AndCardinality(live)
			s.noteDead(now)
			any = any || s.dead > 0
		}
	}
	return any
}

// noteDead notes since when a segment has had something dead.
func (s *segmentFile) noteDead(now int64) {
	if s.deadSince == 0 && (s.dead > 0 || s.trimmedBytes > 0) {
		s.deadSince = now
	}
}

// worthRewriting tells that much of a segment is dead, or something has been for
// long enough. What is known of that may be as old as the last look.
func (e *Engine) worthRewriting(s *segmentFile, now int64) bool {
	switch {
	case s.unreadable(now) || s.dead == 0 && s.trimmedBytes == 0:
		return false
	case s.dead > 0 && s.dead*deadShare >= s.reader.Properties().Runs, s.trimmedBytes > 0 && s.trimmedBytes*deadShare >= s.info.RawBytes:
		return true
	}
	// A look may come late, and the merge takes time too.
	return now-s.deadSince >= e.opts.ReclaimWithin.Milliseconds()/4*3
}

// planDead finds neighbouring segments of one layer that are worth it.
func (e *Engine) planDead(v *version, now int64) (mergePlan, bool) {
	for _, l := range v.layers {
		var worth []*segmentFile
		bytes := int64(0)
		for _, s := range l.segments {
			if e.worthRewriting(s, now) && (len(worth) == 0 || bytes+s.info.Bytes <= e.mergeBytesMax()) {
				worth, bytes = append(worth, s), bytes+s.info.Bytes
			} else if len(worth) > 0 {
				break // what is made of them must not reach over this one
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
