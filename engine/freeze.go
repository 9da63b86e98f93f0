package engine

import (
	"container/heap"
	"slices"

	"tailrace/index"
	"tailrace/internal/stream"
)

// freeze is the state of the streams as of the end of a batch, taken down while
// the engine goes on: of all streams, or of those that changed since the freeze
// before. They are visited in the order of their identities; one that changes
// before its turn is taken down first.
//
// All of it is under Engine.mu.
type freeze struct {
	batch   uint64
	last    stream.ID   // the newest stream there was
	all     bool        // every stream is wanted
	changed []stream.ID // since the freeze before, growing
	at      int         // the next of them to visit, if not all are wanted
	next    stream.ID   // identities below it have been visited
	early   map[stream.ID]capture
	left    idHeap // all: those in early that have left the table since
}

// capture is a stream as of the freeze.
type capture struct {
	row     []byte        // its row in a checkpoint, nil if it was removed
	json    bool          // its content type
	entries []index.Entry // its appends that are in no segment yet; nothing writes there
}

// beginFreeze starts a freeze at the end of what is staged. Engine.mu is held.
func (e *Engine) beginFreeze(all bool) *freeze {
	f := &freeze{
		batch: e.group.Cut(), last: e.table.LastID(), all: all,
		changed: union(e.sorted, e.changed), early: make(map[stream.ID]capture),
	}
	e.epoch++
	e.changed, e.sorted = nil, nil
	e.freeze = f
	return f
}

// sortChanged takes the work of sorting out of the next freeze, which holds
// Engine.mu. Only the one who flushes calls it.
func (e *Engine) sortChanged() {
	e.mu.Lock()
	changed := e.changed
	e.changed = nil
	e.mu.Unlock()
	sorted := union(e.sorted, changed)
	e.mu.Lock()
	e.sorted = sorted
	e.mu.Unlock()
}

// union is what is in one of both, growing. It sorts ids in place; sorted is
// sorted already.
func union(sorted, ids []stream.ID) []stream.ID {
	if len(ids) == 0 {
		return sorted
	}
	slices.Sort(ids)
	all := make([]stream.ID, 0, len(sorted)+len(ids))
	for len(sorted) > 0 && len(ids) > 0 {
		if sorted[0] < ids[0] {
			all, sorted = append(all, sorted[0]), sorted[1:]
		} else {
			all, ids = append(all, ids[0]), ids[1:]
		}
	}
	return slices.Compact(append(append(all, sorted...), ids...))
}

// abandonFreeze gives a freeze up: what changed before it is wanted by the next
// one, also what has left. Engine.mu is held.
func (e *Engine) abandonFreeze() {
	e.changed = append(e.changed, e.freeze.changed...)
	e.freeze = nil
}

// mark notes that a stream is about to change, or to leave: the next checkpoint
// wants it, and the one being written wants it as it was. Engine.mu is held.
func (e *Engine) mark(s *stream.Stream) {
	l := e.local(s)
	if l.epoch == e.epoch {
		return
	}
	l.epoch = e.epoch
	e.changed = append(e.changed, s.ID)
	f := e.freeze
	if f == nil || s.ID < f.next || s.ID > f.last {
		return
	}
	if _, changed := slices.BinarySearch(f.changed, s.ID); !f.all && !changed {
		return
	}
	if _, ok := f.early[s.ID]; !ok {
		f.early[s.ID] = e.capture(f, s)
	}
}

// leave notes that a stream has left the table. Engine.mu is held.
func (f *freeze) leave(id stream.ID) {
	if _, wanted := f.early[id]; wanted && f.all {
		heap.Push(&f.left, id)
	}
}

// capture takes a stream down. Its entries are a view of the index, of a part
// that never changes: appends go behind it, and what is dropped or forgotten is
// replaced. Engine.mu is held.
func (e *Engine) capture(f *freeze, s *stream.Stream) capture {
	c := capture{row: s.AppendRow(nil), json: s.JSON}
	if l := localOf(s); l != nil {
		c.entries = l.index.Through(f.batch)
	}
	return c
}

// visit takes down the next stream that is wanted. It is false when there is
// none. Engine.mu is held.
func (e *Engine) visit(f *freeze) (id stream.ID, c capture, ok bool) {
	if id, ok = e.nextWanted(f); !ok {
		return 0, capture{}, false
	}
	f.next = id + 1
	if early, ok := f.early[id]; ok {
		delete(f.early, id)
		return id, early, true
	}
	if s := e.table.ByID(id); s != nil {
		return id, e.capture(f, s), true
	}
	return id, capture{}, true
}

func (e *Engine) nextWanted(f *freeze) (stream.ID, bool) {
	if !f.all {
		if f.at == len(f.changed) {
			return 0, false
		}
		f.at++
		return f.changed[f.at-1], true
	}
	after := f.next
	if after > 0 {
		after--
	}
	s := e.table.Next(after)
	there := s != nil && s.ID <= f.last
	if len(f.left) > 0 && (!there || f.left[0] < s.ID) {
		return heap.Pop(&f.left).(stream.ID), true
	}
	if !there {
		return 0, false
	}
	return s.ID, true
}

// idHeap is a heap of identities, the smallest first.
type idHeap []stream.ID

func (h idHeap) Len() int           { return len(h) }
func (h idHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h idHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *idHeap) Push(x any)        { *h = append(*h, x.(stream.ID)) }
func (h *idHeap) Pop() any {
	last := len(*h) - 1
	id := (*h)[last]
	*h = (*h)[:last]
	return id
}
