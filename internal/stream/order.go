package stream

import (
	"slices"
	"sort"
)

// order holds streams in the order of their identities: a list cut into
// chunks. Identities grow and are never used again, so a new stream goes to
// the end. Neighbours that fit into one chunk are joined, so the memory follows
// the streams there are, never the identities there were, however few of them
// a long life has left.
type order struct {
	chunks []chunk
	n      int
}

// chunk is a run of streams. No identity in it is below first, and all are
// above those of the chunk before.
type chunk struct {
	first   ID
	streams []*Stream // never empty, at most chunkMax
}

// chunkMax is the most streams in one chunk: what a removal may have to move.
const chunkMax = 512

// chunkOf is the chunk that an identity belongs to, or -1 if it lies before
// all of them.
func (o *order) chunkOf(id ID) int {
	n := len(o.chunks)
	if n == 0 || id < o.chunks[0].first {
		return -1
	}
	// Where few streams were removed, arithmetic finds it.
	i := int(min(uint64(id-o.chunks[0].first)/chunkMax, uint64(n-1)))
	if o.chunks[i].first <= id && (i+1 == n || id < o.chunks[i+1].first) {
		return i
	}
	return sort.Search(n, func(i int) bool { return o.chunks[i].first > id }) - 1
}

// place is where an identity is in the chunk, or where it would be. It must
// not be below c.first.
func (c *chunk) place(id ID) (at int, found bool) {
	// It can't be farther from the start than from the first identity, and
	// where nothing was removed it is just there.
	last := int(min(uint64(id-c.first), uint64(len(c.streams)-1)))
	if c.streams[last].ID == id {
		return last, true
	}
	at = sort.Search(last+1, func(i int) bool { return c.streams[i].ID >= id })
	return at, at <= last && c.streams[at].ID == id
}

// find returns the stream of that identity, or nil.
func (o *order) find(id ID) *Stream {
	i := o.chunkOf(id)
	if i < 0 {
		return nil
	}
	if at, found := o.chunks[i].place(id); found {
		return o.chunks[i].streams[at]
	}
	return nil
}

// next returns the stream with the smallest identity above id, or nil.
func (o *order) next(id ID) *Stream {
	i := o.chunkOf(id)
	if i >= 0 {
		c := &o.chunks[i]
		at, found := c.place(id)
		if found {
			at++
		}
		if at < len(c.streams) {
			return c.streams[at]
		}
	}
	if i+1 == len(o.chunks) {
		return nil
	}
	return o.chunks[i+1].streams[0]
}

// last returns the stream with the largest identity, or nil.
func (o *order) last() *Stream {
	if len(o.chunks) == 0 {
		return nil
	}
	streams := o.chunks[len(o.chunks)-1].streams
	return streams[len(streams)-1]
}

// add takes in a stream whose identity is not there.
func (o *order) add(s *Stream) {
	o.n++
	if last := o.last(); last == nil || last.ID < s.ID {
		if n := len(o.chunks); n > 0 && len(o.chunks[n-1].streams) < chunkMax {
			c := &o.chunks[n-1]
			c.streams = append(c.streams, s)
			return
		}
		o.chunks = append(o.chunks, chunk{first: s.ID, streams: []*Stream{s}})
		return
	}
	i := max(o.chunkOf(s.ID), 0)
	c := &o.chunks[i]
	c.first = min(c.first, s.ID)
	at, _ := c.place(s.ID)
	if c.streams = slices.Insert(c.streams, at, s); len(c.streams) > chunkMax {
		o.split(i)
	}
}

// split makes two chunks of one that is too long.
func (o *order) split(i int) {
	c := &o.chunks[i]
	upper := slices.Clone(c.streams[chunkMax/2:])
	c.streams = slices.Clone(c.streams[:chunkMax/2])
	o.chunks = slices.Insert(o.chunks, i+1, chunk{first: upper[0].ID, streams: upper})
	o.join(i + 1)
	if i > 0 {
		o.join(i - 1)
	}
}

// remove drops the stream of that identity, which must be there.
func (o *order) remove(id ID) {
	i := o.chunkOf(id)
	c := &o.chunks[i]
	at, _ := c.place(id)
	c.streams = slices.Delete(c.streams, at, at+1)
	o.n--
	switch {
	case len(c.streams) == 0:
		o.chunks = slices.Delete(o.chunks, i, i+1)
	case o.join(i):
	case i > 0:
		o.join(i - 1)
	}
}

// join puts the streams of a chunk and the next one into one chunk, if they
// fit.
func (o *order) join(i int) bool {
	if i+1 == len(o.chunks) {
		return false
	}
	c, next := &o.chunks[i], &o.chunks[i+1]
	if len(c.streams)+len(next.streams) > chunkMax {
		return false
	}
	c.streams = append(c.streams, next.streams...)
	o.chunks = slices.Delete(o.chunks, i+1, i+2)
	return true
}
