package engine

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// Two segments with much that is dead, and one between them with nothing: what
// is made of the first two must not reach over the third.
func TestDeadSegmentsThatAreNoNeighboursStayApart(t *testing.T) {
	o := roomyOptions(faultfs.New(memfs.New()))
	o.SegmentBytes = 40_000
	e := mustOpen(t, o)
	defer e.Close()
	rng := rand.New(rand.NewPCG(5, 6))
	body := func() string {
		b := make([]byte, 8000)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return string(b)
	}
	for i := range 18 {
		want(t, e, stream.Created, create(fmt.Sprint("s", i), "application/octet-stream", body()))
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, e, stream.Created, create("other", "text/plain", "x"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	segs := e.version.layers[0].segments
	if len(segs) < 3 {
		t.Fatal("too few segments")
	}
	for _, i := range []int{0, 1, 2, 14, 15, 16} {
		want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete(fmt.Sprint("s", i)) })
	}
	for range 3 {
		if err := e.Merge(); err != nil {
			t.Fatal(err)
		}
	}
	if e.beginMerge() {
		t.Error("there is something to merge still")
	}
}

// A block that does not verify fails the merge that needs it, once.
func TestDamageStopsOnlyTheMergesThatNeedIt(t *testing.T) {
	disk := memfs.New()
	e := mustOpen(t, roomyOptions(faultfs.New(disk)))
	defer e.Close()
	want(t, e, stream.Created, create("s", "text/plain", "x"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	for name := range disk.Snapshot() {
		if strings.HasSuffix(name, ".seg") {
			if err := disk.Corrupt(name, 64+30, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	failed := 0
	for i := range 20 {
		want(t, e, stream.Created, create(fmt.Sprint("o", i), "text/plain", "x"))
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if e.Merge() != nil {
			failed++
		}
	}
	if n := len(e.version.layers); n > 8 {
		t.Errorf("%d layers: merging has stopped", n)
	}
	if failed != 1 || e.damage.Load() != 1 {
		t.Errorf("%d merges failed and %d times damage was noted, want 1 and 1", failed, e.damage.Load())
	}
}

func TestWhatDiedBeforeARestartIsDroppedAfterIt(t *testing.T) {
	disk := memfs.New()
	e := mustOpen(t, roomyOptions(faultfs.New(disk)))
	for i := range 10 {
		want(t, e, stream.Created, create(fmt.Sprint(i), "text/plain", "x"))
	}
	flush := func() {
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	for i := range 9 {
		want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete(fmt.Sprint(i)) })
	}
	flush()
	if err := e.Close(); err != nil { // before the merger looked
		t.Fatal(err)
	}
	o := roomyOptions(faultfs.New(disk))
	o.MergeFanIn = 8
	e = mustOpen(t, o)
	defer e.Close()
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if got := e.version.layers[0].segments[0].info.Runs; got != 1 {
		t.Errorf("%d runs, 9 of their streams are gone", got)
	}
}

// The edit of one is durable before the other has shown its own.
func TestFlushAndMergeShowEachOthersSegments(t *testing.T) {
	disk := memfs.New()
	faults := faultfs.New(disk)
	e := mustOpen(t, roomyOptions(faults))
	want(t, e, stream.Created, create("s", "text/plain", "x"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, e, stream.Appended, appendTo("s", "text/plain", "y"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if !e.beginMerge() {
		t.Fatal("nothing to merge")
	}
	for len(e.merge.opened) == 0 || e.merge.out != nil {
		if _, err := e.stepMerge(); err != nil {
			t.Fatal(err)
		}
	}
	want(t, e, stream.Appended, appendTo("s", "text/plain", "z"))
	if !e.beginFlush() {
		t.Fatal("nothing to flush")
	}
	for f := e.flush; f.freeze.at < len(f.freeze.changed); {
		if _, err := e.stepFlush(); err != nil {
			t.Fatal(err)
		}
	}
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	faults.Inject(func(op faultfs.Op) faultfs.Fault {
		var f faultfs.Fault
		if op.Kind == faultfs.WriteAt && strings.HasSuffix(op.Name, ".manifest") {
			once.Do(func() { f.Hold = hold; close(held) })
		}
		return f
	})
	fell := make(chan any, 2)
	run := func(f func() error) {
		defer func() { fell <- recover() }()
		if err := f(); err != nil {
			t.Error(err)
		}
	}
	go run(func() error { _, err := e.stepMerge(); return err })
	<-held
	go run(func() error { return e.commitFlush(e.flush) })
	e.mu.Lock() // somebody else is faster
	close(hold)
	for len(e.manifest.State().Acts) > 1 {
		runtime.Gosched()
	}
	e.mu.Unlock()
	for range 2 {
		if p := <-fell; p != nil {
			t.Fatalf("panic: %v", p)
		}
	}
}
