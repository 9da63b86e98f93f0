//go:build !race

package bench

import (
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// The race detector allocates on its own, so this file is not for it.

// TestAppendAllocations bounds what an append allocates from staging to
// durable, when a commit covers 64 of them: the log batch and the copy of the
// bytes that readers are given are shared by all of them.
func TestAppendAllocations(t *testing.T) {
	const (
		together = 64
		streams  = 100
		bound    = 0.5 // per append
	)
	e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Allocate(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range streams {
		if out := e.Create(createOf(i)); out.Code != stream.Created {
			t.Fatal(out.Code)
		}
		names = append(names, streamName(i))
	}
	commit(t, e)
	body := make([]byte, appendBytes)
	next := 0
	append64 := func() {
		for range together {
			a := stream.Append{Path: names[next%streams], ContentType: binary, Body: body}
			next++
			if out := e.Append(&a); out.Code != stream.Appended {
				t.Fatal(out.Code)
			}
		}
		commit(t, e)
	}
	for range 200 { // until buffers have their size and indexes some room
		append64()
	}
	got := testing.AllocsPerRun(200, append64) / together
	t.Logf("%.3f allocations per append", got)
	if got > bound {
		t.Errorf("an append allocates %.3f times, the bound is %v", got, bound)
	}
}

func commit(t *testing.T, e *engine.Engine) {
	t.Helper()
	if did, err := e.Commit(); err != nil || !did {
		t.Fatalf("commit: %v, %v", did, err)
	}
}
