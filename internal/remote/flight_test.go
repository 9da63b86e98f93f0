package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// Every test in a bubble fails if a goroutine is left when it ends.
func gated(t *testing.T, o Options, test func(t *testing.T, b *bucket, c *Cache)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{gate: make(chan struct{})}
		o.Source = b
		c := mustOpen(t, o)
		test(t, b, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if n := b.active(); n != 0 {
			t.Errorf("%d requests after Close", n)
		}
		if s := c.Stats(); s.Waiting != 0 || s.UnderWay != 0 {
			t.Errorf("after Close: %+v", s)
		}
		for i := range c.slots.all {
			if c.slots.all[i].pins != 0 {
				t.Errorf("slot %d is pinned for ever", i)
			}
		}
		if len(c.flights) != 0 {
			t.Errorf("%d cells are on their way for ever", len(c.flights))
		}
	})
}

// start begins a read and gives where its error will be.
func start(ctx context.Context, f *File, ask Ask, off, n int64) <-chan error {
	result := make(chan error, 1)
	go func() { result <- readFrom(f, f.Reader(ctx, ask), off, n) }()
	return result
}

func TestManyReadersAreOneRequest(t *testing.T) {
	gated(t, Options{Bytes: 64 * mib}, func(t *testing.T, b *bucket, c *Cache) {
		f := c.File(1, 10*mib)
		var results []<-chan error
		for range 100 {
			results = append(results, start(t.Context(), f, Ask{}, 300*kib, 100*kib))
		}
		synctest.Wait()
		if s := c.Stats(); s.Waiting != 100 || s.UnderWay != 1 {
			t.Errorf("waiting: %+v", s)
		}
		wantAsked(t, b, span{1, 256 * kib, 256 * kib})
		b.gate <- struct{}{}
		for _, r := range results {
			wantError(t, <-r, nil)
		}
		synctest.Wait()
		if s := c.Stats(); s.Misses != 100 || s.MissBytes != 100*100*kib || s.Cells != 1 || s.Requests != 1 || s.FetchedBytes != 256*kib {
			t.Errorf("after: %+v", s)
		}
		wantError(t, tryRead(f, Ask{CachedOnly: true}, 256*kib, 256*kib), nil)
		wantAsked(t, b)
	})
}

func TestBudgetSmallerThanTheRange(t *testing.T) {
	for _, budget := range []int64{0, 10, 12 * kib, 13 * kib, 64 * kib, 300 * kib} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			b := &bucket{}
			c := mustOpen(t, Options{Bytes: budget, Source: b})
			defer c.Close()
			f := c.File(3, 5*mib)
			for range 3 {
				b.take()
				read(t, f, Ask{Fresh: true}, 1001, mib)
				if asked := b.take(); len(asked) != 1 {
					t.Fatalf("asked %v", asked)
				}
				read(t, f, Ask{}, 3*mib-5, mib)
				read(t, f, Ask{}, 0, 5*mib)
			}
			if got := c.disk; got != nil && got.data(got.Slots) > budget {
				t.Errorf("file of %d bytes for a budget of %d", got.data(got.Slots), budget)
			}
		})
	}
}

func TestAllBudgetsAreKept(t *testing.T) {
	for budget := int64(0); budget < 5*mib; budget += 1021 {
		for _, cell := range []int64{4 * kib, 64 * kib} {
			n := slotsWithin(budget, cell)
			h := Header{CellBytes: uint32(cell), Slots: n}
			if n > 0 && h.data(n) > budget {
				t.Fatalf("%d slots of %d for a budget of %d take %d", n, cell, budget, h.data(n))
			}
			if h.Slots++; h.data(n+1) <= budget {
				t.Fatalf("only %d slots of %d for a budget of %d", n, cell, budget)
			}
		}
	}
}

func TestMissingNeighboursAreOneRequest(t *testing.T) {
	const cell = 64 * kib
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * mib, CellBytes: cell, Source: b})
	defer c.Close()
	f := c.File(1, 100*cell)
	for _, present := range []int64{2, 3, 10, 11, 12, 13} {
		read(t, f, Ask{Fresh: true}, present*cell, 1)
	}
	b.take()
	read(t, f, Ask{}, 10, 16*cell)
	// Two present cells are fetched over, four are not.
	wantAsked2(t, b, span{1, 0, 10 * cell}, span{1, 14 * cell, 3 * cell})
	if s := c.Stats(); s.Cells != 17 || s.HitBytes != 6*cell {
		t.Errorf("%+v", s)
	}
}

// wantAsked2 is wantAsked for two requests in any order.
func wantAsked2(t *testing.T, b *bucket, x, y span) {
	t.Helper()
	got := b.take()
	if len(got) != 2 || got[0] != x && got[1] != x || got[0] != y && got[1] != y {
		t.Fatalf("asked for %v, want %v and %v", got, x, y)
	}
}

func TestFailureReachesAllWhoWait(t *testing.T) {
	gated(t, Options{Bytes: 64 * mib}, func(t *testing.T, b *bucket, c *Cache) {
		b.fault = func(span) error { return errBucket }
		f := c.File(1, 10*mib)
		var results []<-chan error
		for i := range int64(10) {
			results = append(results, start(t.Context(), f, Ask{}, i*kib, 10))
		}
		synctest.Wait()
		b.gate <- struct{}{}
		for _, r := range results {
			wantError(t, <-r, errBucket)
		}
		// Failures are not kept.
		b.mu.Lock()
		b.fault = nil
		b.mu.Unlock()
		again := start(t.Context(), f, Ask{}, 0, 10)
		b.gate <- struct{}{}
		wantError(t, <-again, nil)
	})
}

func TestReaderThatLeavesFailsNobody(t *testing.T) {
	gated(t, Options{Bytes: 64 * mib}, func(t *testing.T, b *bucket, c *Cache) {
		f := c.File(1, 10*mib)
		ctx, cancel := context.WithCancel(t.Context())
		first := start(ctx, f, Ask{}, 0, 10)
		synctest.Wait()
		second := start(t.Context(), f, Ask{}, 20, 10)
		synctest.Wait()
		cancel()
		wantError(t, <-first, context.Canceled)
		synctest.Wait()
		if n := b.active(); n != 1 {
			t.Fatalf("%d requests while one reader waits", n)
		}
		b.gate <- struct{}{}
		wantError(t, <-second, nil)
		wantAsked(t, b, span{1, 0, 256 * kib})
	})
}

func TestRequestEndsWhenNobodyWaits(t *testing.T) {
	gated(t, Options{Bytes: 64 * mib}, func(t *testing.T, b *bucket, c *Cache) {
		f := c.File(1, 10*mib)
		ctx, cancel := context.WithCancel(t.Context())
		results := []<-chan error{start(ctx, f, Ask{}, 0, 10), start(ctx, f, Ask{}, 0, 300*kib)}
		synctest.Wait()
		cancel()
		for _, r := range results {
			wantError(t, <-r, context.Canceled)
		}
		synctest.Wait()
		if n := b.active(); n != 0 {
			t.Fatalf("%d requests that nobody waits for", n)
		}
		b.take()
		wantError(t, readFrom(f, f.Reader(ctx, Ask{}), 0, 10), context.Canceled)
		wantAsked(t, b) // a reader that has ended asks for nothing
		next := start(t.Context(), f, Ask{}, 0, 10)
		b.gate <- struct{}{}
		wantError(t, <-next, nil)
	})
}

func TestReadsAreBounded(t *testing.T) {
	for _, budget := range []int64{0, 64 * mib} {
		for _, ask := range []Ask{{}, {Sequential: true}} {
			gated(t, Options{Bytes: budget, FetchesMax: 2, WaitersMax: 3}, func(t *testing.T, b *bucket, c *Cache) {
				f := c.File(1, 100*mib)
				var results []<-chan error
				for i := range int64(5) {
					results = append(results, start(t.Context(), f, ask, i*10*mib, 10))
				}
				synctest.Wait()
				if s := c.Stats(); s.Waiting != 5 || s.UnderWay != 2 || b.active() != 2 {
					t.Errorf("%+v, %d active", s, b.active())
				}
				wantError(t, tryRead(f, ask, 60*mib, 10), ErrBusy)
				for range 5 {
					b.gate <- struct{}{}
				}
				for _, r := range results {
					wantError(t, <-r, nil)
				}
				synctest.Wait()
				sixth := start(t.Context(), f, ask, 60*mib, 10)
				b.gate <- struct{}{}
				wantError(t, <-sixth, nil)
			})
		}
	}
}

func TestCloseEndsReads(t *testing.T) {
	for _, budget := range []int64{0, 64 * mib} {
		for _, ask := range []Ask{{}, {Sequential: true}} {
			gated(t, Options{Bytes: budget, FetchesMax: 2}, func(t *testing.T, b *bucket, c *Cache) {
				f := c.File(1, 100*mib)
				var results []<-chan error
				for i := range int64(5) {
					results = append(results, start(t.Context(), f, ask, i*10*mib, 10))
				}
				synctest.Wait()
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					wantError(t, <-r, ErrClosed)
				}
				wantError(t, tryRead(f, ask, 0, 10), ErrClosed)
				c.Forget(1)
			})
		}
	}
}

func TestForgottenCellsDoNotComeBack(t *testing.T) {
	gated(t, Options{Bytes: 64 * mib}, func(t *testing.T, b *bucket, c *Cache) {
		f, other := c.File(1, 10*mib), c.File(2, 10*mib)
		for _, f := range []*File{f, other} {
			r := start(t.Context(), f, Ask{}, 0, mib)
			b.gate <- struct{}{}
			wantError(t, <-r, nil)
		}
		late := start(t.Context(), f, Ask{}, 5*mib, mib)
		synctest.Wait()
		if s := c.Stats(); s.Cells != 8 || s.Bytes != 2*mib {
			t.Fatalf("%+v", s)
		}
		c.Forget(1)
		b.gate <- struct{}{}
		wantError(t, <-late, nil)
		synctest.Wait()
		if s := c.Stats(); s.Cells != 4 || s.Bytes != mib {
			t.Errorf("after Forget: %+v", s)
		}
		wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, 1), ErrNotCached)
		wantError(t, tryRead(f, Ask{CachedOnly: true}, 5*mib, 1), ErrNotCached)
		wantError(t, tryRead(other, Ask{CachedOnly: true}, 0, mib), nil)
		if len(c.slots.free) != len(c.slots.all)-4 {
			t.Errorf("%d of %d slots are free", len(c.slots.free), len(c.slots.all))
		}
	})
}

// What is asked for afresh comes from a request that began after the bytes that
// did not verify were there, and those are gone for ever.
func TestFreshReplacesWhatDidNotVerify(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * mib, Source: b})
	defer c.Close()
	f := c.File(1, 10*mib)
	b.spoil = func(_ span, p []byte) { p[7] ^= 1 }
	wantError(t, tryRead(f, Ask{}, 0, mib), errWrongBytes)
	b.spoil = nil
	// In flight, in a slot, or between the two: no matter.
	wantError(t, tryRead(f, Ask{Fresh: true}, 0, 10), nil)
	settle(c)
	asked := b.take()
	if want := (span{1, 0, 256 * kib}); len(asked) != 2 || asked[1] != want {
		t.Errorf("asked %v", asked)
	}
	wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, mib), nil)
	wantError(t, tryRead(f, Ask{Fresh: true, CachedOnly: true}, 0, 10), ErrNotCached)
}

// A request that has not landed serves those who ask afresh too; one that has
// landed, and is not in its slot yet, does not.
func TestFreshPassesByWhatHasLanded(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * mib, Source: b})
	defer c.Close()
	f := c.File(1, 10*mib)
	c.mu.Lock()
	bad := c.launch(f, []int64{0, 1, 2})
	bad.landed, bad.data = true, make([]byte, bad.length)
	c.mu.Unlock()
	close(bad.done)
	defer c.running.Done() // in place of the goroutine that it does not have
	wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, 10), errWrongBytes)
	wantError(t, tryRead(f, Ask{Fresh: true}, 300*kib, 10), nil)
	c.keep(bad)
	settle(c)
	wantError(t, tryRead(f, Ask{CachedOnly: true}, 300*kib, 10), nil)
	wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, 10), errWrongBytes)
	wantAsked(t, b, span{1, 256 * kib, 256 * kib})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := tryRead(f, Ask{Fresh: true}, 0, mib); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestReadsStopAtTheEnd(t *testing.T) {
	for _, budget := range []int64{0, 64 * mib} {
		for _, ask := range []Ask{{}, {Sequential: true}, {To: 1 << 60}} {
			b := &bucket{}
			c := mustOpen(t, Options{Bytes: budget, Source: b})
			const size = mib + 17
			f := c.File(1, size)
			for _, r := range []struct{ off, n int64 }{{0, size}, {0, size + 1}, {size - 1, 1}, {size - 1, 100}, {size, 1}, {size + 5*mib, 1}, {0, 0}, {size, 0}} {
				wantError(t, tryRead(f, ask, r.off, r.n), nil)
			}
			if _, err := f.Reader(t.Context(), ask).ReadAt(make([]byte, 1), -1); err == nil || errors.Is(err, ErrNotCached) {
				t.Errorf("negative offset: %v", err)
			}
			for _, s := range b.take() {
				if s.off+s.len > size {
					t.Errorf("asked for %v of %d", s, size)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
