package remote

// place names a cell of a file.
type place struct {
	file uint64
	cell int64
}

// slot is what memory knows of a slot. One that is pinned is being read,
// written or erased by somebody and is not given to another cell.
type slot struct {
	entry Entry
	pins  int32
	uses  uint8 // how often it was read, up to usesMax
	live  bool  // there is a cell in it
}

// usesMax is the second use of a cell: it makes the hand go past once. The
// first does not, so that one long replay, which uses every cell once, does not
// push out what is read again and again.
const usesMax = 2

// slots are all slots and the way to them. Cache.mu guards them.
//
// free are exactly those that are neither live nor pinned.
type slots struct {
	all   []slot
	files map[uint64]map[int64]uint32 // number of the slot by file and cell
	free  []uint32
	hand  int
	cells int   // live ones
	bytes int64 // in live ones
}

// fill takes over what a file of cells had. Where two slots claim a cell, one
// of them was dropped before and that did not get to the disk: readers verify
// what they get, and ask for it afresh if it was the wrong one.
func (s *slots) fill(t Table) {
	s.all = make([]slot, t.Slots)
	s.files = map[uint64]map[int64]uint32{}
	for number := range t.Slots {
		if e, ok := t.Entries[number]; ok {
			if _, twice := s.find(place{e.File, int64(e.Cell)}); !twice {
				s.publish(number, e, 1)
			}
		}
	}
	for number := len(s.all) - 1; number >= 0; number-- { // the first is taken first
		if !s.all[number].live {
			s.free = append(s.free, uint32(number))
		}
	}
}

func (s *slots) find(at place) (number uint32, ok bool) {
	number, ok = s.files[at.file][at.cell]
	return number, ok
}

// pin keeps a slot from being given away until unpin.
func (s *slots) pin(number uint32) { s.all[number].pins++ }

func (s *slots) unpin(number uint32) {
	at := &s.all[number]
	if at.pins--; at.pins == 0 && !at.live {
		s.free = append(s.free, number)
	}
}

// use notes a read of a cell.
func (s *slots) use(number uint32) {
	if at := &s.all[number]; at.uses < usesMax {
		at.uses++
	}
}

// take gives an empty slot, pinned, after emptying one if it has to. It is
// false when all are pinned.
func (s *slots) take() (number uint32, ok bool) {
	if len(s.free) == 0 {
		s.evict()
	}
	if len(s.free) == 0 {
		return 0, false
	}
	number = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.pin(number)
	return number, true
}

// evict empties the next slot that nobody used twice since the hand went by.
// After one turn that is any slot that is not pinned.
func (s *slots) evict() {
	for range 2 * len(s.all) {
		number := uint32(s.hand)
		s.hand = (s.hand + 1) % len(s.all)
		at := &s.all[number]
		switch {
		case at.pins > 0 || !at.live:
		case at.uses == usesMax:
			at.uses--
		default:
			s.pin(number)
			s.drop(number)
			s.unpin(number)
			return
		}
	}
}

// publish makes an empty slot the place of a cell that is nowhere else.
func (s *slots) publish(number uint32, e Entry, uses uint8) {
	s.all[number].entry, s.all[number].uses, s.all[number].live = e, uses, true
	cells := s.files[e.File]
	if cells == nil {
		cells = map[int64]uint32{}
		s.files[e.File] = cells
	}
	cells[int64(e.Cell)] = number
	s.cells++
	s.bytes += int64(e.Length)
}

// drop forgets the cell of a slot, which is pinned by the caller.
func (s *slots) drop(number uint32) {
	at := &s.all[number]
	at.live = false
	cells := s.files[at.entry.File]
	if delete(cells, int64(at.entry.Cell)); len(cells) == 0 {
		delete(s.files, at.entry.File)
	}
	s.cells--
	s.bytes -= int64(at.entry.Length)
}
