package wal

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

func TestCloseCommitsWhatIsStaged(t *testing.T) {
	for _, manual := range []bool{false, true} {
		o := testOptions(memfs.New())
		l, _, _ := mustOpen(t, o)
		g := NewGroup(l, GroupOptions{Manual: manual, FrameBytesMax: 100})
		var want []string
		var last *Batch
		for i := range 9 {
			want = append(want, fmt.Sprint(strings.Repeat("r", 60), i))
			last = stage(t, g, Growth, want[i])
		}
		mustClose(t, g)
		if !isDone(last) || last.Err() != nil {
			t.Fatal("the last batch is not durable")
		}
		if _, _, err := g.Stage(Growth, nil, nil); err != ErrClosed {
			t.Fatalf("stage after close: %v", err)
		}
		mustClose(t, g)
		_, rec, got := mustOpen(t, o)
		wantRecords(t, got, want)
		if !rec.Clean {
			t.Fatal("not clean")
		}
	}
}

// Close does not wait for a spare to be finished.
func TestCloseEndsAnAllocation(t *testing.T) {
	f := faultfs.New(memfs.New())
	o := testOptions(f)
	o.FileBytes = 8 * zeroChunkBytes
	l, _, _ := mustOpen(t, o)
	begun, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	writes := 0
	f.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.WriteAt && op.Len == zeroChunkBytes {
			writes++
			return faultfs.Fault{Delay: func() { once.Do(func() { close(begun) }) }, Hold: gate}
		}
		return faultfs.Fault{}
	})
	g := NewGroup(l, GroupOptions{})
	<-begun
	closed := make(chan error)
	go func() { closed <- g.Close() }()
	for !l.stopping.Load() {
		select {
		case <-closed:
			t.Fatal("closed with an allocation in progress")
		default:
		}
	}
	close(gate)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if writes != 1 {
		t.Fatalf("%d chunks were written", writes)
	}
	if _, err := f.Open(paths{testDir}.next()); !isNotExist(err) {
		t.Fatalf("the half-made spare is left: %v", err)
	}
}

func TestFailedAllocationEndsTheLog(t *testing.T) {
	f := faultfs.New(memfs.New())
	l, _, _ := mustOpen(t, testOptions(f))
	f.FailNth(faultfs.Sync, 1, errInjected)
	failed := make(chan error, 1)
	g := NewGroup(l, GroupOptions{Failed: func(err error) { failed <- err }})
	if err := <-failed; !errors.Is(err, ErrFailed) || !errors.Is(err, errInjected) {
		t.Fatalf("Failed got %v", err)
	}
	if _, _, err := g.Stage(Reclaim, nil, nil); !errors.Is(err, ErrFailed) {
		t.Fatalf("stage: %v", err)
	}
	if err := g.Close(); !errors.Is(err, errInjected) {
		t.Fatalf("close: %v", err)
	}
}

// The log fails in another place while a batch is synced: once that is told,
// nothing claims success any more.
func TestNoSuccessAfterFailure(t *testing.T) {
	mem := memfs.New()
	f := faultfs.New(mem)
	l, _, _ := mustOpen(t, testOptions(f))
	g := NewGroup(l, GroupOptions{Manual: true, Committed: func(*Batch) { t.Error("committed") }})
	b := stage(t, g, Growth, "in flight")
	f.Inject(func(op faultfs.Op) faultfs.Fault {
		switch op.Kind {
		case faultfs.SyncData:
			return faultfs.Fault{Delay: func() {
				if err := g.Allocate(); !errors.Is(err, errInjected) {
					t.Errorf("allocate: %v", err)
				}
			}}
		case faultfs.Create:
			return faultfs.Fault{Err: errInjected}
		}
		return faultfs.Fault{}
	})
	if ok, err := g.Commit(); ok || !errors.Is(err, errInjected) {
		t.Fatalf("commit: %v, %v", ok, err)
	}
	if !isDone(b) || !errors.Is(b.Err(), ErrFailed) || g.Durable() != 0 {
		t.Fatalf("done %v, %v, durable %d", isDone(b), b.Err(), g.Durable())
	}
}
