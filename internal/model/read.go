package model

import "bytes"

// Read returns the appends that end after from, in order and whole: at least
// one if there is any, and then as many as fit into sizeMax bytes of stored
// bodies together. From -1 is from what is kept, wherever that begins; past the
// tail is the tail; an offset before what is kept is OffsetTrimmed.
func (m *Model) Read(now int64, path string, from int64, sizeMax int) ReadResult {
	s, code := m.find(now, path)
	if code != OK {
		return ReadResult{Code: code, Next: -1, Tail: -1}
	}
	if from >= 0 && from < s.start {
		return ReadResult{Code: OffsetTrimmed, Next: -1, Tail: -1, Start: s.start}
	}
	s.touched = now

	// Whoever got the last append has seen all there is, and reads on from the
	// tail. The tail can lie behind that append: a fork that begins inside an
	// append of its source has a tail that no append ends at.
	r := ReadResult{Code: OK, ContentType: s.contentType, Tail: s.tail, Next: s.tail, Start: s.start}
	size := 0
	for _, e := range s.entries() {
		if e.end <= from {
			continue
		}
		size += len(e.body)
		if len(r.Appends) > 0 && size > sizeMax {
			r.Next = r.Ends[len(r.Ends)-1]
			break
		}
		r.Appends = append(r.Appends, bytes.Clone(e.body))
		r.Ends = append(r.Ends, e.end)
	}
	r.UpToDate = r.Next == s.tail
	r.Closed = s.closed && r.UpToDate
	return r
}
