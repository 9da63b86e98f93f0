package index

import "sort"

// Through returns the appends of the batches up to frame: a prefix, since
// batches grow with the ends. The result is a view: it is valid until the next
// Add or Drop.
func (x *Index) Through(frame uint64) []Entry {
	return x.entries[:sort.Search(len(x.entries), func(i int) bool { return x.entries[i].Frame > frame })]
}

// Drop forgets the appends of the batches up to frame and returns how many
// there were.
func (x *Index) Drop(frame uint64) int {
	n := len(x.Through(frame))
	if n == 0 {
		return 0
	}
	// A copy of the rest: what is dropped must not stay in memory below it.
	x.entries = append([]Entry(nil), x.entries[n:]...)
	return n
}

// DropTo forgets the appends that end at an offset or before, and returns them.
// What it returns and earlier views stay as they are.
func (x *Index) DropTo(end uint64) []Entry {
	n := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].End > end })
	if n == 0 {
		return nil
	}
	dropped := x.entries[:n]
	x.entries = append([]Entry(nil), x.entries[n:]...)
	return dropped
}
