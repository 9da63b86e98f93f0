package stream

import (
	"fmt"
	"strings"
)

// Effect is what applying a record did to the table.
type Effect struct {
	// Stream is the one the record is about.
	Stream *Stream
	// Removed are the streams that left the table, the sources of a removed
	// fork that nothing else kept among them.
	Removed []*Stream
}

// Apply carries out a record. It does the same in life and in replay, and
// copies every string that it keeps. An error means that the record does not
// follow from the ones before it, and leaves the table as it was.
func (t *Table) Apply(r *Record) (Effect, error) {
	if r.Kind == KindCreate {
		return t.applyCreate(r)
	}
	s := t.byID[r.ID]
	if s == nil {
		return Effect{}, fmt.Errorf("stream: record of kind %d for stream %d, which does not exist", r.Kind, r.ID)
	}
	switch r.Kind {
	case KindAppend:
		return Effect{Stream: s}, t.applyAppend(s, r)
	case KindTouch:
		s.Touched, s.Logged = max(s.Touched, r.At), max(s.Logged, r.At)
		return Effect{Stream: s}, nil
	case KindDelete, KindExpire:
		return t.applyDelete(s)
	default:
		return Effect{}, fmt.Errorf("stream: record of unknown kind %d", r.Kind)
	}
}

func (t *Table) applyCreate(r *Record) (Effect, error) {
	var source *Stream
	switch {
	case r.ID <= t.lastID:
		return Effect{}, fmt.Errorf("stream: create reuses identity %d", r.ID)
	case t.byPath[r.Path] != nil:
		return Effect{}, fmt.Errorf("stream: create at %q, which exists", r.Path)
	case r.Source != 0:
		if source = t.byID[r.Source]; source == nil || source.Gone || r.Base > source.Tail {
			return Effect{}, fmt.Errorf("stream: fork of stream %d at %d, which it does not reach", r.Source, r.Base)
		}
	}
	s := &Stream{
		ID: r.ID, Path: strings.Clone(r.Path), ContentType: t.sharedType(r.ContentType), JSON: IsJSON(r.ContentType),
		Closed: r.Closed, Base: r.Base, Tail: r.Base,
		TTL: r.TTL, Touched: r.At, Logged: r.At, Source: source,
	}
	if r.ExpiresAt != 0 {
		s.expires = &expiry{at: r.ExpiresAt, text: strings.Clone(r.ExpiresText)}
	}
	s.text = int32(len(r.Path) + len(r.ContentType) + len(r.ExpiresText) + len(r.From))
	if source != nil {
		s.depth = source.depth + 1
		s.fork = &forkConfig{from: strings.Clone(r.From), sub: r.SubOffset, inheritedExpiry: r.InheritedExpiry}
		if source.forks == nil {
			source.forks = make(map[ID]struct{})
		}
		source.forks[s.ID] = struct{}{}
	}
	r.Appends(func(_, _ int, end Offset) { s.Tail = end })
	t.lastID = r.ID
	t.byPath[s.Path], t.byID[s.ID] = s, s
	return Effect{Stream: s}, nil
}

func (t *Table) applyAppend(s *Stream, r *Record) error {
	if s.Gone || s.Closed || s.Tail != r.Start {
		return fmt.Errorf("stream: append at %d to stream %d, whose tail is %d (closed %t, gone %t)",
			r.Start, s.ID, s.Tail, s.Closed, s.Gone)
	}
	r.Appends(func(_, _ int, end Offset) { s.Tail = end })
	if p := r.Producer; p.ID != "" {
		s.accept(p)
	}
	if r.HasSeq {
		seq := strings.Clone(r.Seq)
		if s.seq != nil {
			s.text -= int32(len(*s.seq))
		}
		s.seq = &seq
		s.text += int32(len(seq))
	}
	if r.Close {
		s.Closed = true
	}
	if r.At != 0 {
		s.Touched, s.Logged = max(s.Touched, r.At), max(s.Logged, r.At)
	}
	return nil
}

// accept keeps the producer's newest request. The state is changed in place,
// because assigning to a known key of a map would make the map hold on to the
// caller's string.
func (s *Stream) accept(p Producer) {
	if known := s.producers[p.ID]; known != nil {
		known.epoch, known.seq = p.Epoch, p.Seq
		return
	}
	if s.producers == nil {
		s.producers = make(map[string]*producer, 1)
	}
	s.producers[strings.Clone(p.ID)] = &producer{epoch: p.Epoch, seq: p.Seq}
	s.text += int32(len(p.ID))
}

// applyDelete removes a stream that no fork reads, and with it every Gone
// source that only it kept. A stream with forks becomes Gone and keeps its
// path and data (section 4.2).
func (t *Table) applyDelete(s *Stream) (Effect, error) {
	if s.Gone {
		return Effect{}, fmt.Errorf("stream: stream %d is deleted twice", s.ID)
	}
	effect := Effect{Stream: s}
	if len(s.forks) > 0 {
		s.Gone = true
		return effect, nil
	}
	for {
		s.Removed = true
		delete(t.byPath, s.Path)
		delete(t.byID, s.ID)
		effect.Removed = append(effect.Removed, s)
		source := s.Source
		if source == nil {
			return effect, nil
		}
		delete(source.forks, s.ID)
		if !source.Gone || len(source.forks) > 0 {
			return effect, nil
		}
		s = source
	}
}
