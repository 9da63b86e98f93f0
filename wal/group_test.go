package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// stage stages a record without head.
func stage(t testing.TB, g *Group, class Class, record string) *Batch {
	t.Helper()
	b, _, err := g.Stage(class, nil, []byte(record))
	if err != nil {
		t.Fatalf("stage: %v", err)
	}
	return b
}

func isDone(b *Batch) bool {
	select {
	case <-b.Done():
		return true
	default:
		return false
	}
}

func TestGroupKeepsTheOrderOfStaging(t *testing.T) {
	o := testOptions(memfs.New())
	l, _, _ := mustOpen(t, o)
	var staged, committed []string
	var next uint64 = 7
	g := NewGroup(l, GroupOptions{FirstBatch: 7, Committed: func(b *Batch) {
		if b.N != next || isDone(b) {
			t.Errorf("batch %d is committed, want %d; done %v", b.N, next, isDone(b))
		}
		next++
		for r := range Records(b.Payload()) {
			committed = append(committed, string(r))
		}
	}})
	var mu sync.Mutex // makes the order of staging known
	var wg sync.WaitGroup
	for s := range 16 {
		wg.Go(func() {
			for i := range 50 {
				head, body := []byte(fmt.Sprintf("%d/%d/", s, i)), []byte(strings.Repeat("b", i*3))
				mu.Lock()
				b, off, err := g.Stage(Growth, head, body)
				for errors.Is(err, ErrBusy) {
					mu.Unlock()
					mu.Lock()
					b, off, err = g.Stage(Growth, head, body)
				}
				if err != nil {
					t.Errorf("stage: %v", err)
					mu.Unlock()
					return
				}
				if off < len(head)+1 {
					t.Errorf("body at %d", off)
				}
				staged = append(staged, string(head)+string(body))
				mu.Unlock()
				<-b.Done()
				if b.Err() != nil || g.Durable() < b.N {
					t.Errorf("batch %d: %v, durable %d", b.N, b.Err(), g.Durable())
				}
			}
		})
	}
	wg.Wait()
	mustClose(t, g)
	wantRecords(t, committed, staged)
	_, _, got := mustOpen(t, o)
	wantRecords(t, got, staged)
}

func TestBodyIsWhereStageSays(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	type place struct {
		off  int
		body string
	}
	var places []place
	g := NewGroup(l, GroupOptions{Manual: true, Committed: func(b *Batch) {
		for _, p := range places {
			if got := string(b.Payload()[p.off : p.off+len(p.body)]); got != p.body {
				t.Errorf("body at %d is %q, want %q", p.off, got, p.body)
			}
		}
	}})
	for _, n := range []int{0, 1, 100, 126, 127, 128, 5000, 17000} {
		body := strings.Repeat(string(rune('a'+n%26)), n)
		_, off, err := g.Stage(Growth, []byte("h"), []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place{off, body})
	}
	if ok, err := g.Commit(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustClose(t, g)
}

// The sync is held open: nothing is durable, the next batch fills, and when it
// is let go both become durable in order.
func TestDurableOnlyAfterSync(t *testing.T) {
	f := faultfs.New(memfs.New())
	l, _, _ := mustOpen(t, testOptions(f))
	var committed []uint64
	g := NewGroup(l, GroupOptions{WitnessIdle: -1, Committed: func(b *Batch) { committed = append(committed, b.N) }})
	for !l.Spare() { // the syncs of the spare are over
		if err := g.Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	held, release := f.HoldSync()
	first := stage(t, g, Growth, "first")
	<-held
	second := stage(t, g, Growth, "second")
	third := stage(t, g, Growth, "third")
	if isDone(first) || isDone(second) || g.Durable() != 0 || len(committed) != 0 {
		t.Fatal("something is durable although its sync is held")
	}
	if first == second || second != third {
		t.Fatal("a batch is what arrived during the last sync")
	}
	release(nil)
	<-third.Done()
	if err := errors.Join(first.Err(), third.Err()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, g)
	if !slices.Equal(committed, []uint64{1, 2}) {
		t.Fatalf("committed %v", committed)
	}
}

// Retried fsync: after a sync failed nothing claims success, the sync is not
// tried again, and what the failed one lost does not come back as durable.
func TestLessonRetriedFsync(t *testing.T) {
	mem := memfs.New()
	f := faultfs.New(mem)
	l, _, _ := mustOpen(t, testOptions(f))
	failed := make(chan error, 2)
	g := NewGroup(l, GroupOptions{
		WitnessIdle: -1,
		Committed:   func(b *Batch) { t.Errorf("batch %d is committed", b.N) },
		Failed:      func(err error) { failed <- err },
	})
	for !l.Spare() {
		if err := g.Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	held, release := f.HoldSync()
	first := stage(t, g, Growth, "first")
	<-held
	second := stage(t, g, Growth, "second")
	calls := f.Calls()
	release(errInjected)
	<-first.Done()
	<-second.Done()
	for _, b := range []*Batch{first, second} {
		if !errors.Is(b.Err(), ErrFailed) || !errors.Is(b.Err(), errInjected) {
			t.Errorf("batch %d: %v", b.N, b.Err())
		}
	}
	if err := <-failed; !errors.Is(err, errInjected) {
		t.Errorf("Failed got %v", err)
	}
	if _, _, err := g.Stage(Reclaim, nil, nil); !errors.Is(err, ErrFailed) {
		t.Errorf("stage afterwards: %v", err)
	}
	if _, err := l.Append(frameOf("x")); !errors.Is(err, ErrFailed) || !errors.Is(err, errInjected) {
		t.Errorf("append afterwards: %v", err)
	}
	if err := l.Witness(); !errors.Is(err, ErrFailed) {
		t.Errorf("witness afterwards: %v", err)
	}
	if err := l.Allocate(); !errors.Is(err, ErrFailed) {
		t.Errorf("allocate afterwards: %v", err)
	}
	if err := g.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: %v", err)
	}
	for _, op := range f.Trace()[calls:] {
		if op.Kind.Mutates() {
			t.Errorf("after the failure: %v", op)
		}
	}
	if g.Durable() != 0 || len(failed) != 0 {
		t.Errorf("durable %d, Failed called again %v", g.Durable(), len(failed) != 0)
	}
	// The page cache still shows the frame. What a restart reads from it and
	// shows to somebody has to survive a power cut.
	l2, _, seen := mustOpen(t, testOptions(mem))
	mem = crashed(mem, memfs.KeepNone)
	_, _, got := mustOpen(t, testOptions(mem))
	wantRecords(t, got, seen)
	l2.Close()
}

func TestIdleLogGetsItsWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _ := mustOpen(t, testOptions(memfs.New()))
		g := NewGroup(l, GroupOptions{WitnessIdle: 50 * time.Millisecond})
		frames := func() uint64 {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.cur.seq
		}
		idle := func(d time.Duration) { <-time.After(d) }
		idle(time.Second)
		if frames() != 0 {
			t.Fatal("a witness for nothing")
		}
		for i := range uint64(3) {
			<-stage(t, g, Growth, "x").Done()
			idle(49 * time.Millisecond)
			if got := frames(); got != i+1 {
				t.Fatalf("%d frames after 49 ms", got)
			}
		}
		idle(2 * time.Millisecond)
		if got := frames(); got != 4 {
			t.Fatalf("%d frames after 51 ms, want a witness", got)
		}
		idle(time.Hour)
		if got := frames(); got != 4 {
			t.Fatalf("%d frames after an hour", got)
		}
		mustClose(t, g)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	l, _, _ := mustOpen(t, testOptions(memfs.New()))
	g := NewGroup(l, GroupOptions{Manual: true, FrameBytesMax: 1000, StagedBytesMax: 3000})
	record := strings.Repeat("r", 400)
	var last *Batch
	for i := range 7 {
		last = stage(t, g, Growth, record)
		if want := uint64(i/2 + 1); last.N != want {
			t.Fatalf("record %d is in batch %d, want %d", i, last.N, want)
		}
	}
	if _, _, err := g.Stage(Growth, nil, []byte(record)); err != ErrBusy {
		t.Fatalf("beyond the limit of staged bytes: %v", err)
	}
	if _, _, err := g.Stage(Growth, nil, make([]byte, 999)); !errors.Is(err, ErrFrameTooLarge) {
		t.Fatalf("a record that no batch holds: %v", err)
	}
	for n := 4; n > 0; n-- {
		if ok, err := g.Commit(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if ok, err := g.Commit(); ok || err != nil || !isDone(last) || g.Durable() != 4 {
		t.Fatal("four batches were staged", ok, err, g.Durable())
	}
	mustClose(t, g)
}

// With Manual, two runs of one seed make the same calls in the same order.
func TestManualRunsAreEqual(t *testing.T) {
	seed := testSeed(t)
	run := func() string {
		f := faultfs.New(memfs.New())
		rng := rand.New(rand.NewPCG(seed, 9))
		for range 3 {
			l, _, _ := mustOpen(t, testOptions(f))
			g := NewGroup(l, GroupOptions{Manual: true, Now: func() int64 { return 5 }})
			for range 200 {
				if err := randomStep(g, rng, nil); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, g)
		}
		return f.TraceString()
	}
	if a, b := run(), run(); a != b {
		t.Fatal("the traces of two runs differ")
	}
}

// randomStep does one thing to a manual group. Refusals that pass by
// themselves are no errors. sent gets the records that were staged.
func randomStep(g *Group, rng *rand.Rand, sent *[]string) error {
	var err error
	switch rng.IntN(10) {
	case 0:
		err = g.Allocate()
	case 1:
		err = g.Witness()
	case 2, 3, 4:
		_, err = g.Commit()
	default:
		size := rng.IntN(300)
		if rng.IntN(4) == 0 {
			size = rng.IntN(g.o.FrameBytesMax - 10)
		}
		record := fmt.Sprint(rng.IntN(1000), ":", strings.Repeat("q", max(size-8, 0)))
		_, _, err = g.Stage(Class(rng.IntN(2)), nil, []byte(record))
		if err == nil && sent != nil {
			*sent = append(*sent, record)
		}
	}
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrNoSpace) && !errors.Is(err, ErrFailed) {
		return nil
	}
	return err
}

// Whatever is staged finds its place, however full the disk is: what Stage
// accepts never makes the log fail for want of space. Nor does a restart, clean
// or not.
func TestStagedRecordsNeverMeetAFullDisk(t *testing.T) {
	seed := testSeed(t)
	for round := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed+round, 4))
		mem := memfs.New()
		frames := int(round%3) * 60_000
		var saved Place      // of a durable batch
		var durable []string // records
		savedRecords, refused := 0, 0
		for process := range 3 {
			o := testOptions(mem)
			o.FrameBytesMax, o.Prepare = frames, from(saved)
			l, _, got, err := openWith(o)
			if err != nil {
				t.Fatalf("-wal.seed=%d: process %d: %v", seed+round, process, err)
			}
			wantRecords(t, got, durable[savedRecords:])
			g := NewGroup(l, GroupOptions{Manual: true, Committed: func(b *Batch) {
				for r := range Records(b.Payload()) {
					durable = append(durable, string(r))
				}
				if rng.IntN(2) == 0 {
					saved, savedRecords = Place{b.Pos(), b.Seq()}, len(durable)
				}
			}})
			var sent []string
			for i := range 150 {
				if rng.IntN(8) == 0 {
					if err := g.Trim(saved.Pos); err != nil && (!errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed)) {
						t.Fatalf("-wal.seed=%d, step %d: trim: %v", seed+round, i, err)
					}
				}
				if i%20 == 0 {
					// Room for some file more, or not quite, or none.
					mem.SetCapacity(mem.Used() + rng.Int64N(3)*rng.Int64N(l.o.capacity()+2*pageBytes))
				}
				if err := randomStep(g, rng, &sent); err != nil {
					t.Fatalf("-wal.seed=%d, step %d: %v", seed+round, i, err)
				}
				if g.full {
					refused++
				}
			}
			if rng.IntN(2) == 0 {
				if err := g.Close(); err != nil {
					t.Fatalf("-wal.seed=%d: close: %v", seed+round, err)
				}
			} else {
				mem = crashed(mem, memfs.KeepNone)
			}
			mem.SetCapacity(mem.Used() + rng.Int64N(4)*rng.Int64N(l.o.capacity()))
		}
		if refused == 0 {
			t.Errorf("-wal.seed=%d: the disk was never full", seed+round)
		}
		mem.SetCapacity(-1)
		o := testOptions(mem)
		o.Prepare = from(saved)
		_, _, got := mustOpen(t, o)
		wantRecords(t, got, durable[savedRecords:])
	}
}
