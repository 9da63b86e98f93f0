package stream

import "strings"

// rare is what few streams have: a lifetime, a start, a retention policy, a
// source, forks, producers, a Stream-Seq.
type rare struct {
	ttl     int64 // seconds, or NoTTL
	touched int64 // Unix milliseconds of the last use, if a TTL slides
	logged  int64 // the last use that is in a record, likewise
	expires *expiry

	start     Offset // the earliest retained offset
	retention *retention

	fork  *fork
	forks map[ID]struct{} // live forks of this stream, by identity

	producers map[string]*producer
	seq       *string // the last Stream-Seq
}

// expiry is an absolute end of life.
type expiry struct {
	at   int64  // Unix milliseconds
	text string // as the client wrote it
}

// producer is the state of an idempotent producer: its epoch and the highest
// sequence accepted in it. It lives as long as the stream.
type producer struct{ epoch, seq int64 }

// fork is what a fork takes from another stream, and what it was asked to be,
// kept to recognize a repetition.
type fork struct {
	source          *Stream // nil between Table.Restore and Table.Restored
	sourceID        ID
	base            Offset
	from            string
	sub             uint64
	inheritedExpiry bool
	depth           int32 // how many sources are above it
}

// needRare returns the rare part of a stream, which it makes if there is none.
func (s *Stream) needRare() *rare {
	if s.rare == nil {
		s.rare = &rare{ttl: NoTTL}
	}
	return s.rare
}

// TTL is the sliding lifetime in seconds, or NoTTL.
func (s *Stream) TTL() int64 {
	if s.rare == nil {
		return NoTTL
	}
	return s.rare.ttl
}

// Touched is the last use of a stream with a TTL, in Unix milliseconds. Nobody
// notes the uses of another, and it is 0.
func (s *Stream) Touched() int64 {
	if s.rare == nil {
		return 0
	}
	return s.rare.touched
}

// Logged is the last use that is in a record. See Touched.
func (s *Stream) Logged() int64 {
	if s.rare == nil {
		return 0
	}
	return s.rare.logged
}

// Touch notes a use of the stream, in Unix milliseconds. The use never moves
// back, and a stream without a TTL ignores it.
func (s *Stream) Touch(at int64) {
	if r := s.rare; r != nil && r.ttl != NoTTL {
		r.touched = max(r.touched, at)
	}
}

// logUse notes a use that a record tells of.
func (s *Stream) logUse(at int64) {
	if r := s.rare; r != nil && r.ttl != NoTTL {
		r.touched, r.logged = max(r.touched, at), max(r.logged, at)
	}
}

// ExpiresAt is the absolute end of life in Unix milliseconds and as the client
// wrote it, or 0.
func (s *Stream) ExpiresAt() (at int64, text string) {
	if s.rare == nil || s.rare.expires == nil {
		return 0, ""
	}
	return s.rare.expires.at, s.rare.expires.text
}

// fork returns what the stream takes from its source, or nil.
func (s *Stream) fork() *fork {
	if s.rare == nil {
		return nil
	}
	return s.rare.fork
}

// Source is the stream whose appends up to Base this fork shows, or nil.
func (s *Stream) Source() *Stream {
	if f := s.fork(); f != nil {
		return f.source
	}
	return nil
}

// Base is where the stream's own appends begin: 0 but for a fork.
func (s *Stream) Base() Offset {
	if f := s.fork(); f != nil {
		return f.base
	}
	return 0
}

// depth is how many sources are above the stream.
func (s *Stream) depth() int32 {
	if f := s.fork(); f != nil {
		return f.depth
	}
	return 0
}

// Forks is the number of live forks that read this stream.
func (s *Stream) Forks() int {
	if s.rare == nil {
		return 0
	}
	return len(s.rare.forks)
}

// attach links a fork to its source.
func (s *Stream) attach(source *Stream) {
	f := s.rare.fork
	f.source, f.sourceID, f.depth = source, source.ID, source.depth()+1
	r := source.needRare()
	if r.forks == nil {
		r.forks = make(map[ID]struct{})
	}
	r.forks[s.ID] = struct{}{}
}

// Producers is the number of idempotent producers the stream remembers.
func (s *Stream) Producers() int {
	if s.rare == nil {
		return 0
	}
	return len(s.rare.producers)
}

// producer is the state of a producer, or nil if the stream has not seen it.
func (s *Stream) producer(id string) *producer {
	if s.rare == nil {
		return nil
	}
	return s.rare.producers[id]
}

// accept keeps the producer's newest request. The state is changed in place,
// because assigning to a known key of a map would make the map hold on to the
// caller's string.
func (s *Stream) accept(p Producer) {
	if known := s.producer(p.ID); known != nil {
		known.epoch, known.seq = p.Epoch, p.Seq
		return
	}
	p.ID = strings.Clone(p.ID)
	s.addProducer(p)
}

// addProducer takes in a producer that is not known, and keeps its id.
func (s *Stream) addProducer(p Producer) {
	r := s.needRare()
	if r.producers == nil {
		r.producers = make(map[string]*producer, 1)
	}
	r.producers[p.ID] = &producer{epoch: p.Epoch, seq: p.Seq}
	s.text += int32(len(p.ID))
}

// Knows reports whether the stream remembers a producer.
func (s *Stream) Knows(producer string) bool { return s.producer(producer) != nil }

// lastSeq is the last Stream-Seq, if there was one.
func (s *Stream) lastSeq() (seq string, ok bool) {
	if s.rare == nil || s.rare.seq == nil {
		return "", false
	}
	return *s.rare.seq, true
}

// regresses reports whether a Stream-Seq does not grow.
func (s *Stream) regresses(seq string) bool {
	last, ok := s.lastSeq()
	return ok && seq <= last
}

// setSeq keeps a Stream-Seq as the last.
func (s *Stream) setSeq(seq string) {
	last, _ := s.lastSeq()
	s.text += int32(len(seq) - len(last))
	s.needRare().seq = &seq
}
