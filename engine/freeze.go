package engine

import (
	"slices"

	"tailrace/index"
	"tailrace/internal/stream"
)

// freeze is the state of the streams as of the end of a batch, taken down while
// the engine goes on. The streams that are wanted are visited in the order of
// their identities; one that changes before its turn is taken down first.
//
// All of it is under Engine.mu.
type freeze struct {
	batch uint64
	last  stream.ID   // the newest stream there was
	ids   []stream.ID // that are wanted
	at    int         // the next one to visit
	early map[stream.ID]capture
}

// capture is a stream as of the freeze.
type capture struct {
	row     []byte        // its row in a checkpoint, nil if it was removed
	json    bool          // its content type
	entries []index.Entry // its appends that are in no segment yet
}

// beginFreeze starts a freeze at the end of what is staged: of all streams, or
// of those that changed since the one before. Engine.mu is held.
func (e *Engine) beginFreeze(all bool) *freeze {
	f := &freeze{batch: e.group.Cut(), last: e.table.LastID(), ids: e.changed, early: make(map[stream.ID]capture)}
	e.epoch++
	e.changed = nil
	if all {
		f.ids = e.table.AppendIDs(f.ids[:0])
	} else {
		slices.Sort(f.ids)
		f.ids = slices.Compact(f.ids)
	}
	e.freeze = f
	return f
}

// abandonFreeze gives a freeze up: what it wanted is wanted by the next one.
// Engine.mu is held.
func (e *Engine) abandonFreeze() {
	e.changed = append(e.changed, e.freeze.ids...)
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
	if f == nil || s.ID > f.last {
		return
	}
	if i, wanted := slices.BinarySearch(f.ids, s.ID); !wanted || i < f.at {
		return
	}
	if _, ok := f.early[s.ID]; !ok {
		c := e.capture(f, s)
		c.entries = slices.Clone(c.entries)
		f.early[s.ID] = c
	}
}

// capture takes a stream down. Its entries are a view of the index. Engine.mu
// is held.
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
	if f.at == len(f.ids) {
		return 0, capture{}, false
	}
	id = f.ids[f.at]
	f.at++
	if early, ok := f.early[id]; ok {
		delete(f.early, id)
		return id, early, true
	}
	if s := e.table.ByID(id); s != nil {
		return id, e.capture(f, s), true
	}
	return id, capture{}, true
}
