package wal

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// holder is a Hold whose gate is set from outside.
type holder struct {
	gate  atomic.Pointer[chan struct{}]
	asked atomic.Int64
}

func (h *holder) hold() <-chan struct{} {
	h.asked.Add(1)
	if gate := h.gate.Load(); gate != nil {
		return *gate
	}
	return nil
}

// close holds what comes, and returns what lets it go.
func (h *holder) close() (open func()) {
	gate := make(chan struct{})
	h.gate.Store(&gate)
	return func() { h.gate.CompareAndSwap(&gate, nil); close(gate) }
}

func heldGroup(t *testing.T, o GroupOptions, fs *faultfs.FS) (*Group, *holder) {
	t.Helper()
	l, _, _ := mustOpen(t, testOptions(fs))
	h := &holder{}
	o.Hold = h.hold
	return NewGroup(l, o), h
}

// What is staged while Hold has a channel is committed when it is closed, in
// as many frames as it has to be, and Hold is asked again in between.
func TestHoldKeepsCommitsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, h := heldGroup(t, GroupOptions{WitnessIdle: -1, FrameBytesMax: 1000}, faultfs.New(memfs.New()))
		<-stage(t, g, Growth, "free").Done()
		open := h.close()
		first, last := stage(t, g, Growth, "held"), stage(t, g, Growth, string(make([]byte, 997)))
		synctest.Wait()
		if isDone(first) || first == last {
			t.Fatal("a held batch was committed, or there is only one")
		}
		before := h.asked.Load()
		again := h.close() // another reason comes up before the first one passed
		open()
		synctest.Wait()
		if isDone(first) || h.asked.Load() != before+1 {
			t.Fatalf("a held batch was committed; asked %d times", h.asked.Load()-before)
		}
		again()
		synctest.Wait()
		if !isDone(first) || !isDone(last) || first.Err() != nil || h.asked.Load() != before+3 {
			t.Fatalf("not committed; asked %d times", h.asked.Load()-before)
		}
		mustClose(t, g)
	})
}

// Close and a failure end the wait. What is staged becomes durable, or fails.
func TestHoldEndsWithTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, h := heldGroup(t, GroupOptions{}, faultfs.New(memfs.New()))
		h.close()
		b := stage(t, g, Growth, "held")
		synctest.Wait()
		mustClose(t, g)
		if !isDone(b) || b.Err() != nil {
			t.Fatalf("closed: %v", b.Err())
		}

		f := faultfs.New(memfs.New())
		g, h = heldGroup(t, GroupOptions{}, f)
		h.close()
		b = stage(t, g, Growth, "held")
		synctest.Wait()
		for g.log.Spare() { // rotate, so that the next allocation has work
			if _, err := g.log.Append(frameOf(string(make([]byte, 9000)))); err != nil {
				t.Fatal(err)
			}
		}
		f.FailNth(faultfs.Create, 1, errInjected)
		if err := g.Allocate(); !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
		synctest.Wait()
		if !isDone(b) || !errors.Is(b.Err(), ErrFailed) {
			t.Fatal("the held batch outlived the log")
		}
		if err := g.Close(); !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
	})
}

// The frame before a held batch gets its witness in time, unless the room for
// that is claimed.
func TestHeldLogWritesItsWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(memfs.New())
		g, h := heldGroup(t, GroupOptions{WitnessIdle: 50 * time.Millisecond}, f)
		<-stage(t, g, Growth, "told").Done()
		open := h.close()
		b := stage(t, g, Growth, "held")
		<-time.After(49 * time.Millisecond)
		synctest.Wait()
		if !g.owesWitness() {
			t.Fatal("a witness before its time")
		}
		<-time.After(2 * time.Millisecond)
		synctest.Wait()
		if g.owesWitness() || isDone(b) {
			t.Fatal("no witness while a batch is held")
		}
		open()
		<-b.Done()

		// A disk without room for another file, and every page of this one claimed.
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.Create {
				return faultfs.Fault{Err: ErrNoSpace}
			}
			return faultfs.Fault{}
		})
		for g.log.Spare() {
			<-stage(t, g, Growth, string(make([]byte, 20000))).Done()
			synctest.Wait()
		}
		open = h.close()
		var staged []*Batch
		for {
			b, _, err := g.Stage(Reclaim, nil, []byte("r"))
			if err != nil {
				break
			}
			staged = append(staged, b)
			g.Cut() // a frame and a page for each
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if !g.owesWitness() {
			t.Fatal("the witness took room that was claimed")
		}
		open()
		for _, b := range staged {
			if <-b.Done(); b.Err() != nil {
				t.Fatal(b.Err())
			}
		}
		mustClose(t, g)
	})
}

// A manual group commits when it is told to.
func TestManualGroupDoesNotAskHold(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	g := NewGroup(l, GroupOptions{Manual: true, Hold: func() <-chan struct{} { panic("asked") }})
	stage(t, g, Growth, "a")
	if ok, err := g.Commit(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustClose(t, g)
}

// A cut while a batch is being written counts that batch, and the room of a cut
// batch stays claimed.
func TestCutDuringACommit(t *testing.T) {
	f := faultfs.New(memfs.New())
	l, _, _ := mustOpen(t, testOptions(f))
	g := NewGroup(l, GroupOptions{WitnessIdle: -1})
	for !l.Spare() {
		if err := g.Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	held, release := f.HoldSync()
	first := stage(t, g, Growth, "first")
	<-held
	if n := g.Cut(); n != 1 || g.Durable() != 0 {
		t.Fatalf("cut at %d, durable %d", n, g.Durable())
	}
	var batches []*Batch
	for i := range 4 {
		b := stage(t, g, Growth, fmt.Sprint(i))
		if want := uint64(2 + i/2); b.N != want {
			t.Fatalf("record %d is in batch %d, want %d", i, b.N, want)
		}
		if i%2 == 1 {
			if n := g.Cut(); n != b.N {
				t.Fatalf("cut at %d, want %d", n, b.N)
			}
		}
		batches = append(batches, b)
	}
	release(nil)
	for _, b := range append(batches, first) {
		if <-b.Done(); b.Err() != nil {
			t.Fatal(b.Err())
		}
	}
	if batches[0].Seq() != first.Seq()+1 || batches[3].Seq() != first.Seq()+2 {
		t.Errorf("frames %d, %d, %d", first.Seq(), batches[0].Seq(), batches[3].Seq())
	}
	if n := g.Cut(); n != g.Durable() || n != 3 {
		t.Errorf("cut at %d, durable %d", n, g.Durable())
	}
	mustClose(t, g)
}
