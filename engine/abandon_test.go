package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// roomyOptions are manualOptions with log files that hold a whole test.
func roomyOptions(fs *faultfs.FS) Options {
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.LogFileBytes = 16 << 20
	return o
}

// TestAbandonedSnapshotForgetsNoRemoval: a snapshot has only what there is, so
// when it is given up, the delta that follows has to say who left before it.
func TestAbandonedSnapshotForgetsNoRemoval(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("path used again=%t", again), func(t *testing.T) {
			disk := memfs.New()
			faults := faultfs.New(disk)
			e := mustOpen(t, roomyOptions(faults))
			flush := func() {
				if err := e.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			want(t, e, stream.Created, create("gone", "text/plain", "x"))
			want(t, e, stream.Created, create("there", "text/plain", "x"))
			flush()
			want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("gone") })
			e.rowsSince = 1 << 20 // a snapshot is due
			faults.FailNth(faultfs.Create, 1, errInjected)
			if err := e.Flush(); err == nil {
				t.Fatal("the flush succeeded")
			}
			if again {
				want(t, e, stream.Created, create("gone", "text/plain", "z"))
			}
			want(t, e, stream.Appended, appendTo("there", "text/plain", "y"))
			e.rowsSince = 0 // and now a delta will do
			flush()
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = mustOpen(t, roomyOptions(faultfs.New(disk)))
			defer e.Close()
			if s := e.table.Lookup("gone"); (s != nil) != again {
				t.Errorf("there is %+v at the path of a deleted stream, used again %t", s, again)
			}
		})
	}
}
