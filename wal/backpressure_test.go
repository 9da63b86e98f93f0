package wal

import (
	"testing"
	"testing/synctest"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// A caller that waits for its answer before it stages again is never refused
// for want of the next file: its commits wait for that file.
func TestCommitsWaitForTheNextFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(memfs.New())
		l, _, _ := mustOpen(t, testOptions(f))
		gate := make(chan struct{})
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.Allocate {
				return faultfs.Fault{Hold: gate}
			}
			return faultfs.Fault{}
		})
		g := NewGroup(l, GroupOptions{FrameBytesMax: 2000, WitnessIdle: -1})
		committed := func(b *Batch) bool {
			synctest.Wait()
			return isDone(b)
		}
		pages := 0
		b := stage(t, g, Growth, "x")
		for ; committed(b); b = stage(t, g, Growth, "x") {
			pages++
		}
		if room := int64(fileBytesMin)/pageBytes - 3 - l.Reserve()/pageBytes; int64(pages) != room-1 {
			t.Errorf("%d pages were filled, want all of %d but one", pages, room)
		}
		last := stage(t, g, Growth, "y")
		if committed(last) {
			t.Error("a batch was committed without the next file")
		}
		f.Inject(nil)
		close(gate)
		if !committed(b) || !committed(last) {
			t.Fatal("the next file is there and nothing is committed")
		}
		for range 100 {
			<-stage(t, g, Growth, "z").Done()
		}
		mustClose(t, g)
	})
}

// On a full disk nothing waits for a file that does not come.
func TestCommitsDoNotWaitOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(memfs.New())
		l, _, _ := mustOpen(t, testOptions(f))
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.Allocate {
				return faultfs.Fault{Err: ErrNoSpace}
			}
			return faultfs.Fault{}
		})
		g := NewGroup(l, GroupOptions{FrameBytesMax: 2000, WitnessIdle: -1})
		for n := 0; ; n++ {
			b, _, err := g.Stage(Growth, nil, []byte("x"))
			if err == ErrNoSpace {
				if n == 0 {
					t.Error("nothing was taken")
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			<-b.Done()
		}
		<-stage(t, g, Reclaim, "x").Done()
		mustClose(t, g)
	})
}
