package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/segment"
)

// evictMax bounds the segments of one eviction.
const evictMax = 16

// localBytes is what segments take on the disk.
func localBytes(s *manifest.State) (n int64) {
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place != manifest.PlaceRemote {
				n += seg.Bytes
			}
		}
	}
	return n
}

// localMax is beyond what segments leave the disk. The rest of the budget is for a
// merge and a flush under way.
func (t *tier) localMax() int64 { return t.opts.LocalBytes / 4 * 3 }

// crowded tells that the disk has more than it should, and that small segments
// have to be sent too.
func (e *Engine) crowded(s *manifest.State) bool { return localBytes(s) > e.tier.localMax() }

// mergeBytesMax bounds what a merge reads, and so what it writes beside it.
func (e *Engine) mergeBytesMax() int64 {
	if e.tier == nil {
		return 1<<63 - 1
	}
	return e.tier.opts.LocalBytes / 4
}

// evict lets segments leave the disk that the bucket has, those first that were
// read least recently. In order, each durable before the next:
//
//	begin   the manifest announces files for the ends of the segments
//	write   header, index and footer of each, which reads go on to find here
//	commit  one edit: reads go to the bucket
//	remove  the files, when the last reader has let go
func (e *Engine) evict() error {
	t := e.tier
	if t == nil || !t.owned() {
		return nil
	}
	if err := e.mend(); err != nil {
		return err
	}
	for {
		state := e.manifest.State()
		leaving := e.leaving(&state)
		if len(leaving) == 0 {
			if !e.reserved.Load() {
				e.keepReserve()
			}
			return nil
		}
		if err := e.withReserve(func() error { return e.evictSegments(leaving) }); err != nil {
			return err
		}
	}
}

// leaving chooses the segments to go. Those that a merge will soon take up go last,
// though nobody may have read them yet: what has left the disk is not merged any
// more, and each of their layers would stay one to look through.
func (e *Engine) leaving(s *manifest.State) []uint64 {
	over := localBytes(s) - e.tier.localMax()
	if over <= 0 {
		return nil
	}
	sizes, young := map[uint64]int64{}, map[uint64]int{}
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place == manifest.PlaceBoth {
				if sizes[seg.ID] = seg.Bytes; !e.settled(&seg) {
					young[seg.ID] = 1
				}
			}
		}
	}
	type candidate struct {
		id    uint64
		young int // 1: a merge will soon take it up
		used  int64
	}
	var all []candidate
	now := e.clockMS.Load()
	e.mu.Lock()
	for i := range e.version.layers {
		for _, s := range e.version.layers[i].segments {
			if sizes[s.info.ID] > 0 && s.far == nil && s.stays.Load() <= now {
				all = append(all, candidate{s.info.ID, young[s.info.ID], s.used.Load()})
			}
		}
	}
	e.mu.Unlock()
	// Of those that nobody has read, the oldest go first: that is their order.
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.young, b.young), cmp.Compare(a.used, b.used))
	})
	var ids []uint64
	for _, c := range all {
		if over <= 0 || len(ids) == evictMax {
			break
		}
		over -= sizes[c.id]
		ids = append(ids, c.id)
	}
	slices.Sort(ids)
	return ids
}

func (e *Engine) evictSegments(ids []uint64) error {
	return e.evictWith(ids, e.keepEnds)
}

// evictDamaged lets a segment leave the disk that does not verify there, and does
// in the bucket. If it left before, its ends are written anew.
func (e *Engine) evictDamaged(ctx context.Context, seg manifest.Segment) error {
	from := namedObject{ctx, e.tier.store, e.tier.nameOf(seg.Object())}
	return e.evictWith([]uint64{seg.ID}, func(id uint64, to manifest.File) (*segmentFile, error) {
		whole, err := segment.Open(from.name, from, seg.Bytes)
		if err != nil {
			return nil, err
		}
		s, err := e.openEnds(seg, to, from, whole.BlocksEnd())
		if err != nil {
			return nil, err
		}
		// What takes the place of damage is not to be damaged.
		if err := wholeRuns(s.reader); err != nil {
			s.file.Close()
			return nil, err
		}
		return s, nil
	})
}

// evictWith evicts segments, of which ends makes what stays.
func (e *Engine) evictWith(ids []uint64, ends func(id uint64, to manifest.File) (*segmentFile, error)) error {
	kinds := slices.Repeat([]manifest.FileKind{manifest.FileIndex}, len(ids))
	act, err := e.manifest.Begin(manifest.ActEvict, kinds...)
	if err != nil {
		return err
	}
	edit := manifest.Evict{Act: act.ID}
	var opened []*segmentFile
	for i, id := range ids {
		s, err := ends(id, act.Outputs[i])
		if err != nil {
			closeAll(opened)
			if err := e.abort(act.ID); err != nil {
				return err
			}
			return fmt.Errorf("engine: evict segment %d: %w", id, err)
		}
		if s != nil {
			opened = append(opened, s)
			edit.Segments = append(edit.Segments, manifest.Evicted{ID: id, Index: act.Outputs[i].ID})
		}
	}
	if len(opened) == 0 {
		return e.abort(act.ID)
	}
	if err := e.commit(edit, func() {}, opened...); err != nil {
		if err := ignoreRefused(err); err != nil { // or a merge was faster
			return err
		}
		return e.abort(act.ID)
	}
	e.segmentsLeft(opened)
	return e.sweepGarbage()
}

// keepEnds writes the ends of a segment, and opens it as one that is in the
// bucket. It is nil if the segment is gone.
func (e *Engine) keepEnds(id uint64, to manifest.File) (*segmentFile, error) {
	s := e.holdSegment(id)
	if s == nil {
		return nil, nil
	}
	defer e.unholdSegment(s)
	state := e.manifest.State()
	info, ok := state.Find(id)
	if !ok || !e.confirmed(s, info) {
		return nil, nil
	}
	return e.openEnds(info, to, s.file, s.reader.BlocksEnd())
}

// confirmed asks the bucket for an object whose copy on the disk is about to go.
// One that is not there, or not what was sent, keeps that copy: the scrubber sends
// it again. A bucket that does not answer has confirmed it when it was sent.
func (e *Engine) confirmed(s *segmentFile, info manifest.Segment) bool {
	ctx, cancel := context.WithTimeout(e.ctx, e.tier.opts.ReadTimeout)
	defer cancel()
	err := headObject(ctx, e.tier.store, e.tier.nameOf(info.Object()), info.Object())
	if !errors.Is(err, objstore.ErrNotFound) && !isCorrupt(err) {
		return true
	}
	e.tier.lost.Add(1)
	e.opts.Logger.Error("an object is not what was sent, so the segment stays on the disk", "err", err)
	s.stays.Store(e.clockMS.Load() + asideTime.Milliseconds())
	return false
}

// openEnds writes the ends of a segment that it reads somewhere.
func (e *Engine) openEnds(info manifest.Segment, to manifest.File, from io.ReaderAt, blocksEnd int64) (*segmentFile, error) {
	out, err := newOutFile(e.opts.FS, e.filePath(to), nil)
	if err != nil {
		return nil, err
	}
	if err = copyEnds(out, from, blocksEnd, info.Bytes); err == nil {
		err = out.settle()
	}
	if err != nil {
		out.discard()
		return nil, err
	}
	info.Place, info.Index = manifest.PlaceRemote, to.ID
	return e.openSegment(info)
}

// copyEnds writes what of a segment is not its blocks. From a bucket each piece
// is a request.
func copyEnds(w io.Writer, r io.ReaderAt, blocksEnd, size int64) error {
	piece := make([]byte, max(segment.HeaderBytes, min(size-blocksEnd, copyStepBytes)))
	for _, part := range [][2]int64{{0, segment.HeaderBytes}, {blocksEnd, size}} {
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(r, part[0], part[1]-part[0]), piece); err != nil {
			return fmt.Errorf("engine: copy the ends of a segment: %w", err)
		}
	}
	return nil
}
