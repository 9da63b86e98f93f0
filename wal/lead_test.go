package wal

import (
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// What is staged between Cork and Uncork is one batch, whoever waits for it; and
// a Close does not wait for an Uncork.
func TestCorkedRecordsAreOneBatch(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	g := NewGroup(l, GroupOptions{WitnessIdle: -1})
	before := stage(t, g, Growth, "before")
	<-before.Done()
	for range 100 {
		g.Cork()
		first := stage(t, g, Growth, "first")
		for range 10 {
			g.gather() // the committer has every chance
			if b := stage(t, g, Growth, "next"); b != first || isDone(b) {
				t.Fatalf("batch %d after batch %d, done %v", b.N, first.N, isDone(b))
			}
		}
		g.Cork() // another one's does not hold up what is staged
		g.Uncork()
		<-first.Done()
		g.Uncork()
	}
	g.Cork()
	last := stage(t, g, Growth, "last")
	mustClose(t, g)
	if !isDone(last) || last.Err() != nil {
		t.Fatal("the last record is not durable after Close")
	}
}

// lead stages a record and commits it.
func lead(t *testing.T, g *Group) {
	t.Helper()
	g.Cork()
	defer g.Uncork()
	b := stage(t, g, Growth, "led")
	if !g.Lead() {
		t.Fatal("refused to lead")
	}
	if !isDone(b) || b.Err() != nil {
		t.Fatal("what was led is not durable")
	}
}

// The committer is not woken for commits that others lead, and writes the witness
// all the same: not while the log is busy, and not much later than it is due.
func TestLedCommitsGetTheirWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(memfs.New())
		o.FileBytes *= 16 // sealing a file takes frames too
		l, _, _ := mustOpen(t, o)
		g := NewGroup(l, GroupOptions{WitnessIdle: 50 * time.Millisecond})
		frames := func() uint64 {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.cur.seq
		}
		idle := func(d time.Duration) { <-time.After(d) }
		want := uint64(0)
		for range 3 {
			for range 10 {
				synctest.Wait() // the next file is ready
				lead(t, g)
				want++
				idle(30 * time.Millisecond)
				if got := frames(); got != want {
					t.Fatalf("%d frames in a busy log, want %d", got, want)
				}
			}
			idle(19 * time.Millisecond)
			if got := frames(); got != want {
				t.Fatal("a witness before its time")
			}
			idle(2 * time.Millisecond)
			if want++; frames() != want {
				t.Fatal("no witness in its time")
			}
			idle(time.Second)
			if frames() != want {
				t.Fatal("another witness")
			}
		}
		mustClose(t, g)
	})
}

// Who leads waits for nothing but the medium: what is held, or wants another file
// first, is the committer's.
func TestLeadDoesNotWait(t *testing.T) {
	f := faultfs.New(memfs.New())
	g, h := heldGroup(t, GroupOptions{WitnessIdle: -1}, f)
	if g.Lead() {
		t.Fatal("led nothing")
	}
	open := h.close()
	g.Cork()
	b := stage(t, g, Growth, "held")
	if g.Lead() || isDone(b) {
		t.Fatal("led what is held")
	}
	g.Uncork()
	open()
	<-b.Done()
	mustClose(t, g)
}

// A cork that stays for longer than it takes to a witness leaves the committer
// asleep. One that looked at its clock again and again would hang this test.
func TestACorkedCommitterSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _ := mustOpen(t, testOptions(memfs.New()))
		g := NewGroup(l, GroupOptions{WitnessIdle: 50 * time.Millisecond})
		<-stage(t, g, Growth, "has no witness yet").Done()
		g.Cork()
		b := stage(t, g, Growth, "testifies for it")
		<-time.After(time.Second)
		if isDone(b) {
			t.Error("committed while there is a cork")
		}
		g.Uncork()
		<-b.Done()
		mustClose(t, g)
	})
}
