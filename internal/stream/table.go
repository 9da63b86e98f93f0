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
	byID   map[ID]*Stream
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
		byID:   make(map[ID]*Stream),
		types:  make(map[string]string),
	}
}

// Lookup finds the stream at a path, Gone ones included, or nil.
func (t *Table) Lookup(path string) *Stream { return t.byPath[path] }

// ByID finds a stream by its identity, or nil when it was removed.
func (t *Table) ByID(id ID) *Stream { return t.byID[id] }

// Len is the number of streams.
func (t *Table) Len() int { return len(t.byID) }

// All yields every stream, in no order.
func (t *Table) All(yield func(*Stream) bool) {
	for _, s := range t.byID {
		if !yield(s) {
			return
		}
	}
}

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
