package stream

import "strings"

// Limits bound what a table may hold.
type Limits struct {
	Streams            int // streams, those kept for their forks included
	ProducersPerStream int
}

// Table is every stream there is.
type Table struct {
	limits Limits
	byPath map[string]*Stream
	byID   order
	lastID ID
	types  map[string]string // one copy of each content type in use
}

// typesMax bounds the content types that are shared between streams. Beyond it
// a stream holds a copy of its own.
const typesMax = 4096

// NewTable makes an empty table.
func NewTable(limits Limits) *Table {
	return &Table{
		limits: limits,
		byPath: make(map[string]*Stream),
		types:  make(map[string]string),
	}
}

// Lookup finds the stream at a path, Gone ones included, or nil.
func (t *Table) Lookup(path string) *Stream { return t.byPath[path] }

// ByID finds a stream by its identity, or nil when it was removed.
func (t *Table) ByID(id ID) *Stream { return t.byID.find(id) }

// Len is the number of streams.
func (t *Table) Len() int { return t.byID.n }

// LastID is the newest identity that was given to a stream, whether or not it
// is still there. No later stream gets it or one below it.
func (t *Table) LastID() ID { return t.lastID }

// Next returns the stream with the smallest identity above after, or nil at
// the end. A walk that begins with Next(0) may change the table between its
// steps: it meets each stream that is there from its begin to its end once,
// and of the others some.
func (t *Table) Next(after ID) *Stream { return t.byID.next(after) }

// All yields every stream in the order of their identities. The table may
// change meanwhile, as with Next.
func (t *Table) All(yield func(*Stream) bool) {
	for s := t.Next(0); s != nil; {
		id := s.ID
		if !yield(s) {
			return
		}
		s = t.Next(id)
	}
}

// sharedType returns the one copy of a content type. The argument is copied if
// it is kept.
func (t *Table) sharedType(contentType string) string {
	if shared, ok := t.types[contentType]; ok {
		return shared
	}
	contentType = strings.Clone(contentType)
	if len(t.types) < typesMax {
		t.types[contentType] = contentType
	}
	return contentType
}

// sharedTypeBytes is sharedType for bytes, and makes no string for a known one.
func (t *Table) sharedTypeBytes(contentType []byte) string {
	if shared, ok := t.types[string(contentType)]; ok {
		return shared
	}
	return t.sharedType(string(contentType))
}
