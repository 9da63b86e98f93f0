package stream

import (
	"fmt"
	"strings"
)

// Change asks for another policy, another lifetime, or that a stream drops what
// it has before an offset. What is not given stays as it is.
type Change struct {
	Path string

	KeepAge      int64 // seconds, 0 = whatever the age, if HasKeepAge
	HasKeepAge   bool
	KeepBytes    int64 // 0 = however many, if HasKeepBytes
	HasKeepBytes bool

	TTL          int64 // seconds, NoTTL = none any more, if HasTTL
	HasTTL       bool
	ExpiresAt    int64 // Unix milliseconds, 0 = none any more, if HasExpiresAt
	ExpiresText  string
	HasExpiresAt bool

	Trim    Offset // OffsetMax = the tail, if HasTrim
	HasTrim bool
}

// DecideChange decides a change at now. The record is to be applied if its Kind
// is set. A stream that is Due must have been expired before.
func (t *Table) DecideChange(r *Change, now int64) (Record, Outcome) {
	s := t.byPath[r.Path]
	switch {
	case s == nil:
		return Record{}, Outcome{Code: NotFound}
	case s.Gone:
		return Record{}, Outcome{Code: Gone}
	}
	out := Outcome{Code: Changed, Tail: s.Tail, Closed: s.Closed, Start: s.Start()}
	rec := Record{Kind: KindChange, ID: s.ID, At: now, TTL: NoTTL}
	if r.HasTrim {
		to := r.Trim
		if to == OffsetMax {
			to = s.Tail
		}
		if to > s.Tail {
			return Record{}, Outcome{Code: TrimBeyondTail, Tail: s.Tail, Start: s.Start()}
		}
		if to > s.Start() {
			rec.Start, out.Start = to, to
		}
	}
	rec.setPolicy(s, r)
	rec.setLife(s, r)
	switch {
	case rec.HasPolicy || rec.HasLife:
	case rec.Start != 0 && s.TTL() == NoTTL:
		rec.Kind, rec.At = KindTrim, 0
	case rec.Start == 0:
		return Record{}, out
	}
	return rec, out
}

// setPolicy fills in the policy, if it becomes another.
func (rec *Record) setPolicy(s *Stream, r *Change) {
	rec.KeepAge, rec.KeepBytes = s.KeepAge(), s.KeepBytes()
	if r.HasKeepAge {
		rec.KeepAge = r.KeepAge
	}
	if r.HasKeepBytes {
		rec.KeepBytes = r.KeepBytes
	}
	if rec.HasPolicy = rec.KeepAge != s.KeepAge() || rec.KeepBytes != s.KeepBytes(); !rec.HasPolicy {
		rec.KeepAge, rec.KeepBytes = 0, 0
	}
}

// setLife fills in the lifetime, if it becomes another or begins anew. A stream
// has one or the other, so to give it one takes the other away.
func (rec *Record) setLife(s *Stream, r *Change) {
	at, text := s.ExpiresAt()
	switch {
	case r.HasTTL && r.TTL != NoTTL:
		rec.HasLife, rec.TTL = true, r.TTL
	case r.HasExpiresAt && r.ExpiresAt != 0:
		rec.HasLife, rec.ExpiresAt, rec.ExpiresText = true, r.ExpiresAt, r.ExpiresText
	case r.HasTTL && s.TTL() != NoTTL:
		rec.HasLife, rec.ExpiresAt, rec.ExpiresText = true, at, text
	case r.HasExpiresAt && at != 0:
		rec.HasLife, rec.TTL = true, s.TTL()
	}
}

// applyChange applies a change.
func (t *Table) applyChange(s *Stream, r *Record) error {
	if r.Start != 0 {
		if err := s.mayTrim(r.Start); err != nil {
			return err
		}
	}
	if s.Gone {
		return fmt.Errorf("stream: change of stream %d, which is gone", s.ID)
	}
	if r.HasLife {
		s.live(r)
	} else {
		s.logUse(r.At)
	}
	if r.HasPolicy {
		s.keep(r.KeepAge, r.KeepBytes, r.At)
	}
	if r.Start != 0 {
		s.trim(r.Start)
	}
	return nil
}

// mayTrim says what is wrong with a trim that does not follow from the records
// before it.
func (s *Stream) mayTrim(to Offset) error {
	if s.Gone || to <= s.Start() || to > s.Tail {
		return fmt.Errorf("stream: trim of stream %d to %d, which has %d to %d (gone %t)", s.ID, to, s.Start(), s.Tail, s.Gone)
	}
	return nil
}

// live sets the lifetime that a change brings.
func (s *Stream) live(r *Record) {
	rare := s.needRare()
	rare.ttl, rare.touched, rare.logged = r.TTL, 0, 0
	if r.TTL != NoTTL {
		rare.touched, rare.logged = r.At, r.At
	}
	_, before := s.ExpiresAt()
	rare.expires = nil
	if r.ExpiresAt != 0 {
		rare.expires = &expiry{at: r.ExpiresAt, text: strings.Clone(r.ExpiresText)}
	}
	_, after := s.ExpiresAt()
	s.text += int32(len(after) - len(before))
	if rare.fork != nil {
		rare.fork.inheritedExpiry = false // it has one of its own now
	}
}
