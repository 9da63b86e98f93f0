package stream

import "math"

// ForkedTo is how far the live forks of a stream show it: of one that is Gone,
// nobody reads what ends beyond.
func (t *Table) ForkedTo(s *Stream) Offset {
	to := Offset(0)
	if s.rare != nil {
		for id := range s.rare.forks {
			if fork := t.ByID(id); fork != nil {
				to = max(to, fork.Base())
			}
		}
	}
	return to
}

// Ends reports whether the stream has a deadline.
func (s *Stream) Ends() bool { return s.Deadline() != math.MaxInt64 }
