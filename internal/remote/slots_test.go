package remote

import (
	"testing"
)

// What is used again stays while files many times the budget go through once.
func TestReplayLeavesWhatIsUsedAgain(t *testing.T) {
	const cell = 64 * kib
	for _, block := range []int64{16 * kib, cell, 3 * cell} {
		b := &bucket{}
		c := mustOpen(t, Options{Bytes: 4 * mib, CellBytes: cell, Source: b})
		hot, long := c.File(1, 16*cell), c.File(2, 400*cell)
		// The first turn of the hand finds it used twice, later ones too since
		// somebody goes on to use it.
		for range 3 {
			for i := range int64(16) {
				read(t, hot, Ask{}, i*cell, 10)
			}
		}
		next := int64(0)
		for off := int64(0); off < long.size; off += block {
			read(t, long, Ask{}, off, block)
			for range max(block/cell, 1) {
				read(t, hot, Ask{CachedOnly: true}, next%16*cell, 10)
				next++
			}
		}
		for i := range int64(16) {
			if err := tryRead(hot, Ask{CachedOnly: true}, i*cell, cell); err != nil {
				t.Errorf("blocks of %d: cell %d: %v", block, i, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What was popular once makes room, and all slots are taken.
func TestOldFavouritesGo(t *testing.T) {
	const cell = 64 * kib
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 2 * mib, CellBytes: cell, Source: b})
	defer c.Close()
	for id := uint64(1); id < 6; id++ {
		f := c.File(id, int64(len(c.slots.all))*cell)
		for range 4 {
			for i := int64(0); i < f.size; i += cell {
				read(t, f, Ask{}, i, 10)
			}
		}
		if s := c.Stats(); s.Cells != int64(len(c.slots.all)) {
			t.Fatalf("file %d: %d slots, %+v", id, len(c.slots.all), s)
		}
		b.take()
		read(t, f, Ask{CachedOnly: true}, 0, f.size)
	}
}

// A slot that somebody is reading is not given away, even if all of them are.
func TestPinnedSlotsAreLeftAlone(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * kib, Source: b})
	defer c.Close()
	n := int64(len(c.slots.all)) * c.cellBytes
	f, other := c.File(1, n), c.File(2, mib)
	for off := int64(0); off < n; off += c.cellBytes {
		read(t, f, Ask{}, off, 1)
	}
	if s := c.Stats(); s.Bytes != n {
		t.Fatalf("%+v", s)
	}
	reader := &cellReader{file: f, ctx: t.Context()}
	p := reader.piece(make([]byte, n), 0)
	c.mu.Lock()
	err := p.plan(n, -1)
	c.mu.Unlock()
	wantError(t, err, nil)
	read(t, other, Ask{}, 512*kib, 100*kib)
	if damaged := p.readHere(); len(damaged) != 0 {
		t.Errorf("cells %v were overwritten under their reader", damaged)
	}
	read(t, other, Ask{}, 700*kib, 100*kib)
	if s := c.Stats(); s.Damaged != 0 {
		t.Errorf("%+v", s)
	}
}
