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
	s := t.byID.find(r.ID)
	if s == nil {
		return Effect{}, fmt.Errorf("stream: record of kind %d for stream %d, which does not exist", r.Kind, r.ID)
	}
	switch r.Kind {
	case KindAppend:
		return Effect{Stream: s}, t.applyAppend(s, r)
	case KindTouch:
		s.logUse(r.At)
		return Effect{Stream: s}, nil
	case KindChange:
		return Effect{Stream: s}, t.applyChange(s, r)
	case KindTrim:
		if err := s.mayTrim(r.Start); err != nil {
			return Effect{}, err
		}
		s.trim(r.Start)
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
		if source = t.byID.find(r.Source); source == nil || source.Gone || r.Base > source.Tail || r.Base < source.Start() {
			return Effect{}, fmt.Errorf("stream: fork of stream %d at %d, which it does not reach", r.Source, r.Base)
		}
	}
	row := Row{
		Path: strings.Clone(r.Path), ContentType: t.sharedType(r.ContentType), Closed: r.Closed, Public: r.Public, Tail: r.Base,
		TTL: r.TTL, Logged: r.At, ExpiresAt: r.ExpiresAt,
	}
	if r.ExpiresAt != 0 {
		row.ExpiresText = strings.Clone(r.ExpiresText)
	}
	if source != nil {
		row.Source, row.Base, row.From = r.Source, r.Base, strings.Clone(r.From)
		row.SubOffset, row.InheritedExpiry = r.SubOffset, r.InheritedExpiry
	}
	r.Appends(func(_, _ int, end Offset) { row.Tail = end })
	s := row.stream(r.ID)
	s.keep(r.KeepAge, r.KeepBytes, r.At)
	if source != nil {
		if start := source.Start(); start != 0 {
			s.trim(start) // from then on it is the fork's own
		}
		s.attach(source)
	}
	t.lastID = r.ID
	t.byPath[s.Path] = s
	t.byID.add(s)
	return Effect{Stream: s}, nil
}

func (t *Table) applyAppend(s *Stream, r *Record) error {
	if s.Gone || s.Closed || s.Tail != r.Start {
		return fmt.Errorf("stream: append at %d to stream %d, whose tail is %d (closed %t, gone %t)",
			r.Start, s.ID, s.Tail, s.Closed, s.Gone)
	}
	r.Appends(func(_, _ int, end Offset) {
		if keep := s.retained(); keep != nil && keep.age != 0 {
			keep.note(r.At, s.Tail, s.Start())
		}
		s.Tail = end
	})
	if p := r.Producer; p.ID != "" {
		s.accept(p)
	}
	if r.HasSeq {
		s.setSeq(strings.Clone(r.Seq))
	}
	if r.Close {
		s.Closed = true
	}
	if r.At != 0 {
		s.logUse(r.At)
	}
	return nil
}

// applyDelete removes a stream that no fork reads, and with it every Gone
// source that only it kept. A stream with forks becomes Gone and keeps its
// path and data (section 4.2).
func (t *Table) applyDelete(s *Stream) (Effect, error) {
	if s.Gone {
		return Effect{}, fmt.Errorf("stream: stream %d is deleted twice", s.ID)
	}
	effect := Effect{Stream: s}
	if s.Forks() > 0 {
		s.Gone = true
		return effect, nil
	}
	for {
		s.marked |= markRemoved
		delete(t.byPath, s.Path)
		t.byID.remove(s.ID)
		effect.Removed = append(effect.Removed, s)
		source := s.Source()
		if source == nil {
			return effect, nil
		}
		delete(source.rare.forks, s.ID)
		if !source.Gone || source.Forks() > 0 {
			return effect, nil
		}
		s = source
	}
}
