package remote

import (
	"context"
	"testing"
	"testing/synctest"
)

// A window that was not filled is no window, wherever the pass goes on.
func TestPassForgetsAWindowThatFailed(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Source: b})
	defer c.Close()
	f := c.File(1, 20*mib)
	pass := f.Reader(t.Context(), Ask{Sequential: true})
	wantError(t, readFrom(f, pass, 0, 10), nil)
	b.fault = func(span) error { return errBucket }
	wantError(t, readFrom(f, pass, 9*mib, 10), errBucket)
	b.fault = nil
	wantError(t, readFrom(f, pass, 9*mib, 10), nil)
}

// stubborn is a source that takes its time to notice that nobody wants to know.
type stubborn struct{ begun, end chan struct{} }

func (s *stubborn) ReadAt(ctx context.Context, _ uint64, _ []byte, _ int64) error {
	close(s.begun)
	<-s.end
	return ctx.Err()
}

func TestCloseWaitsForRequests(t *testing.T) {
	for _, ask := range []Ask{{}, {Sequential: true}} {
		synctest.Test(t, func(t *testing.T) {
			s := &stubborn{make(chan struct{}), make(chan struct{})}
			c := mustOpen(t, Options{Bytes: 64 * mib, Source: s})
			r := start(t.Context(), c.File(1, mib), ask, 0, 10)
			<-s.begun
			closed := make(chan error, 1)
			go func() { closed <- c.Close() }()
			synctest.Wait()
			select {
			case err := <-closed:
				t.Errorf("closed while a request is under way: %v", err)
			default:
			}
			close(s.end)
			wantError(t, <-r, ErrClosed)
			synctest.Wait()
			if s := c.Stats(); s.Waiting != 0 || s.UnderWay != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A cell of another length than the file says is not one of this file.
func TestCellOfAnotherSizeIsNotTaken(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 64 * mib, Source: b})
	defer c.Close()
	for _, size := range []int64{100, mib, 5000, mib + 1} {
		f := c.File(1, size)
		wantError(t, tryRead(f, Ask{CachedOnly: true}, 0, size), ErrNotCached)
		read(t, f, Ask{}, 0, size)
		read(t, f, Ask{CachedOnly: true}, 0, size)
	}
	if s := c.Stats(); s.Damaged != 3 {
		t.Errorf("%+v", s)
	}
}

// A read that was refused has not moved anything: the one that follows it
// continues the same cursor, and no other is taken.
func TestRefusedReadMovesNoCursor(t *testing.T) {
	b := &bucket{}
	c := mustOpen(t, Options{Bytes: 1 << 30, Source: b})
	defer c.Close()
	f := c.File(1, 64*mib)
	read(t, f, Ask{}, 0, mib)
	before := f.cursors
	wantError(t, tryRead(f, Ask{CachedOnly: true}, mib, mib), ErrNotCached)
	if f.cursors != before {
		t.Errorf("%+v, was %+v", f.cursors, before)
	}
	b.take()
	read(t, f, Ask{}, mib, mib)
	wantAsked(t, b, span{1, mib, 2 * mib})
}
