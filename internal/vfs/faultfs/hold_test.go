package faultfs_test

import (
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// later runs call in its own goroutine.
func later(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return done
}

func wantWaiting(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("call ended: %v", err)
	default:
	}
}

func dirtyFile(t *testing.T, fs vfs.FS) vfs.File {
	t.Helper()
	f := create(t, fs, "a")
	must(t, fs.SyncDir(""))
	_, err := f.WriteAt([]byte("hello"), 0)
	must(t, err)
	return f
}

func TestHeldSyncGoesOn(t *testing.T) {
	fs, mem := newFS()
	f := dirtyFile(t, fs)
	held, release := fs.HoldSync()
	done := later(f.SyncData)
	<-held
	wantWaiting(t, done)
	// Only the sync waits.
	_, err := f.WriteAt([]byte("!"), 5)
	must(t, err)
	release(nil)
	must(t, <-done)
	must(t, f.Sync())
	release(errTest)
	must(t, f.Sync())
	wantContent(t, mem.Crash(nil, memfs.KeepNone), "a", "hello!")
}

func TestHeldSyncIsNotDoneYet(t *testing.T) {
	fs, mem := newFS()
	f := dirtyFile(t, fs)
	held, release := fs.HoldSync()
	done := later(f.Sync)
	<-held
	after := mem.Crash(nil, memfs.KeepNone)
	release(nil)
	wantError(t, "Sync over a power cut", <-done, memfs.ErrPowerLoss)
	wantContent(t, after, "a", "")
}

func TestHeldSyncFails(t *testing.T) {
	fs, mem := newFS()
	f := dirtyFile(t, fs)
	held, release := fs.HoldSync()
	first, second := later(f.Sync), later(f.SyncData)
	<-held
	<-held
	release(errTest)
	wantError(t, "first", <-first, errTest)
	wantError(t, "second", <-second, errTest)
	must(t, f.Sync())
	wantContent(t, mem.Crash(nil, memfs.KeepNone), "a", "\x00\x00\x00\x00\x00")
}

func TestHeldCallDoesNotOutliveStop(t *testing.T) {
	fs, mem := newFS()
	f := dirtyFile(t, fs)
	held, release := fs.HoldSync()
	done := later(f.Sync)
	<-held
	fs.Stop()
	release(nil)
	wantError(t, "Sync", <-done, faultfs.ErrStopped)
	wantContent(t, mem.Crash(nil, memfs.KeepNone), "a", "")
}

func TestHoldAndDelayComeBeforeTheCall(t *testing.T) {
	fs, mem := newFS()
	f := create(t, fs, "a")
	began, gate := make(chan struct{}), make(chan struct{})
	fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind != faultfs.WriteAt {
			return faultfs.Fault{}
		}
		return faultfs.Fault{Delay: func() { close(began) }, Hold: gate, StopAfter: true}
	})
	done := later(func() error {
		_, err := f.WriteAt([]byte("hello"), 0)
		return err
	})
	<-began
	wantWaiting(t, done)
	wantContent(t, mem, "a", "")
	// A call that waits has not stopped the others yet.
	must(t, f.Sync())
	close(gate)
	must(t, <-done)
	wantContent(t, mem, "a", "hello")
	wantError(t, "Sync", f.Sync(), faultfs.ErrStopped)
}
