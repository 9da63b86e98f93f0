package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// TestLogIsNotGivenUpOnTheWordOfAnUnsettledManifest kills a process between the
// write and the sync of the edit that commits a flush. The next process reads
// that edit, and dies or serves on a full disk before the manifest is on the
// medium. Then power is lost, and the manifest is back before the flush: it
// needs all of the log.
func TestLogIsNotGivenUpOnTheWordOfAnUnsettledManifest(t *testing.T) {
	for name, second := range map[string]faultfs.Fault{
		"the next process dies":        {StopAfter: true},
		"the next one has a full disk": {Err: fmt.Errorf("full: %w", vfs.ErrNoSpace)},
	} {
		t.Run(name, func(t *testing.T) {
			disk := memfs.New()
			faults := faultfs.New(disk)
			o := manualOptions(faults, newFakeClock(), rand.New(rand.NewPCG(1, 2)))
			e := mustOpen(t, o)
			body := strings.Repeat("a", 4000)
			want(t, e, stream.Created, create("s", "text/plain", body))
			for range 60 {
				if err := e.Allocate(); err != nil {
					t.Fatal(err)
				}
				want(t, e, stream.Appended, appendTo("s", "text/plain", body))
			}
			begun := false
			faults.Inject(func(op faultfs.Op) faultfs.Fault {
				begun = begun || op.Kind == faultfs.Create && strings.HasSuffix(op.Name, ".snap")
				return faultfs.Fault{StopAfter: begun && op.Kind == faultfs.WriteAt && strings.HasSuffix(op.Name, ".manifest")}
			})
			if err := e.Flush(); err == nil {
				t.Fatal("the process was to die in the flush")
			}
			disk.BreakLock("store/LOCK")

			next := faultfs.New(disk)
			next.Inject(func(op faultfs.Op) faultfs.Fault {
				if op.Kind == faultfs.Create && strings.HasSuffix(op.Name, ".manifest") {
					return second
				}
				return faultfs.Fault{}
			})
			o.FS = next
			if e, err := Open(o); (err == nil) != (second.Err != nil) {
				t.Fatalf("opened by the next process: %v", err)
			} else if err == nil && e.manifest.Settled() {
				t.Fatal("the manifest is settled")
			}
			o.FS = disk.Crash(rand.New(rand.NewPCG(3, 4)), memfs.KeepNone)
			e, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if parts, _, _ := readAll(t, e, "s", 0); len(parts) != 61 {
				t.Errorf("%d appends of 61", len(parts))
			}
		})
	}
}
