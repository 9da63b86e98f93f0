package stream

import "math"

// ID names a stream for ever. A path that is deleted and created again leads
// to another ID, so nothing that belongs to the old stream can reach readers
// of the new one.
type ID uint64

// Stream is the state of one stream. Only Table.Apply changes it, but for
// Touched and Local.
type Stream struct {
	ID          ID
	Path        string
	ContentType string // as given at creation
	JSON        bool
	Closed      bool
	Gone        bool // deleted or expired, kept because forks read it
	Removed     bool // no longer in the table
	Base        Offset
	Tail        Offset

	TTL     int64 // seconds, or NoTTL
	Touched int64 // Unix milliseconds of the last use
	Logged  int64 // the last use that is in a record
	expires *expiry

	Source *Stream // whose appends up to Base this fork shows
	fork   *forkConfig
	forks  map[ID]struct{} // live forks of this stream, by identity

	producers map[string]*producer
	seq       *string // the last Stream-Seq

	depth int32 // how many sources are above it
	text  int32 // see TextBytes

	// Local is what the caller keeps beside the rules. They never look at it.
	Local any
}

// expiry is an absolute end of life.
type expiry struct {
	at   int64  // Unix milliseconds
	text string // as the client wrote it
}

// producer is the state of an idempotent producer: its epoch and the highest
// sequence accepted in it. It lives as long as the stream.
type producer struct{ epoch, seq int64 }

// forkConfig is what a fork was asked to be, kept to recognize a repetition.
type forkConfig struct {
	from            string
	sub             uint64
	inheritedExpiry bool
}

// Forks is the number of live forks that read this stream.
func (s *Stream) Forks() int { return len(s.forks) }

// ExpiresAt is the absolute end of life in Unix milliseconds and as the client
// wrote it, or 0.
func (s *Stream) ExpiresAt() (at int64, text string) {
	if s.expires == nil {
		return 0, ""
	}
	return s.expires.at, s.expires.text
}

// Producers is the number of idempotent producers the stream remembers.
func (s *Stream) Producers() int { return len(s.producers) }

// TextBytes is the length of the texts that the stream holds beside its
// appends: path, content type, what it was asked to be, the last Stream-Seq and
// the names of its producers.
func (s *Stream) TextBytes() int { return int(s.text) }

// TouchSlack is how far the logged last use of a stream may lag behind the
// real one, in milliseconds. After a crash the deadline is counted from the
// logged use plus the slack, so that a crash lengthens a life, never shortens
// it.
func (s *Stream) TouchSlack() int64 {
	return max(1000, s.TTL*1000/16)
}

// Deadline is when the stream expires, in Unix milliseconds, or math.MaxInt64.
// A sliding lifetime counts from the last use, an absolute one does not move
// (section 5.1).
func (s *Stream) Deadline() int64 {
	if s.expires != nil {
		return s.expires.at
	}
	if s.TTL == NoTTL {
		return math.MaxInt64
	}
	if s.TTL > (math.MaxInt64-s.Touched)/1000 {
		return math.MaxInt64
	}
	return s.Touched + s.TTL*1000
}

// Due reports whether the stream has expired at now.
func (s *Stream) Due(now int64) bool { return !s.Gone && now >= s.Deadline() }
