// Package waltest is the acceptance suite of wal.Log: what the engine relies
// on, whatever the log is kept on.
package waltest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"tailrace/wal"
)

// Medium is one place where a log is kept.
type Medium interface {
	// Open takes the log over and replays what comes after start.
	Open(start wal.Place, replay func(wal.Replayed) error) (wal.Log, error)

	// Crash returns the medium as it is after the owner was killed. The one
	// before is not used again.
	Crash() Medium
}

// Run tests the implementation whose empty media newMedium makes.
func Run(t *testing.T, newMedium func(t *testing.T) Medium) {
	for name, law := range map[string]func(*testing.T, Medium){
		"FreshLogIsEmpty":             freshLogIsEmpty,
		"ReplayHandsBackWhatWasGiven": replayHandsBackWhatWasGiven,
		"ReopenKeepsAcknowledged":     reopenKeepsAcknowledged,
		"CrashKeepsAcknowledged":      crashKeepsAcknowledged,
		"WitnessIsNotReplayed":        witnessIsNotReplayed,
		"EpochsGrow":                  epochsGrow,
		"RefusedFramesAreNotFinal":    refusedFramesAreNotFinal,
		"ClosedLogRefuses":            closedLogRefuses,
		"OneOwner":                    oneOwner,
		"SpareHoldsTheLargestFrame":   spareHoldsTheLargestFrame,
		"ReplayErrorChangesNothing":   replayErrorChangesNothing,
		"GroupKeepsOrder":             groupKeepsOrder,
		"ReplayBeginsAfterTheStart":   replayBeginsAfterTheStart,
		"LogMustReachTheStart":        logMustReachTheStart,
		"TrimKeepsWhatIsNeeded":       trimKeepsWhatIsNeeded,
		"TrimmedLogIsNotWhole":        trimmedLogIsNotWhole,
		"CutEndsTheBatch":             cutEndsTheBatch,
	} {
		t.Run(name, func(t *testing.T) { law(t, newMedium(t)) })
	}
}

// logged is a frame as the suite sees it.
type logged struct {
	pos     wal.Pos
	seq     uint64
	at      int64
	records []string
}

func open(t *testing.T, m Medium) (wal.Log, []logged) {
	t.Helper()
	return openAfter(t, m, wal.Place{})
}

// openAfter opens the log of which everything up to start is durable elsewhere.
func openAfter(t *testing.T, m Medium, start wal.Place) (wal.Log, []logged) {
	t.Helper()
	var all []logged
	l, err := m.Open(start, func(r wal.Replayed) error {
		f := logged{pos: r.Pos, seq: r.Seq, at: r.At}
		for record, err := range wal.Records(r.Payload) {
			if err != nil {
				return err
			}
			f.records = append(f.records, string(record))
		}
		if len(f.records) != r.Records {
			return fmt.Errorf("%d records, %d announced", len(f.records), r.Records)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l, all
}

func frameOf(at int64, records ...string) wal.Frame {
	f := wal.Frame{Records: len(records), At: at}
	for _, r := range records {
		f.Payload = wal.AppendRecord(f.Payload, nil, []byte(r))
	}
	return f
}

func put(t *testing.T, l wal.Log, at int64, records ...string) logged {
	t.Helper()
	place, err := l.Append(frameOf(at, records...))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return logged{pos: place.Pos, seq: place.Seq, at: at, records: records}
}

func closeLog(t *testing.T, l interface{ Close() error }) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// same compares frames. A frame may move in the file that was the last one
// when its owner ended: positions must only grow, and keep their order.
func same(t *testing.T, got, want []logged) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.at != w.at || strings.Join(g.records, "|") != strings.Join(w.records, "|") || g.pos != w.pos || g.seq != w.seq {
			t.Fatalf("frame %d is %.200v, want %.200v", i, g, w)
		}
		if i > 0 && (g.seq <= got[i-1].seq || g.pos.Compare(got[i-1].pos) <= 0) {
			t.Fatalf("frame %d (seq %d at %v) comes after seq %d at %v", i, g.seq, g.pos, got[i-1].seq, got[i-1].pos)
		}
	}
}

func freshLogIsEmpty(t *testing.T, m Medium) {
	l, got := open(t, m)
	same(t, got, nil)
	if l.Room() <= 0 || l.Reserve() < 0 || l.FrameBytesMax() <= 0 {
		t.Fatalf("room %d, reserve %d, largest frame %d", l.Room(), l.Reserve(), l.FrameBytesMax())
	}
	closeLog(t, l)
	l, got = open(t, m)
	same(t, got, nil)
	closeLog(t, l)
}

func replayHandsBackWhatWasGiven(t *testing.T, m Medium) {
	l, _ := open(t, m)
	var want []logged
	for i, n := range []int{1, 2, 5, 1, 100} {
		var records []string
		for r := range n {
			records = append(records, strings.Repeat(string(rune('a'+r%26)), 10*r))
		}
		want = append(want, put(t, l, int64(i-2)*1e12, records...))
	}
	closeLog(t, l)
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func reopenKeepsAcknowledged(t *testing.T, m Medium) {
	var want []logged
	for n := range 4 {
		l, got := open(t, m)
		same(t, got, want)
		for i := range 40 {
			want = append(want, put(t, l, int64(i), fmt.Sprint(n, i), strings.Repeat("x", 97*i)))
		}
		closeLog(t, l)
	}
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func crashKeepsAcknowledged(t *testing.T, m Medium) {
	var want []logged
	for n := range 4 {
		l, got := open(t, m)
		same(t, got, want)
		for i := range 40 {
			want = append(want, put(t, l, int64(i), fmt.Sprint(n, i), strings.Repeat("x", 97*i)))
		}
		if n == 2 {
			if err := l.Witness(); err != nil {
				t.Fatal(err)
			}
		}
		m = m.Crash()
	}
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func witnessIsNotReplayed(t *testing.T, m Medium) {
	l, _ := open(t, m)
	var want []logged
	for i := range 3 {
		want = append(want, put(t, l, int64(i), "r"))
		for range 2 {
			if err := l.Witness(); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func epochsGrow(t *testing.T, m Medium) {
	var last uint64
	for i := range 6 {
		l, _ := open(t, m)
		if l.Epoch() <= last {
			t.Fatalf("epoch %d after %d", l.Epoch(), last)
		}
		last = l.Epoch()
		put(t, l, 0, "r")
		if i%2 == 0 {
			closeLog(t, l)
		} else {
			m = m.Crash()
		}
	}
}

func refusedFramesAreNotFinal(t *testing.T, m Medium) {
	l, _ := open(t, m)
	if _, err := l.Append(frameOf(0, strings.Repeat("x", l.FrameBytesMax()))); !errors.Is(err, wal.ErrFrameTooLarge) {
		t.Fatalf("too large: %v", err)
	}
	for _, f := range []wal.Frame{{}, {Payload: []byte{1}, Records: 1}, {Payload: []byte{1, 'a'}, Records: 2}} {
		if _, err := l.Append(f); !errors.Is(err, wal.ErrMalformed) {
			t.Fatalf("malformed %v: %v", f, err)
		}
	}
	want := []logged{put(t, l, 1, "r")}
	closeLog(t, l)
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func closedLogRefuses(t *testing.T, m Medium) {
	l, _ := open(t, m)
	closeLog(t, l)
	closeLog(t, l)
	_, aerr := l.Append(frameOf(0, "r"))
	for what, err := range map[string]error{"append": aerr, "witness": l.Witness(), "allocate": l.Allocate()} {
		if !errors.Is(err, wal.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", what, err)
		}
	}
}

// oneOwner: opening a log that has an owner is refused and harms nobody, or
// ends the older owner.
func oneOwner(t *testing.T, m Medium) {
	older, _ := open(t, m)
	want := []logged{put(t, older, 1, "older")}
	newer, err := m.Open(wal.Place{}, nil)
	if err != nil {
		want = append(want, put(t, older, 2, "older still"))
		closeLog(t, older)
	} else {
		if _, err := older.Append(frameOf(2, "stale")); !errors.Is(err, wal.ErrFenced) || !errors.Is(err, wal.ErrFailed) {
			t.Fatalf("append of the older owner: %v, want ErrFenced", err)
		}
		want = append(want, put(t, newer, 2, "newer"))
		closeLog(t, newer)
	}
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func spareHoldsTheLargestFrame(t *testing.T, m Medium) {
	l, _ := open(t, m)
	n := l.FrameBytesMax()
	largest := strings.Repeat("x", n-(wal.RecordSize(n)-n))
	var want []logged
	for i := range 3 {
		for range 2 {
			if err := l.Allocate(); err != nil || !l.Spare() {
				t.Fatalf("allocate: %v, spare %v", err, l.Spare())
			}
		}
		if room := l.Room(); room < wal.FrameSize(n)+l.Reserve() {
			t.Fatalf("room for %d bytes beside a spare, the largest frame takes %d", room, wal.FrameSize(n))
		}
		want = append(want, put(t, l, int64(i), "small"), put(t, l, int64(i), largest))
	}
	closeLog(t, l)
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func replayErrorChangesNothing(t *testing.T, m Medium) {
	l, _ := open(t, m)
	want := []logged{put(t, l, 1, "a"), put(t, l, 2, "b")}
	closeLog(t, l)
	refuse := errors.New("refused")
	for range 2 {
		if _, err := m.Open(wal.Place{}, func(wal.Replayed) error { return refuse }); !errors.Is(err, refuse) {
			t.Fatalf("open: %v", err)
		}
	}
	l, got := open(t, m)
	same(t, got, want)
	closeLog(t, l)
}

func groupKeepsOrder(t *testing.T, m Medium) {
	l, _ := open(t, m)
	var committed []string
	g := wal.NewGroup(l, wal.GroupOptions{Committed: func(b *wal.Batch) {
		for r := range wal.Records(b.Payload()) {
			committed = append(committed, string(r))
		}
	}})
	var wg sync.WaitGroup
	for s := range 4 {
		wg.Go(func() {
			for i := range 25 {
				b, _, err := g.Stage(wal.Growth, []byte{byte('a' + s)}, fmt.Append(nil, i))
				for errors.Is(err, wal.ErrBusy) { // the next file is being made
					runtime.Gosched()
					b, _, err = g.Stage(wal.Growth, []byte{byte('a' + s)}, fmt.Append(nil, i))
				}
				if err != nil {
					t.Errorf("stage: %v", err)
					return
				}
				if <-b.Done(); b.Err() != nil {
					t.Errorf("batch: %v", b.Err())
				}
			}
		})
	}
	wg.Wait()
	closeLog(t, g)
	l, got := open(t, m)
	var replayed []string
	for _, f := range got {
		replayed = append(replayed, f.records...)
	}
	if len(replayed) != 100 || strings.Join(replayed, " ") != strings.Join(committed, " ") {
		t.Fatalf("replayed %q, committed %q", replayed, committed)
	}
	closeLog(t, l)
}
