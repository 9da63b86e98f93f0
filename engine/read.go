package engine

import (
	"fmt"
	"math"
	"time"

	"tailrace/index"
	"tailrace/internal/stream"
)

// Info is what is durable about a stream.
type Info struct {
	ID          stream.ID
	ContentType string
	JSON        bool
	Closed      bool
	Public      bool // created for everybody to read
	Tail        stream.Offset
	TTL         int64 // seconds, or stream.NoTTL
	ExpiresAt   int64 // Unix milliseconds, or 0
	ExpiresText string

	Start     stream.Offset // the earliest retained offset
	KeepAge   int64         // seconds, or 0
	KeepBytes int64         // or 0
}

// ReadRequest asks for the appends of a stream after an offset.
type ReadRequest struct {
	Path string
	// ID, if not 0, is the stream that must be at Path; another one there is
	// NotFound. A live reader never slips from a stream to its successor.
	ID   stream.ID
	From stream.Offset // stream.OffsetMax = the tail

	// PublicOnly is for those who may read public streams only: any other is
	// NotFound, as if it did not exist.
	PublicOnly bool

	// Earliest is to read from what is retained on, wherever that begins, instead
	// of From. An offset before that is OffsetTrimmed.
	Earliest bool

	// To, if not 0, is where the stream ends for this read, as if it were open and
	// had no more. Readers who ask with the same To stay in step, whatever is
	// appended between their turns.
	To stream.Offset

	// BytesMax bounds the stored bytes returned; default 1 MiB. An append that
	// is larger is returned alone.
	BytesMax int
	Touch    bool // the read is a use of the stream: it renews a sliding TTL

	// Stored allows ReadCold to answer with ReadResult.Stored.
	Stored bool
}

// ReadResult is a run of whole appends. All of it stays valid.
type ReadResult struct {
	Info
	// Cold says that what was asked for is not in memory: Parts is empty, and
	// ReadCold has to be asked, by somebody who may wait for the disk.
	Cold bool
	// Far says of a Cold result that ReadCold may have to wait for the bucket.
	Far bool

	Parts [][]byte // the stored bytes of each append

	// Stored is, instead of Parts, a body that is complete as it is: one zstd
	// frame, for a JSON stream with the brackets in it. StoredSize is how many
	// bytes it decodes to.
	Stored     []byte
	StoredSize int

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
	return e.infoOf(path)
}

// HeadPublic is Head for those who may read public streams only: any other is
// NotFound, as if it did not exist.
func (e *Engine) HeadPublic(path string) (Info, Ticket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hidden(path) {
		return Info{}, settled(stream.Outcome{Code: stream.NotFound})
	}
	return e.infoOf(path)
}

// infoOf is Head. Engine.mu is held.
func (e *Engine) infoOf(path string) (Info, Ticket) {
	s, t := e.find(path, e.now())
	if s == nil {
		return Info{}, t
	}
	return e.durableInfo(s), t
}

// hidden reports whether there is no public stream at path, nor one on its way
// there or from there. What is hidden is not looked at any further: nobody waits
// for it, and it does not expire for being asked for. Engine.mu is held.
func (e *Engine) hidden(path string) bool {
	if g, ok := e.gates[path]; ok {
		return !g.public
	}
	s := e.table.Lookup(path)
	return s == nil || !s.Public()
}

// Read returns the durable appends that end after r.From, whole and in order,
// at least one if there is any, unless the result is Cold. The result is valid
// as Head's Info is.
func (e *Engine) Read(r ReadRequest) (ReadResult, Ticket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	res, s, t := e.beginRead(&r)
	if s == nil {
		return res, t
	}
	if res.Cold = e.plan(s, res.Next, res.Tail, nil); !res.Cold {
		e.collect(s, &res, r.BytesMax)
	} else {
		res.Far = e.tier != nil && e.mayBeFar(s, res.Next, res.Tail)
	}
	res.finish()
	return res, t
}

// beginRead finds the stream and begins the result. Engine.mu is held.
func (e *Engine) beginRead(r *ReadRequest) (ReadResult, *stream.Stream, Ticket) {
	if r.BytesMax <= 0 {
		r.BytesMax = readBytesMax
	}
	if r.PublicOnly && e.hidden(r.Path) {
		return ReadResult{}, nil, settled(stream.Outcome{Code: stream.NotFound})
	}
	now := e.now()
	s, t := e.find(r.Path, now)
	if s == nil {
		return ReadResult{}, nil, t
	}
	if r.ID != 0 && r.ID != s.ID {
		return ReadResult{}, nil, settled(stream.Outcome{Code: stream.NotFound})
	}
	res := ReadResult{Info: e.durableInfo(s), ExpiresIn: -1}
	if r.To != 0 && r.To < res.Tail {
		res.Tail, res.Closed = r.To, false
	}
	if r.Earliest {
		r.From, r.Earliest = s.Start(), false
	}
	if min(r.From, res.Tail) < s.Start() {
		return ReadResult{}, nil, settled(stream.Outcome{Code: stream.OffsetTrimmed, Start: s.Start()})
	}
	if r.Touch {
		e.touch(s, now)
	}
	res.From = min(r.From, res.Tail)
	res.Next = res.From
	if deadline := s.Deadline(); deadline != math.MaxInt64 {
		res.ExpiresIn = time.Duration(min(deadline-now, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
	return res, s, t
}

// finish says where the result ends.
func (res *ReadResult) finish() {
	res.UpToDate = res.Next == res.Tail
	res.AtEnd = res.UpToDate && res.Closed
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
		ID: s.ID, ContentType: s.ContentType, JSON: s.JSON, Closed: s.Closed, Public: s.Public(),
		Tail: e.durableTail(s), TTL: s.TTL(), ExpiresAt: at, ExpiresText: text,
		Start: s.Start(), KeepAge: s.KeepAge(), KeepBytes: s.KeepBytes(),
	}
}

// durableTail is the end of the newest durable append.
func (e *Engine) durableTail(s *stream.Stream) stream.Offset {
	l := localOf(s)
	if l == nil || l.last <= e.durable {
		return s.Tail
	}
	entries := l.index.All()
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Frame <= e.durable {
			return stream.Offset(entries[i].End)
		}
	}
	return l.stored()
}

// stored is where the appends in memory begin; what is below is in segments.
func (l *local) stored() stream.Offset {
	if entries := l.index.All(); len(entries) > 0 {
		return stream.Offset(entries[0].End - uint64(entries[0].Len) - stream.AppendGap)
	}
	return l.stream.Tail
}

// storedOf is stored for a stream that may have nothing in memory.
func storedOf(s *stream.Stream) stream.Offset {
	if l := localOf(s); l != nil {
		return l.stored()
	}
	return s.Tail
}

// link is a stream and how far a reader sees it: a fork shows of its source
// what lies before its base, and of what that shows no more than every fork on
// the way took.
type link struct {
	stream *stream.Stream
	to     stream.Offset
}

// chain is the streams from the one that is read up to the one that holds the
// first append wanted.
func chain(s *stream.Stream, from, to stream.Offset) []link {
	links := []link{{s, to}}
	for s.Source() != nil && from < s.Base() {
		to = min(to, s.Base())
		s = s.Source()
		links = append(links, link{s, to})
	}
	return links
}

// collect adds to res the appends between res.Next and res.Tail, those that a
// fork shows of its source among them. All of them are in memory. One budget
// serves the whole chain.
func (e *Engine) collect(s *stream.Stream, res *ReadResult, budget int) {
	links := chain(s, res.Next, res.Tail)
	var at frameCursor
	for i := len(links) - 1; i >= 0; i-- {
		to := links[i].to
		if l := localOf(links[i].stream); l != nil {
			for _, entry := range l.index.Between(uint64(res.Next), uint64(to)) {
				budget -= int(entry.Len)
				if len(res.Parts) > 0 && (budget < 0 || len(res.Parts) >= readAppendsMax) {
					return
				}
				res.Parts = append(res.Parts, at.slice(&e.frames, entry))
				res.Next = stream.Offset(entry.End)
			}
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
		if c.frame == nil {
			panic(fmt.Sprintf("engine: append up to %d of batch %d is not in memory; batches %d to %d are held", e.End, e.Frame, f.released+1, f.held))
		}
	}
	return c.frame.slice(e)
}
