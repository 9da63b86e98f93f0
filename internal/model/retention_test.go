package model

import "testing"

// A stream that keeps so many bytes has them always, and an eighth more at most.
func TestBytesAreKept(t *testing.T) {
	m := New()
	m.Create(0, put("a", "", keeping(100)))
	for i := range 100 {
		m.Append(0, post("a", "0123456789"))
		r := m.Head(0, "a")
		if have := r.Tail - r.Start; have > 112 || r.Tail > 100 && have < 100 {
			t.Fatalf("after %d appends it has %d bytes", i+1, have)
		}
	}
	if r := m.Read(0, "a", 0, 1); r.Code != OffsetTrimmed || r.Start == 0 {
		t.Fatalf("read from what is dropped: %+v", r)
	}
	if r := m.Read(0, "a", -1, 1<<20); r.Code != OK || len(r.Ends) < 7 || len(r.Ends) > 8 {
		t.Fatalf("read from what is kept: %+v", r)
	}
}

// A trim may end inside an append, which then stays whole.
func TestAnAppendThatReachesOverTheStartStaysWhole(t *testing.T) {
	m := New()
	m.Create(0, put("a", "first"))
	m.Append(0, post("a", "second"))
	for _, c := range []struct{ trim, start, first int64 }{{9, 9, 10}, {3, 9, 10}, {10, 10, 21}, {20, 20, 21}, {21, 21, -1}} {
		r := Nothing("a")
		r.Trim = c.trim
		if got := m.Change(0, r); got.Code != Changed || got.Start != c.start {
			t.Fatalf("trim to %d: %+v", c.trim, got)
		}
		read := m.Read(0, "a", -1, 1<<20)
		if c.first < 0 != (len(read.Ends) == 0) || c.first >= 0 && read.Ends[0] != c.first {
			t.Fatalf("after a trim to %d it shows %v", c.trim, read.Ends)
		}
	}
	r := Nothing("a")
	if r.Trim = 22; m.Change(0, r).Code != TrimBeyondTail {
		t.Fatal("trim beyond the tail")
	}
}

// What a source drops stays with its forks, and the other way round.
func TestForksAndSourcesDropForThemselves(t *testing.T) {
	m := New()
	m.Create(0, put("a", "first"))
	m.Append(0, post("a", "second"))
	m.Create(0, fork("b", "a", 21, 0, ""))
	trim := func(path string, to int64) {
		r := Nothing(path)
		r.Trim = to
		m.Change(0, r)
	}
	shows := func(path string, want int) {
		t.Helper()
		if got := len(m.Read(0, path, -1, 1<<20).Ends); got != want {
			t.Fatalf("%s shows %d appends, want %d", path, got, want)
		}
	}
	trim("a", 21)
	shows("a", 0)
	shows("b", 2)
	trim("b", 10)
	shows("b", 1)
	m.Create(0, fork("c", "b", 21, 0, ""))
	shows("c", 1)
	if r := m.Create(0, fork("d", "b", 9, 0, "")); r.Code != ForkOffsetTrimmed {
		t.Fatalf("fork of what is dropped: %s", r.Code)
	}
	trim("b", 21)
	shows("c", 1)
}

// Only what is old enough may be dropped for its age, and what is older has to be.
func TestAgesAreHeldAgainstAServer(t *testing.T) {
	m := New()
	m.Create(0, put("a", "first", func(r *CreateRequest) { r.KeepAge = 16 }))
	m.Append(8000, post("a", "second"))
	for _, c := range []struct {
		now, start int64
		wrong      bool
	}{{15_999, 10, true}, {16_000, 21, true}, {16_000, 22, true}, {16_000, 10, false}, {17_000, 9, true}, {24_000, 21, false}} {
		if err := m.DropOld(c.now, "a", c.start); (err != nil) != c.wrong {
			t.Errorf("dropping up to %d at %d: %v", c.start, c.now, err)
		}
	}
	m.Create(30_000, put("b", "first", func(r *CreateRequest) { r.KeepAge = 16 }))
	if err := m.Overdue(47_000, "b"); err != nil {
		t.Error(err)
	}
	if m.Overdue(47_001, "b") == nil {
		t.Error("it may stay for ever")
	}
	// What was there before a policy counts from then.
	m.Create(0, put("c", "first"))
	r := Nothing("c")
	r.KeepAge = 16
	m.Change(40_000, r)
	if m.DropOld(50_000, "c", 10) == nil || m.DropOld(56_000, "c", 10) != nil {
		t.Error("an age begins to count before it was asked for")
	}
}

// A PATCH takes the place of what the PUT asked for.
func TestAPutComparesWithWhatWasPatched(t *testing.T) {
	m := New()
	m.Create(0, put("a", "", ttl(60)))
	r := Nothing("a")
	r.TTL, r.KeepAge = -1, 5
	m.Change(0, r)
	if got := m.Create(0, put("a", "", ttl(60))); got.Code != ConfigMismatch {
		t.Errorf("the PUT of before: %s", got.Code)
	}
	if got := m.Create(0, put("a", "", func(r *CreateRequest) { r.KeepAge = 5 })); got.Code != Exists {
		t.Errorf("the PUT of now: %s", got.Code)
	}
	if got := m.Head(0, "a"); got.TTL != -1 || got.KeepAge != 5 {
		t.Errorf("head %+v", got)
	}
}
