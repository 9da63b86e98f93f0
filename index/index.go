// Package index says where the appends of a stream are: it maps the end of
// each append in the offset space to the place of its bytes.
//
// An index holds no pointers, so a million of them cost the garbage collector
// nothing to look through.
package index

import "sort"

// Entry is one append. Frame and Off are the place of its stored bytes: which
// batch carried them, and where among the bytes of that batch they begin.
type Entry struct {
	End   uint64 // in the offset space, exclusive
	Frame uint64
	Off   uint32
	Len   uint32
}

// Index is the appends of one stream in the order of their ends. The zero
// value is empty.
type Index struct{ entries []Entry }

// Add adds the next append. Ends must grow: an index is written by an append
// log, and an end that does not is a fault of the caller.
func (x *Index) Add(e Entry) {
	if n := len(x.entries); n > 0 && x.entries[n-1].End >= e.End {
		panic("index: append ends do not grow")
	}
	x.entries = append(x.entries, e)
}

// Len is the number of appends.
func (x *Index) Len() int { return len(x.entries) }

// Between returns the appends that end after from and at or before to, in
// order. The result is a view: it is valid until the next Add.
func (x *Index) Between(from, to uint64) []Entry {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].End > from })
	j := len(x.entries)
	if j > i && x.entries[j-1].End > to {
		j = i + sort.Search(j-i, func(k int) bool { return x.entries[i+k].End > to })
	}
	return x.entries[i:j]
}

// All returns every append, as Between does.
func (x *Index) All() []Entry { return x.entries }
