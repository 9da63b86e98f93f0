package engine

import (
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
)

// TestSegmentsLeaveTheDiskDuringAMerge: what may leave the disk does, also while
// the merger is at work.
func TestSegmentsLeaveTheDiskDuringAMerge(t *testing.T) {
	o := Options{Dir: t.TempDir(), LogFileBytes: 64 << 10, MergeFanIn: 100, Tier: tierOptions(mem.New(time.Now))}
	o.Tier.PublishEvery = time.Hour
	e := mustOpen(t, o)
	defer e.Close()
	e.merging.Lock() // as a merge does that takes long
	defer e.merging.Unlock()
	for _, ask := range []func() Ticket{
		func() Ticket { return create("s", "text/plain", "")(e) },
		func() Ticket { return appendTo("s", "text/plain", "what is in the bucket")(e) },
	} {
		ticket := ask()
		if err := ticket.Wait(); err != nil || ticket.Code != stream.Created && ticket.Code != stream.Appended {
			t.Fatalf("%v, %v", ticket.Code, err)
		}
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state := e.manifest.State()
		if len(state.Layers) == 1 && state.Layers[0].Segments[0].Place == manifest.PlaceRemote {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the segment stays: %+v", state.Layers)
		}
	}
}
