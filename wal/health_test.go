package wal

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// slowLog is a Log whose appends take as long as they are told, on the clock of
// the test.
type slowLog struct {
	Log
	takes time.Duration
}

func (l *slowLog) Append(f Frame) (Place, error) {
	<-time.After(l.takes)
	return l.Log.Append(f)
}

// What is usual follows the quick commits at once and the slow ones hardly; what
// is now follows both.
func TestCommitTimesTellSlowFromUsual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, _, _ := mustOpen(t, testOptions(memfs.New()))
		l := &slowLog{Log: files}
		g := NewGroup(l, GroupOptions{WitnessIdle: -1})
		commit := func(n int, takes time.Duration) (usual, now time.Duration) {
			t.Helper()
			l.takes = takes
			for range n {
				<-stage(t, g, Growth, "x").Done()
				synctest.Wait()
			}
			return g.CommitTimes()
		}
		about := func(what string, got, want time.Duration) {
			t.Helper()
			if got < want*9/10 || got > want*11/10 {
				t.Errorf("%s is %v, want about %v", what, got, want)
			}
		}
		if usual, now := g.CommitTimes(); usual != 0 || now != 0 {
			t.Fatalf("before the first commit: %v, %v", usual, now)
		}
		const quick, slow = time.Millisecond, 50 * time.Millisecond
		usual, now := commit(1, slow)
		about("the first usual", usual, slow)
		about("the first now", now, slow)
		usual, now = commit(100, quick)
		about("usual after quick commits", usual, quick)
		about("now after quick commits", now, quick)
		usual, now = commit(50, slow)
		about("usual after slow commits", usual, quick)
		about("now after slow commits", now, slow)

		// Nothing is committed: there is nothing to make way for.
		<-time.After(2 * commitTimesHold)
		if usual, now = g.CommitTimes(); now != usual {
			t.Errorf("after a pause: %v, %v", usual, now)
		}
		// A slow medium becomes usual in the end.
		for range 60 {
			usual, _ = commit(100, 2*quick)
		}
		about("usual after thousands of slower commits", usual, 2*quick)
		mustClose(t, g)
	})
}

func TestManualGroupsReadNoClock(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	g := NewGroup(l, GroupOptions{Manual: true})
	stage(t, g, Growth, "x")
	if ok, err := g.Commit(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if usual, now := g.CommitTimes(); usual != 0 || now != 0 || !g.times.last.IsZero() {
		t.Errorf("%v, %v, newest at %v", usual, now, g.times.last)
	}
	mustClose(t, g)
}

// Something else failed: the batch that is being written is not acknowledged
// although the log took it, what is staged fails, and Failed is told once.
func TestNothingIsAcknowledgedAfterFail(t *testing.T) {
	f := faultfs.New(memfs.New())
	l, _, _ := mustOpen(t, testOptions(f))
	failed := 0
	g := NewGroup(l, GroupOptions{
		Manual: true, Committed: func(*Batch) { t.Error("committed") },
		Failed: func(err error) {
			if failed++; !errors.Is(err, errInjected) || !errors.Is(err, ErrFailed) {
				t.Errorf("Failed got %v", err)
			}
		},
	})
	first := stage(t, g, Growth, "in flight")
	g.Cut()
	second := stage(t, g, Growth, "staged")
	f.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind != faultfs.SyncData {
			return faultfs.Fault{}
		}
		return faultfs.Fault{Delay: func() {
			g.Fail(errInjected)
			g.Fail(errors.New("another"))
		}}
	})
	if ok, err := g.Commit(); ok || !errors.Is(err, errInjected) {
		t.Fatalf("commit: %v, %v", ok, err)
	}
	for _, b := range []*Batch{first, second} {
		if !isDone(b) || !errors.Is(b.Err(), errInjected) {
			t.Errorf("batch %d: done %v, %v", b.N, isDone(b), b.Err())
		}
	}
	if _, _, err := g.Stage(Reclaim, nil, []byte("late")); !errors.Is(err, errInjected) {
		t.Errorf("stage: %v", err)
	}
	for what, err := range map[string]error{"witness": g.Witness(), "commit": func() error { _, err := g.Commit(); return err }()} {
		if !errors.Is(err, errInjected) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if failed != 1 || g.Durable() != 0 {
		t.Errorf("Failed was called %d times, durable %d", failed, g.Durable())
	}
	mustClose(t, g)
}
