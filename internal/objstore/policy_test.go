package objstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stub is a bucket whose every call is f.
type stub struct {
	Bucket
	f func(ctx context.Context, op string) error
}

func (s stub) Put(ctx context.Context, _ string, _ Body, _ Condition) (string, error) {
	return "tag", s.f(ctx, OpPut)
}
func (s stub) ReadAt(ctx context.Context, _ string, _ []byte, _ int64) error {
	return s.f(ctx, OpReadAt)
}
func (s stub) Head(ctx context.Context, _ string) (Info, error) { return Info{}, s.f(ctx, OpHead) }
func (s stub) Delete(ctx context.Context, _ string) error       { return s.f(ctx, OpDelete) }

func TestPausesAreJitteredAndBounded(t *testing.T) {
	o := Options{}.withDefaults()
	for n := 1; n < 70; n++ {
		top := 20 * time.Second
		if n <= 8 {
			top = 100 * time.Millisecond << (n - 1)
		}
		o.Rand = func() uint64 { return uint64(top) }
		if got := o.backoff(n, 0); got != top {
			t.Errorf("retry %d: longest pause %v, want %v", n, got, top)
		}
		o.Rand = func() uint64 { return uint64(top) + 1 }
		if got := o.backoff(n, 0); got != 0 {
			t.Errorf("retry %d: shortest pause %v, want none", n, got)
		}
		for after, want := range map[time.Duration]time.Duration{time.Second: time.Second, -time.Second: 0, 24 * time.Hour: time.Minute} {
			if got := o.backoff(n, after); got != want {
				t.Errorf("retry %d, asked to wait %v: %v, want %v", n, after, got, want)
			}
		}
	}
}

func TestKindsThatAreTriedAgain(t *testing.T) {
	again := map[Kind]bool{KindConflict: true, KindThrottled: true, KindTemporary: true, KindTimeout: true, KindTruncated: true}
	for k := KindNotFound; k < kinds; k++ {
		calls := 0
		s := New(stub{f: func(context.Context, string) error {
			calls++
			return &Error{Kind: k}
		}}, Options{Attempts: 4, Sleep: func(context.Context, time.Duration) error { return nil }})
		err := s.ReadAt(t.Context(), "k", nil, 0)
		want := 1
		if again[k] {
			want = 4
		}
		if calls != want || KindOf(err) != k {
			t.Errorf("%s: %d attempts, %v; want %d", k, calls, err, want)
		}
	}
}

func TestBudgetBoundsRetries(t *testing.T) {
	now := time.Unix(0, 0)
	down := true
	calls := 0
	s := New(stub{f: func(context.Context, string) error {
		if calls++; down {
			return &Error{Kind: KindTemporary}
		}
		return nil
	}}, Options{Attempts: 6, RetryBudget: 20, Now: func() time.Time { return now }, Sleep: func(context.Context, time.Duration) error { return nil }})
	read := func(n int) (asked int) {
		calls = 0
		for range n {
			_ = s.ReadAt(t.Context(), "k", nil, 0)
		}
		return calls
	}
	if got := read(100); got != 120 {
		t.Errorf("100 calls to a store that is down: %d attempts, want 120", got)
	}
	now = now.Add(5 * time.Second)
	if got := read(100); got != 105 {
		t.Errorf("5 seconds later: %d attempts, want 105", got)
	}
	down = false
	read(40)
	down = true
	if got := read(100); got != 103 && got != 104 { // a tenth is not exact in binary
		t.Errorf("after 40 successes: %d attempts, want 104", got)
	}
	if st := s.Stats(); st.Retries < 28 || st.Retries > 29 {
		t.Errorf("Stats: %d retries", st.Retries)
	}
}

func TestThrottlingHalvesOncePerRound(t *testing.T) {
	l := newLimiter(32)
	enter := func(n int) (ps []place) {
		for range n {
			p, err := l.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ps = append(ps, p)
		}
		return ps
	}
	leave := func(ps []place, k Kind) {
		for _, p := range ps {
			l.leave(p, k)
		}
	}
	want := func(what string, limit int) {
		t.Helper()
		if _, got, _ := l.state(); got != limit {
			t.Errorf("%s: limit %d, want %d", what, got, limit)
		}
	}
	want("at first", limitStart)
	leave(enter(8), KindThrottled)
	want("a round that was sent away", 4)
	leave(enter(4), KindThrottled)
	want("another", 2)
	for range 10 {
		leave(enter(1), KindThrottled)
	}
	want("the bottom", 1)
	for round := 0; round < 200; round++ {
		_, limit, _ := l.state()
		leave(enter(limit), KindNone)
	}
	want("the top", 32)
	leave(enter(1), KindThrottled)
	for range 1000 {
		leave(enter(1), KindNone)
	}
	want("successes that do not need the room", 16)
	leave(enter(16), KindTimeout)
	want("other failures", 16)
}

func TestUploadsDoNotStarveReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		s := New(stub{f: func(_ context.Context, op string) error {
			if op == OpPut {
				<-hold
			}
			return nil
		}}, Options{Writes: 2})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := s.Swap(t.Context(), "k", Bytes(nil), "tag"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if st := s.Stats(); st.Writes != (Load{InFlight: 2, Waiting: 8, Limit: 2}) {
			t.Errorf("writes %+v, want 2 in flight and 8 waiting", st.Writes)
		}
		for range 100 {
			if err := s.ReadAt(t.Context(), "k", nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		close(hold)
		wg.Wait()
		if st := s.Stats(); st.Writes.InFlight != 0 || st.Writes.Waiting != 0 || st.Of(OpPut, KindNone) != 10 {
			t.Errorf("at the end %+v", st)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		first, err := l.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := l.enter(ctx)
			gone <- err
		}()
		synctest.Wait()
		next := make(chan place)
		go func() {
			p, _ := l.enter(t.Context())
			next <- p
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatalf("enter: %v", err)
		}
		l.leave(first, KindNone)
		l.leave(<-next, KindNone)
		if running, _, waiting := l.state(); running != 0 || waiting != 0 {
			t.Fatalf("%d running, %d waiting", running, waiting)
		}
	})
}

func TestAttemptsHaveDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return &Error{Kind: KindTemporary, Err: errors.New("connection cut")}
		}
		s := New(stub{f: hang}, Options{Attempts: 3, AttemptTime: 10 * time.Second, BytesPerSecond: 1 << 20, Rand: func() uint64 { return 0 }})
		for size, want := range map[int64]time.Duration{0: 30 * time.Second, 64 << 20: 3 * 74 * time.Second} {
			start := time.Now()
			_, err := s.Swap(t.Context(), "k", Body{Size: size}, "tag")
			if KindOf(err) != KindTimeout || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != want {
				t.Errorf("put of %d bytes: %v after %v, want a timeout after %v", size, err, time.Since(start), want)
			}
		}

		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		start := time.Now()
		err := s.ReadAt(ctx, "k", make([]byte, 1), 0)
		if KindOf(err) != KindTimeout || time.Since(start) != 25*time.Second {
			t.Errorf("read of a client with a deadline: %v after %v", err, time.Since(start))
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := s.ReadAt(ctx, "k", make([]byte, 1), 0); KindOf(err) != KindCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("read of a client that left: %v, want canceled", err)
		}
	})
}

func TestStatsTellWhatHappened(t *testing.T) {
	var err error
	now := time.Unix(1e9, 0)
	s := New(stub{f: func(context.Context, string) error { return err }}, Options{Attempts: 1, Now: func() time.Time { return now }})
	_ = s.ReadAt(t.Context(), "k", make([]byte, 100), 0)
	_, _ = s.Swap(t.Context(), "k", Body{Size: 1000}, "tag")
	err = &Error{Op: OpHead, Key: "k", Kind: KindThrottled, Status: 503, Code: "SlowDown"}
	_, _ = s.Head(t.Context(), "k")
	now = now.Add(time.Hour)
	err = &Error{Kind: KindNotFound}
	_, _ = s.Head(t.Context(), "k")
	st := s.Stats()
	if st.BytesDown != 100 || st.BytesUp != 1000 || st.Throttled != 1 || st.Of(OpHead, KindNotFound) != 1 || len(st.Requests) != 4 {
		t.Errorf("%+v", st)
	}
	if st.LastError != "objstore: head k: throttled (503 SlowDown)" || !st.LastErrorAt.Equal(time.Unix(1e9, 0)) {
		t.Errorf("last error %q at %v", st.LastError, st.LastErrorAt)
	}
}

func TestKeysAreChecked(t *testing.T) {
	s := New(stub{f: func(context.Context, string) error {
		t.Error("an invalid key came through")
		return nil
	}}, Options{})
	long := make([]byte, keyBytesMax+1)
	for i := range long {
		long[i] = 'a'
	}
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a b", "a~", "a\x00", "ä", "a?b", "a%2f", "a\\b", string(long)} {
		if err := s.Create(t.Context(), key, Bytes(nil)); KindOf(err) != KindInvalid {
			t.Errorf("Create(%q): %v, want invalid", key, err)
		}
		if err := s.Delete(t.Context(), key); KindOf(err) != KindInvalid {
			t.Errorf("Delete(%q): %v, want invalid", key, err)
		}
	}
	for prefix, ok := range map[string]bool{"": true, "a/": true, "a/b/": true, "a": false, "/": false, "/a/": false, "a//": false, "../": false} {
		if err := CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("CheckPrefix(%q): %v", prefix, err)
		}
	}
}
