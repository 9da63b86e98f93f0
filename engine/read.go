package engine

import (
	"math"
	"time"

	"tailrace/index"
	"tailrace/internal/jsonmode"
	"tailrace/internal/stream"
)

// Info is what is durable about a stream.
type Info struct {
	ID          stream.ID
	ContentType string
	JSON        bool
	Closed      bool
	Tail        stream.Offset
	TTL         int64 // seconds, or stream.NoTTL
	ExpiresAt   int64 // Unix milliseconds, or 0
	ExpiresText string
}

// ReadRequest asks for the appends of a stream after an offset.
type ReadRequest struct {
	Path string
	// ID, if not 0, is the stream that must be at Path; another one there is
	// NotFound. A live reader never slips from a stream to its successor.
	ID   stream.ID
	From stream.Offset // stream.OffsetMax = the tail

	// BytesMax bounds the stored bytes returned; default 1 MiB. An append that
	// is larger is returned alone.
	BytesMax int
	Touch    bool // the read is a use of the stream: it renews a sliding TTL
}

// ReadResult is a run of whole appends. All of it stays valid.
type ReadResult struct {
	Info
	Parts     [][]byte // the stored bytes of each append
	From      stream.Offset
	Next      stream.Offset
	UpToDate  bool          // Next is the tail
	AtEnd     bool          // and the stream is closed: nothing ever follows
	ExpiresIn time.Duration // what is left of its life, negative if it has no end
}

// Head returns what is durable about the stream at path. It is no use of it.
// Info is valid if the ticket needs no Retry and its Code is OK.
func (e *Engine) Head(path string) (Info, Ticket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, t := e.find(path, e.now())
	if s == nil {
		return Info{}, t
	}
	return e.durableInfo(s), t
}

// Read returns the durable appends that end after r.From, whole and in order,
// at least one if there is any. The result is valid as Head's Info is.
func (e *Engine) Read(r ReadRequest) (ReadResult, Ticket) {
	if r.BytesMax <= 0 {
		r.BytesMax = readBytesMax
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	s, t := e.find(r.Path, now)
	if s == nil {
		return ReadResult{}, t
	}
	if r.ID != 0 && r.ID != s.ID {
		return ReadResult{}, settled(stream.Outcome{Code: stream.NotFound})
	}
	if r.Touch {
		e.touch(s, now)
	}
	res := ReadResult{Info: e.durableInfo(s), ExpiresIn: -1}
	res.From = min(r.From, res.Tail)
	res.Next = res.From
	e.collect(s, &res, r.BytesMax)
	res.UpToDate = res.Next == res.Tail
	res.AtEnd = res.UpToDate && res.Closed
	if deadline := s.Deadline(); deadline != math.MaxInt64 {
		res.ExpiresIn = time.Duration(min(deadline-now, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
	return res, t
}

// find returns the stream at path, or nil and the ticket that says why not.
func (e *Engine) find(path string, now int64) (*stream.Stream, Ticket) {
	s, t, wait := e.gate(path, now)
	switch {
	case wait:
		return nil, t
	case s == nil:
		return nil, settled(stream.Outcome{Code: stream.NotFound})
	case s.Gone:
		return nil, settled(stream.Outcome{Code: stream.Gone})
	}
	return s, settled(stream.Outcome{Code: stream.OK})
}

// durableInfo is valid for a stream whose path has no gate: all but its newest
// appends is durable.
func (e *Engine) durableInfo(s *stream.Stream) Info {
	at, text := s.ExpiresAt()
	return Info{
		ID: s.ID, ContentType: s.ContentType, JSON: s.JSON, Closed: s.Closed,
		Tail: e.durableTail(s), TTL: s.TTL, ExpiresAt: at, ExpiresText: text,
	}
}

// durableTail is the end of the newest durable append.
func (e *Engine) durableTail(s *stream.Stream) stream.Offset {
	l := localOf(s)
	if l.last <= e.durable {
		return s.Tail
	}
	entries := l.index.All()
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Frame <= e.durable {
			return stream.Offset(entries[i].End)
		}
	}
	return s.Base
}

// collect adds to res the appends between res.Next and res.Tail, those that a
// fork shows of its source among them. One budget serves the whole chain.
func (e *Engine) collect(s *stream.Stream, res *ReadResult, budget int) {
	// From the fork up to the stream that holds the first append wanted. Each
	// shows no more of the one above it than every fork on the way took.
	type link struct {
		stream *stream.Stream
		to     stream.Offset
	}
	chain := []link{{s, res.Tail}}
	for s.Source != nil && res.Next < s.Base {
		to := min(chain[len(chain)-1].to, s.Base)
		s = s.Source
		chain = append(chain, link{s, to})
	}
	var at frameCursor
	for i := len(chain) - 1; i >= 0; i-- {
		to := chain[i].to
		for _, entry := range localOf(chain[i].stream).index.Between(uint64(res.Next), uint64(to)) {
			budget -= int(entry.Len)
			if len(res.Parts) > 0 && (budget < 0 || len(res.Parts) >= readAppendsMax) {
				return
			}
			res.Parts = append(res.Parts, at.slice(&e.frames, entry))
			res.Next = stream.Offset(entry.End)
		}
		if i > 0 {
			// A fork may begin inside an append of its source; between the
			// last whole one and its base there is nothing to show.
			res.Next = max(res.Next, to)
		}
	}
}

// frameCursor remembers the last frame used: neighbours are often in one.
type frameCursor struct {
	batch uint64
	frame *frameData
}

func (c *frameCursor) slice(f *frames, e index.Entry) []byte {
	if c.frame == nil || c.batch != e.Frame {
		c.batch, c.frame = e.Frame, f.byBatch[e.Frame]
	}
	return c.frame.slice(e)
}

// content gives the rules the bytes that a fork copies.
type content struct{ e *Engine }

// Prefix implements stream.Content.
func (c content) Prefix(s *stream.Stream, at stream.Offset, n uint64) ([]byte, bool) {
	res := ReadResult{Info: c.e.durableInfo(s), Next: at}
	c.e.collect(s, &res, 1)
	if len(res.Parts) == 0 {
		return nil, false
	}
	first := res.Parts[0]
	if !s.JSON {
		if n > uint64(len(first)) {
			return nil, false
		}
		return first[:n], true
	}
	if n > uint64(len(first)) { // no message takes less than a byte and a comma
		return nil, false
	}
	prefix, have := jsonmode.Prefix(first, int(n))
	return prefix, have == int(n)
}
