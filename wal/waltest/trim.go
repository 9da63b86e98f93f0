package waltest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/wal"
)

// place is where a frame was put.
func (l logged) place() wal.Place { return wal.Place{Pos: l.pos, Seq: l.seq} }

func replayBeginsAfterTheStart(t *testing.T, m Medium) {
	l, _ := open(t, m)
	var all []logged
	for i := range 20 {
		all = append(all, put(t, l, int64(i), fmt.Sprint(i)))
	}
	closeLog(t, l)
	for i := range all {
		l, got := openAfter(t, m, all[i].place())
		same(t, got, all[i+1:])
		closeLog(t, l)
	}
}

// logMustReachTheStart: a log that ends before the start lost something, even
// if it was never used.
func logMustReachTheStart(t *testing.T, m Medium) {
	refused := func(seq uint64) {
		t.Helper()
		var corrupt *frame.CorruptError
		if _, err := m.Open(wal.Place{Seq: seq}, nil); !errors.As(err, &corrupt) {
			t.Fatalf("open after frame %d: %v, want corruption", seq, err)
		}
	}
	refused(1)
	l, _ := open(t, m)
	want := []logged{put(t, l, 1, "a")}
	closeLog(t, l)
	refused(want[0].seq + 1000)
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

// trimKeepsWhatIsNeeded trims again and again, over closes and crashes, while
// the log goes through many files.
func trimKeepsWhatIsNeeded(t *testing.T, m Medium) {
	var needed []logged
	var start wal.Place
	for n := range 6 {
		l, got := openAfter(t, m, start)
		same(t, got, needed)
		for i := range 120 {
			needed = append(needed, put(t, l, int64(i), fmt.Sprint(n, i), strings.Repeat("x", 97*i)))
			if i%30 != 29 {
				continue
			}
			keep := i % 7
			start, needed = needed[len(needed)-1-keep].place(), needed[len(needed)-keep:]
			for range 2 {
				if err := l.Trim(start.Pos); err != nil {
					t.Fatalf("trim: %v", err)
				}
			}
			if i%60 == 59 {
				if err := l.Allocate(); err != nil {
					t.Fatalf("allocate: %v", err)
				}
			}
		}
		if n%2 == 0 {
			closeLog(t, l)
		} else {
			m = m.Crash()
		}
	}
	l, got := openAfter(t, m, start)
	same(t, got, needed)
	closeLog(t, l)
	if err := l.Trim(start.Pos); !errors.Is(err, wal.ErrClosed) {
		t.Fatalf("trim of a closed log: %v", err)
	}
}

// trimmedLogIsNotWhole: once frames are gone, the log is not opened as if it
// had them, however much of it is left.
func trimmedLogIsNotWhole(t *testing.T, m Medium) {
	l, _ := open(t, m)
	first := put(t, l, 0, "first")
	last := first
	for last.pos.File == first.pos.File {
		last = put(t, l, 1, strings.Repeat("x", 5000))
	}
	if err := l.Trim(last.pos); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	for _, start := range []wal.Place{{}, first.place()} {
		var corrupt *frame.CorruptError
		if _, err := m.Open(start, nil); !errors.As(err, &corrupt) {
			t.Fatalf("open of a trimmed log after %+v: %v, want corruption", start, err)
		}
	}
	l, got := openAfter(t, m, last.place())
	same(t, got, nil)
	closeLog(t, l)
}

// cutEndsTheBatch: records before a cut and after it are in different frames,
// and a batch knows where its frame is.
func cutEndsTheBatch(t *testing.T, m Medium) {
	l, _ := open(t, m)
	var want []logged
	g := wal.NewGroup(l, wal.GroupOptions{
		Manual: true, Now: func() int64 { return 9 },
		Committed: func(b *wal.Batch) {
			f := logged{pos: b.Pos(), seq: b.Seq(), at: 9}
			for r := range wal.Records(b.Payload()) {
				f.records = append(f.records, string(r))
			}
			want = append(want, f)
		},
	})
	if n := g.Cut(); n != 0 {
		t.Fatalf("cut of nothing: batch %d", n)
	}
	for i := range 5 {
		for range i + 1 {
			if b, _, err := g.Stage(wal.Growth, nil, []byte("r")); err != nil || b.N != uint64(i+1) {
				t.Fatalf("staged into %+v, %v, want batch %d", b, err, i+1)
			}
		}
		for range 2 {
			if n := g.Cut(); n != uint64(i+1) {
				t.Fatalf("cut after batch %d: %d", i+1, n)
			}
		}
	}
	closeLog(t, g)
	if len(want) != 5 || g.Cut() != g.Durable() {
		t.Fatalf("%d batches, cut at %d", len(want), g.Cut())
	}
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}
