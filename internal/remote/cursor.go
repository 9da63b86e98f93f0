package remote

// cursors find out who reads a file in order, by where reads begin and end.
// Cache.mu guards them.
type cursors struct {
	all   [cursorsMax]cursor
	clock uint64
}

// cursor is the end of a read and how far ahead the next is to go if it begins
// there.
type cursor struct {
	end    int64
	window int64
	moved  uint64 // when, by cursors.clock; 0 means never
}

// find gives the cursor that a read from off on continues, or nil. It may leave
// out up to a cell.
func (s *cursors) find(off, cellBytes int64) *cursor {
	var best *cursor
	for i := range s.all {
		at := &s.all[i]
		if at.moved > 0 && off >= at.end && off-at.end <= cellBytes && (best == nil || at.end > best.end) {
			best = at
		}
	}
	return best
}

// move notes a read and gives the window ahead of it.
func (s *cursors) move(off, end, cellBytes, max int64) (window int64) {
	at := s.find(off, cellBytes)
	if at == nil {
		at = &s.all[0]
		for i := range s.all {
			if s.all[i].moved < at.moved {
				at = &s.all[i]
			}
		}
		at.window = 0
	} else {
		at.window = min(2*at.window, max)
		if at.window == 0 {
			at.window = min(windowBytesFirst, max)
		}
	}
	s.clock++
	at.end, at.moved = end, s.clock
	return at.window
}
