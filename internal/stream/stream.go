package stream

import "math"

// ID names a stream for ever. A path that is deleted and created again leads
// to another ID, so nothing that belongs to the old stream can reach readers
// of the new one.
type ID uint64

// Stream is the state of one stream. Only Table.Apply and Table.Restore change
// it, but for Touch and Local.
//
// There may be millions, and most use nothing but what is here: the rest is in
// rare. The size is held by TestPlainStreamsAreSmall.
type Stream struct {
	ID          ID
	Path        string
	ContentType string // as given at creation
	Tail        Offset

	// Local is what the caller keeps beside the rules. They never look at it.
	Local any

	rare *rare // nil if the stream has nothing of it

	JSON   bool
	Closed bool
	Gone   bool  // deleted or expired, kept because forks read it
	marked uint8 // see marks below: another bool would not fit
	text   int32 // see TextBytes
}

// Marks of a stream.
const (
	markRemoved = 1 << iota
	markPublic
)

// Removed reports whether the stream is no longer in the table.
func (s *Stream) Removed() bool { return s.marked&markRemoved != 0 }

// Public reports whether the stream was created for everybody to read. That
// never changes.
func (s *Stream) Public() bool { return s.marked&markPublic != 0 }

// TextBytes is the length of the texts that the stream holds beside its
// appends: path, content type, what it was asked to be, the last Stream-Seq and
// the names of its producers.
func (s *Stream) TextBytes() int { return int(s.text) }

// TouchSlack is how far the logged last use of a stream may lag behind the
// real one, in milliseconds. After a crash the deadline is counted from the
// logged use plus the slack, so that a crash lengthens a life, never shortens
// it.
func (s *Stream) TouchSlack() int64 {
	return max(1000, s.TTL()*1000/16)
}

// Deadline is when the stream expires, in Unix milliseconds, or math.MaxInt64.
// A sliding lifetime counts from the last use, an absolute one does not move
// (section 5.1).
func (s *Stream) Deadline() int64 {
	r := s.rare
	switch {
	case r == nil:
		return math.MaxInt64
	case r.expires != nil:
		return r.expires.at
	case r.ttl == NoTTL || r.ttl > (math.MaxInt64-r.touched)/1000:
		return math.MaxInt64
	}
	return r.touched + r.ttl*1000
}

// Due reports whether the stream has expired at now.
func (s *Stream) Due(now int64) bool { return !s.Gone && now >= s.Deadline() }
