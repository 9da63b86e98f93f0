package engine

import (
	"strings"
	"sync"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// A read from the disk takes time, in which its stream may be deleted and
// another one created at the path.
func TestColdReadStaysWithItsStream(t *testing.T) {
	faults := faultfs.New(memfs.New())
	e := mustOpen(t, roomyOptions(faults))
	defer e.Close()
	want(t, e, stream.Created, create("s", "text/plain", strings.Repeat("a", 100)))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, e, stream.Created, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "f", From: "s", HasFromOffset: true, FromOffset: 50, TTL: stream.NoTTL})
	})
	var once sync.Once
	faults.Inject(func(op faultfs.Op) faultfs.Fault {
		var f faultfs.Fault
		if op.Kind == faultfs.ReadAt && strings.HasSuffix(op.Name, ".seg") {
			once.Do(func() {
				f.Delay = func() {
					want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("f") })
					want(t, e, stream.Created, create("f", "text/plain", "one"))
					want(t, e, stream.Appended, appendTo("f", "text/plain", strings.Repeat("b", 60)))
				}
			})
		}
		return f
	})
	want(t, e, stream.Appended, appendTo("f", "text/plain", "own"))
	res, ticket := e.ReadCold(ReadRequest{Path: "f"})
	if ticket.Code != stream.NotFound {
		t.Errorf("%s, stream %d from %d: %q", ticket.Code, res.ID, res.From, res.Parts)
	}
}

// Allowing stored blocks costs nothing where there are none.
func TestReadOfASmallRunUsesTheCache(t *testing.T) {
	faults := faultfs.New(memfs.New())
	e := mustOpen(t, roomyOptions(faults))
	defer e.Close()
	want(t, e, stream.Created, create("s", "text/plain", "x"))
	want(t, e, stream.Created, create("t", "text/plain", "x"))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	var reads [2]int
	for i, stored := range []bool{false, true} {
		e.ReadCold(ReadRequest{Path: "s", Stored: stored})
		faults.ResetTrace()
		e.ReadCold(ReadRequest{Path: "s", Stored: stored})
		for _, op := range faults.Trace() {
			if op.Kind == faultfs.ReadAt {
				reads[i]++
			}
		}
	}
	if reads[0] != reads[1] {
		t.Errorf("%d reads of the disk, and %d where stored blocks are allowed", reads[0], reads[1])
	}
}

func TestCloseWritesNothingAfterItGaveUpTheLock(t *testing.T) {
	faults := faultfs.New(memfs.New())
	e := mustOpen(t, roomyOptions(faults))
	want(t, e, stream.Created, create("s", "text/plain", "x"))
	faults.ResetTrace()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	unlocked := false
	for _, op := range faults.Trace() {
		if op.Kind == faultfs.Unlock {
			unlocked = true
		} else if unlocked && op.Kind.Mutates() {
			t.Errorf("after the lock was given up: %v", op)
		}
	}
}
