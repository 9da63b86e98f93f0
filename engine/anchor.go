package engine

import (
	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// anchor is the append that a fork with a sub-offset copies the beginning of,
// read from a segment.
type anchor struct {
	source stream.ID
	after  stream.Offset
	body   []byte // nil = nothing follows
}

// content gives the rules the bytes that a fork copies.
type content struct {
	engine *Engine
	anchor *anchor // nil = nothing was read from a segment
}

// cold reports whether the append that a fork copies from has yet to be read.
func (c content) cold(r *stream.Create) bool {
	s := c.engine.table.Lookup(r.From)
	if s == nil || s.Gone {
		return false
	}
	at := s.Tail
	if r.HasFromOffset {
		at = r.FromOffset
	}
	if a := c.anchor; a != nil && a.source == s.ID && a.after == at {
		return false
	}
	if at < s.Start() {
		return false // that is dropped, which deciding finds out
	}
	return at < s.Tail && c.engine.plan(s, at, s.Tail, nil)
}

// Prefix implements stream.Content.
func (c content) Prefix(s *stream.Stream, at stream.Offset, n uint64) ([]byte, bool) {
	first := c.after(s, at)
	if n > uint64(len(first)) { // no message takes less than a byte and a comma
		return nil, false
	}
	if !s.JSON {
		return first[:n], true
	}
	prefix, have := jsonmode.Prefix(first, int(n))
	return prefix, have == int(n)
}

// after is the append that follows an offset, or nil.
func (c content) after(s *stream.Stream, at stream.Offset) []byte {
	if a := c.anchor; a != nil && a.source == s.ID && a.after == at {
		return a.body
	}
	res := ReadResult{Info: c.engine.durableInfo(s), Next: at}
	c.engine.collect(s, &res, 1)
	if len(res.Parts) == 0 {
		return nil
	}
	return res.Parts[0]
}

// loadAnchor reads the append of a stream that follows an offset. What it says
// of a stream that has changed meanwhile is not asked for.
func (e *Engine) loadAnchor(path string, after stream.Offset) (*anchor, stream.Code) {
	res, t := e.ReadCold(ReadRequest{Path: path, From: after, BytesMax: 1})
	switch {
	case t.Retry || t.Code != stream.OK && t.Code != stream.DataCorrupt:
		return nil, stream.None // deciding finds out why
	case t.Code != stream.OK:
		return nil, t.Code
	}
	a := &anchor{source: res.ID, after: after}
	if len(res.Parts) > 0 {
		a.body = res.Parts[0]
	}
	return a, stream.None
}
