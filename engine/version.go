package engine

import (
	"sort"
	"sync/atomic"

	"tailrace/internal/manifest"
	"tailrace/internal/vfs"
	"tailrace/segment"
)

// segmentFile is an open segment. It is closed when no version shows it and no act
// holds it.
type segmentFile struct {
	info   manifest.Segment
	path   string
	file   vfs.File        // of it, or if far is set of the ends of it
	reader *segment.Reader // if far is set, it reads no blocks: see in
	far    *far            // its blocks are in the bucket
	used   atomic.Int64    // engine time of the last read, unix milliseconds
	stays  atomic.Int64    // engine time until which it is not to leave the disk, the same
	// damaged is when a merge met bytes in it that do not verify, engine time; 0 =
	// never. The merger's own.
	damaged int64

	*waste // what it has in vain
}

// waste is what is known of a segment that nobody shows any more. It is of the
// segment and not of a file: when another file takes its place, because it leaves
// the disk, both share this. So the merger, whose own it is, may note something
// about a file that it has while the other one is published.
type waste struct {
	// What was dropped from the front of streams, by stream and together.
	trimmed      map[uint64]int64
	trimmedBytes int64

	// Streams in it that are dead, as of the last look; since when it has had
	// anything that nobody shows.
	dead      uint64
	deadSince int64
}

// layer is the segments that one flush or merge made. It holds the appends of
// a range of batches, and each of its segments those of a range of streams.
type layer struct {
	manifest.Layer
	segments []*segmentFile // by stream
}

// version is the segments that there are at a time, oldest layer first. It does
// not change: a reader that pinned one reads on from it whatever a flush or a
// merge does meanwhile.
type version struct {
	layers []layer
	pins   int // readers, and one while it is the current one; under Engine.mu
}

// find returns the segments of a layer that may hold a stream. One that is
// larger than a segment has several.
func (l *layer) find(id uint64) []*segmentFile {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].info.LastStream >= id })
	j := i
	for j < len(l.segments) && l.segments[j].info.FirstStream <= id {
		j++
	}
	return l.segments[i:j]
}

// from returns the segments with a run of a stream, oldest first, without most of
// those whose run ends at an offset or before. The runs follow each other, so the
// first of the others is found by halves: looking into each would take a page of
// its index, and a stream may be in hundreds. An index that cannot be read ends the
// search, and is met again by whoever needs it.
func (v *version) from(id, after uint64) (all []*segmentFile) {
	for i := range v.layers {
		for _, s := range v.layers[i].find(id) {
			if s.reader.Has(id) {
				all = append(all, s)
			}
		}
	}
	for first, end := 0, len(all); ; {
		mid := (first + end) / 2
		if mid == first {
			return all[first:]
		}
		run, ok, err := all[mid-1].reader.Run(id)
		if err != nil || !ok {
			return all[first:]
		}
		if run.End <= after {
			first = mid
		} else {
			end = mid
		}
	}
}

// pin keeps the segments of the current version open. Engine.mu is held.
func (e *Engine) pin() *version {
	e.version.pins++
	return e.version
}

// unpin lets go of a version. Engine.mu is held.
func (e *Engine) unpin(v *version) {
	if v.pins--; v.pins > 0 {
		return
	}
	for i := range v.layers {
		e.unhold(v.layers[i].segments...)
	}
}

// hold keeps some segments open, and their files on the disk. What takes long holds
// what it uses and pins no version: all else that was evicted or merged meanwhile
// would stay on a disk that has a budget. Engine.mu is held, and each is shown or
// held already.
func (e *Engine) hold(segments ...*segmentFile) {
	for _, s := range segments {
		e.shown[s.info.OnDisk()]++
	}
}

// unhold lets go of segments. Engine.mu is held.
func (e *Engine) unhold(segments ...*segmentFile) {
	for _, s := range segments {
		f := s.info.OnDisk()
		if e.shown[f]--; e.shown[f] == 0 {
			delete(e.shown, f)
			e.unshown = append(e.unshown, s)
		}
	}
}

// commit makes an edit durable and shows its layers to readers, without an edit
// of another act in between: each shows only segments that it has opened, or
// that are shown already. On an error it closes them. also is called with
// Engine.mu held when the edit is durable.
func (e *Engine) commit(edit manifest.Edit, also func(), opened ...*segmentFile) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	if err := e.manifest.Append(edit); err != nil {
		closeAll(opened)
		return err
	}
	e.mu.Lock()
	e.publish(e.manifest.State().Layers, opened...)
	also()
	segments := e.version.segments()
	e.mu.Unlock()
	e.warnOfSegments(segments)
	return nil
}

// warnOfSegments says that segments may take the descriptors that the log needs for
// its next file, and again whenever there are a quarter more: without one the
// process ends, and the cause would not be seen.
func (e *Engine) warnOfSegments(n int) {
	if e.opts.SegmentsWarn == 0 || n <= max(e.opts.SegmentsWarn, e.warnedOf+e.warnedOf/4) {
		return
	}
	e.warnedOf = n
	e.opts.Logger.Warn("segments take most of the files that the process may open; raise the limit of open files, or allow fewer connections",
		"segments", n, "room", e.opts.SegmentsWarn)
}

// closeAll closes segments that were opened in vain; nil ones are skipped.
func closeAll(opened []*segmentFile) {
	for _, s := range opened {
		if s != nil {
			s.file.Close() // it was only read
		}
	}
}

// publish makes a version of the manifest's layers the current one. opened are
// segments that no version shows yet. Engine.mu is held.
func (e *Engine) publish(layers []manifest.Layer, opened ...*segmentFile) {
	have := make(map[uint64]*segmentFile)
	if e.version != nil {
		for _, l := range e.version.layers {
			for _, s := range l.segments {
				have[s.info.ID] = s
			}
		}
	}
	for _, s := range opened {
		if s == nil {
			continue
		}
		if old := have[s.info.ID]; old != nil {
			s.waste = old.waste
		} else {
			s.waste = new(waste)
		}
		have[s.info.ID] = s
	}
	v := &version{pins: 1}
	for _, ml := range layers {
		l := layer{Layer: ml}
		for _, info := range ml.Segments {
			l.segments = append(l.segments, have[info.ID])
		}
		e.hold(l.segments...)
		v.layers = append(v.layers, l)
	}
	old := e.version
	e.version = v
	if old != nil {
		e.unpin(old)
	}
}

// segments is how many there are.
func (v *version) segments() int {
	n := 0
	for i := range v.layers {
		n += len(v.layers[i].segments)
	}
	return n
}

// bytes is what they take, wherever they are.
func (v *version) bytes() int64 {
	n := int64(0)
	for i := range v.layers {
		for _, s := range v.layers[i].segments {
			n += s.info.Bytes
		}
	}
	return n
}

// has finds a segment.
func (v *version) has(id uint64) (*segmentFile, bool) {
	for i := range v.layers {
		for _, s := range v.layers[i].segments {
			if s.info.ID == id {
				return s, true
			}
		}
	}
	return nil, false
}
