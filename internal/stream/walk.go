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
			if to >= s.Tail {
				break // no fork begins beyond
			}
		}
	}
	return to
}

// Floor is the lowest offset from which anyone still reads what is stored under
// a stream: the stream itself, a fork of it that begins further on, or a fork of
// one of those. Nobody needs an append that ends there or before. OffsetMax
// means that nobody needs any.
//
// Floors never fall: starts only grow, and what is forked is there, so a new
// fork begins to read where its source does.
func (t *Table) Floor(s *Stream) Offset {
	floor := OffsetMax
	if !s.Gone {
		floor = s.Start()
	}
	if s.rare == nil || floor == 0 {
		return floor
	}
	for id := range s.rare.forks {
		if fork := t.ByID(id); fork != nil {
			if f := t.Floor(fork); f < fork.Base() {
				floor = min(floor, f)
			}
		}
		if floor == 0 {
			break // no lower one is to be found
		}
	}
	return floor
}

// Kept is how much of the offset space is stored under a stream: its own appends
// with their gaps, down to its floor, and of one that is Gone up to where forks
// show it. What it shows of its source counts there, and as long as it shows it.
func (t *Table) Kept(s *Stream) int64 {
	if s.Removed() {
		return 0
	}
	from, to := max(t.Floor(s), s.Base()), s.Tail
	if s.Gone && from < to {
		to = t.ForkedTo(s)
	}
	if from >= to {
		return 0
	}
	return int64(to - from)
}

// Ends reports whether time alone will change something about the stream.
func (s *Stream) Ends() bool { return s.NextDue() != math.MaxInt64 }
