package remote

import (
	"testing"
)

func TestReplayTakesFewRequests(t *testing.T) {
	for _, block := range []int64{4 * kib, 64 * kib, 100_003, mib} {
		size := min(16*mib, 1024*block) // each small read verifies a whole cell
		for _, readers := range []int64{1, 4} {
			b := &bucket{}
			c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
			f := c.File(1, size)
			part := size / readers // each in its own part, in turns
			for off := int64(0); off < part; off += block {
				for i := range readers {
					wantError(t, tryRead(f, Ask{}, i*part+off, min(block, part-off)), nil)
				}
			}
			asked := b.take()
			if n := int64(len(asked)); n > 8+4*readers {
				t.Errorf("%d readers in blocks of %d: %d requests: %v", readers, block, n, asked)
			}
			if s := c.Stats(); s.FetchedBytes > size+c.cellBytes*(8+4*readers) {
				t.Errorf("%d readers in blocks of %d: fetched %d of %d bytes", readers, block, s.FetchedBytes, size)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestWindowGrows(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
	defer c.Close()
	f := c.File(1, 1<<30)
	read(t, f, Ask{}, 100*mib, mib)
	wantAsked(t, b, span{1, 100 * mib, mib})
	read(t, f, Ask{}, 101*mib, mib) // goes on
	wantAsked(t, b, span{1, 101 * mib, 2 * mib})
	read(t, f, Ask{}, 102*mib, mib) // there already; the window is two now
	wantAsked(t, b)
	read(t, f, Ask{}, 103*mib+256*kib, mib) // a cell left out
	wantAsked(t, b, span{1, 103*mib + 256*kib, 5 * mib})
	for off := int64(104*mib + 256*kib); off < 108*mib; off += mib {
		read(t, f, Ask{}, off, mib)
		wantAsked(t, b)
	}
	read(t, f, Ask{}, 108*mib+256*kib, mib) // eight, less what makes the request too long
	wantAsked(t, b, span{1, 108*mib + 256*kib, 8 * mib})
	read(t, f, Ask{}, 200*mib, mib)
	wantAsked(t, b, span{1, 200 * mib, mib})
	read(t, f, Ask{}, 202*mib, mib)
	wantAsked(t, b, span{1, 202 * mib, mib})
}

func TestRandomReadsFetchTheirCellsOnly(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
	defer c.Close()
	f := c.File(1, 1<<30)
	cells := int64(0)
	for i := range int64(200) {
		// Never just behind one of the last ends, and no cell twice.
		off := i * 37 % 200 * 5 * mib
		n := int64(4*kib) + i%3*400*kib
		read(t, f, Ask{}, off+100, n)
		cells += (off+100+n-1)/c.cellBytes - off/c.cellBytes + 1
	}
	if s := c.Stats(); s.Requests != 200 || s.FetchedBytes != cells*c.cellBytes || s.Cells != cells {
		t.Errorf("%d cells: %+v", cells, s)
	}
}

func TestReaderThatSaysHowFarTakesOneRequest(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
	defer c.Close()
	f := c.File(1, 100*mib)
	for off := int64(10 * mib); off < 15*mib; off += 64 * kib {
		read(t, f, Ask{To: 15 * mib}, off, 64*kib)
	}
	wantAsked(t, b, span{1, 10 * mib, 5 * mib})
	// Beyond the window, and beyond the end.
	read(t, f, Ask{To: 1 << 50}, 50*mib, 10)
	wantAsked(t, b, span{1, 50 * mib, 8 * mib})
	read(t, f, Ask{To: 1 << 50}, 99*mib, 10)
	wantAsked(t, b, span{1, 99 * mib, mib})
	// In the middle of what is there.
	read(t, f, Ask{To: 20 * mib}, 14*mib, 10)
	wantAsked(t, b)
	read(t, f, Ask{To: 16 * mib}, 14*mib, 2*mib)
	wantAsked(t, b, span{1, 15 * mib, mib})
}

func TestWindowsLeaveRoomInTheBudget(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 4 * mib, Source: b, AheadMax: 1 << 40})
	defer c.Close()
	f := c.File(1, 100*mib)
	for off := int64(0); off < 20*mib; off += 64 * kib {
		read(t, f, Ask{}, off, 64*kib)
	}
	for _, s := range b.take() {
		if s.len > mib+2*c.cellBytes {
			t.Errorf("asked for %v", s)
		}
	}
}

// A pass has a window of its own and leaves the cache alone.
func TestPassGoesStraightThrough(t *testing.T) {
	const size = 20*mib + 5
	for _, budget := range []int64{0, 1 << 30} {
		b := &bucket{}
		c := mustOpen(t, Options{Bytes: budget, Source: b})
		f := c.File(1, size)
		pass := f.Reader(t.Context(), Ask{Sequential: true})
		for off := int64(0); off < size; off += 300 * kib {
			wantError(t, readFrom(f, pass, off, 300*kib), nil)
		}
		if asked := b.take(); len(asked) != 3 || asked[0].len != 8*mib {
			t.Errorf("asked for %v", asked)
		}
		wantError(t, readFrom(f, f.Reader(t.Context(), Ask{Sequential: true, To: 3 * mib}), 2*mib, mib/2), nil)
		wantAsked(t, b, span{1, 2 * mib, mib})
		wantError(t, readFrom(f, f.Reader(t.Context(), Ask{Sequential: true}), 0, 20*mib), nil)
		wantAsked(t, b, span{1, 0, 8 * mib}, span{1, 8 * mib, 8 * mib}, span{1, 16 * mib, 4*mib + 5})
		if s := c.Stats(); s.Cells != 0 {
			t.Errorf("%+v", s)
		}
		// Bytes that did not verify are dropped wherever they are.
		fresh := f.Reader(t.Context(), Ask{Sequential: true, Fresh: true})
		wantError(t, tryRead(f, Ask{}, 0, 10), nil)
		settle(c)
		b.take()
		for range 2 {
			wantError(t, readFrom(f, fresh, 0, 10), nil)
		}
		wantAsked(t, b, span{1, 0, 8 * mib}, span{1, 0, 8 * mib})
		wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, 10), ErrNotCached)
		wantError(t, tryRead(f, Ask{CachedOnly: true, Sequential: true}, 0, 10), ErrNotCached)
		b.fault = func(span) error { return errBucket }
		wantError(t, readFrom(f, fresh, 0, 10), errBucket)
		b.fault = nil
		wantError(t, readFrom(f, fresh, 0, 10), nil)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Asking for what is cached first, and for the rest after, is one read.
func TestAskingTwiceIsReadingOnce(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
	defer c.Close()
	f := c.File(1, 64*mib)
	for off := int64(0); off < f.size; off += 64 * kib {
		if err := tryRead(f, Ask{CachedOnly: true}, off, 64*kib); err != nil {
			wantError(t, err, ErrNotCached)
			read(t, f, Ask{}, off, 64*kib)
		}
	}
	if asked := b.take(); len(asked) > 12 {
		t.Errorf("asked for %v", asked)
	}
}
