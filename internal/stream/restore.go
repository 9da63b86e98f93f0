package stream

import "fmt"

// A table is restored from rows in three steps: Restore for every row of a
// snapshot and of the deltas after it, oldest first, Forget for every stream
// that a delta removes, and Restored at the end. Before that the table answers
// nothing but ByID and Next. Within a delta the order does not matter, not even
// if a stream was deleted and another took its path.

// Restore puts a stream as its encoded row describes it into the table, in the
// place of what an earlier row said. The use that no record tells of is lost:
// Touched is Logged. An error means that the bytes are no row of that stream,
// and leaves the table as it was.
//
// It is a fault of the caller, and a panic, on a table that is in use.
func (t *Table) Restore(id ID, row []byte) error {
	t.mustRestore()
	r, err := decodeRow(row, t.sharedTypeBytes)
	switch {
	case err != nil:
		return fmt.Errorf("stream: restore stream %d: %w", id, err)
	case id == 0:
		return fmt.Errorf("stream: restore stream %d: identities begin at 1", id)
	case r.Source >= id:
		return fmt.Errorf("stream: restore stream %d: its source %d is not older", id, r.Source)
	}
	s := r.stream(id)
	if known := t.byID.find(id); known != nil {
		s.Local = known.Local
		*known = *s
		return nil
	}
	t.byID.add(s)
	return nil
}

// Forget takes a stream out that a later delta says is no more. It may be one
// that no row ever told of.
func (t *Table) Forget(id ID) {
	t.mustRestore()
	if t.byID.find(id) != nil {
		t.byID.remove(id)
	}
}

func (t *Table) mustRestore() {
	if len(t.byPath) > 0 || t.lastID > 0 {
		panic(fmt.Sprintf("stream: restore into a table in use: %d paths, last identity %d", len(t.byPath), t.lastID))
	}
}

// Restored completes the table after its last row: it links forks to their
// sources and paths to streams. lastID is what LastID was when the rows were
// taken. Rows that no history leads to are an error, which names the stream, and
// the table is then of no use.
func (t *Table) Restored(lastID ID) error {
	t.mustRestore()
	if last := t.byID.last(); last != nil && last.ID > lastID {
		return fmt.Errorf("stream: restore: stream %d is newer than the last, %d", last.ID, lastID)
	}
	t.byPath = make(map[string]*Stream, t.Len()) // a million paths take half the time of a map that grows
	// In this order a source is complete before its forks, so depths follow,
	// and a cycle has no place to begin.
	for s := range t.All {
		if other := t.byPath[s.Path]; other != nil {
			return fmt.Errorf("stream: restore: streams %d and %d are both at %q", other.ID, s.ID, s.Path)
		}
		t.byPath[s.Path] = s
		f := s.fork()
		if f == nil {
			continue
		}
		source := t.byID.find(f.sourceID)
		switch {
		case source == nil:
			return fmt.Errorf("stream: restore: stream %d is a fork of stream %d, which does not exist", s.ID, f.sourceID)
		case f.base > source.Tail:
			return fmt.Errorf("stream: restore: stream %d is a fork of stream %d at %d, whose tail is %d", s.ID, source.ID, uint64(f.base), uint64(source.Tail))
		}
		s.attach(source)
	}
	for s := range t.All {
		if s.Gone && s.Forks() == 0 {
			return fmt.Errorf("stream: restore: stream %d is gone and has no fork that keeps it", s.ID)
		}
	}
	t.lastID = lastID
	return nil
}
