package faultfs_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

func TestEveryKindCanFail(t *testing.T) {
	for _, kind := range kinds {
		fs, _ := newFS()
		fs.FailNth(kind, 1, errTest)
		errs := call(fs)
		if !errors.Is(errs[kind], errTest) {
			t.Errorf("%s: error %v, want the injected one", kind, errs[kind])
		}
		fs.Clear()
		if sites := slices.Collect(maps.Keys(fs.Sites())); len(sites) != 1 || !strings.HasPrefix(sites[0], string(kind)+" ") {
			t.Errorf("%s: failed sites %q, want one of this kind", kind, sites)
		}
	}
}

func TestFailedCallDoesNothing(t *testing.T) {
	for _, kind := range kinds {
		if kind == faultfs.Close || kind == faultfs.Unlock || !kind.Mutates() {
			continue
		}
		fs, mem := newFS()
		var before, after string
		fs.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == kind {
				before = dump(mem)
				return faultfs.Fault{Err: errTest}
			}
			if before != "" && after == "" {
				after = dump(mem)
			}
			return faultfs.Fault{}
		})
		call(fs)
		if after == "" {
			after = dump(mem)
		}
		if before != after {
			t.Errorf("%s: changed %q to %q although it failed", kind, before, after)
		}
	}
}

func dump(mem *memfs.FS) string {
	var all []string
	for name, content := range mem.Snapshot() {
		all = append(all, name+"="+string(content))
	}
	slices.Sort(all)
	return "files: " + strings.Join(all, " ")
}

func TestFailedCloseReleases(t *testing.T) {
	fs, mem := newFS()
	l, err := fs.Lock("LOCK")
	must(t, err)
	f := create(t, fs, "a")
	must(t, f.Allocate(4096))
	must(t, fs.Remove("a"))
	fs.FailNth(faultfs.Close, 1, errTest)
	fs.FailNth(faultfs.Unlock, 1, errTest)
	wantError(t, "Close", f.Close(), errTest)
	wantError(t, "Unlock", l.Close(), errTest)
	if mem.Used() != 0 {
		t.Error("the file still holds its space")
	}
	if _, err := fs.Lock("LOCK"); err != nil {
		t.Errorf("Lock: %v", err)
	}
}

func TestFailNthCountsItsKind(t *testing.T) {
	fs, _ := newFS()
	f := create(t, fs, "a")
	must(t, f.Sync())
	fs.FailNth(faultfs.Sync, 2, errTest)
	fs.FailNth(faultfs.Sync, 3, faultfs.ErrInjected)
	must(t, f.SyncData())
	must(t, f.Sync())
	wantError(t, "second Sync", f.Sync(), errTest)
	wantError(t, "third Sync", f.Sync(), faultfs.ErrInjected)
	must(t, f.Sync())
}

func TestInjectReplacesAndSeesAllCalls(t *testing.T) {
	fs, _ := newFS()
	fs.Inject(func(faultfs.Op) faultfs.Fault { return faultfs.Fault{Err: errTest} })
	wantError(t, "MkdirAll", fs.MkdirAll("d"), errTest)
	var ops []faultfs.Op
	fs.Inject(func(op faultfs.Op) faultfs.Fault {
		ops = append(ops, op)
		return faultfs.Fault{}
	})
	for kind, err := range call(fs) {
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	fs.Inject(nil)
	must(t, fs.MkdirAll("e"))

	if want := fs.Trace()[1 : 1+len(ops)]; !slices.Equal(ops, want) {
		t.Errorf("calls seen: %v\ntrace: %v", ops, want)
	}
	seen := map[faultfs.Kind]bool{}
	for i, op := range ops {
		seen[op.Kind] = true
		if op.N != i+2 {
			t.Errorf("%v: number %d, want %d", op, op.N, i+2)
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("%d kinds seen, want %d", len(seen), len(kinds))
	}
}

func TestShortWriteStopsMidway(t *testing.T) {
	for _, want := range []error{faultfs.ErrShort, vfs.ErrNoSpace} {
		fs, mem := newFS()
		f := create(t, fs, "a")
		fs.Inject(func(op faultfs.Op) faultfs.Fault {
			if want == faultfs.ErrShort {
				return faultfs.Fault{Short: 3}
			}
			return faultfs.Fault{Short: 3, Err: want}
		})
		n, err := f.WriteAt([]byte("hello"), 0)
		if n != 3 {
			t.Errorf("WriteAt = %d, want 3", n)
		}
		wantError(t, "WriteAt", err, want)
		wantContent(t, mem, "a", "hel")
		if want == faultfs.ErrShort {
			must(t, f.Sync()) // Short is about transfers
			p := make([]byte, 5)
			n, err = f.ReadAt(p[:3], 0)
			if string(p[:n]) != "hel" || !errors.Is(err, want) {
				t.Errorf("ReadAt = %q, %v, want hel, %v", p[:n], err, want)
			}
		}
	}
}

func TestFailedSyncLosesData(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.Sync, faultfs.SyncData} {
		fs, mem := newFS()
		outer := faultfs.New(fs) // the loss passes through a second layer
		f := create(t, outer, "a")
		must(t, outer.SyncDir(""))
		_, err := f.WriteAt([]byte("hello"), 0)
		must(t, err)
		outer.FailNth(kind, 1, errTest)
		sync := f.Sync
		if kind == faultfs.SyncData {
			sync = f.SyncData
		}
		wantError(t, string(kind), sync(), errTest)
		wantContent(t, mem, "a", "hello")
		must(t, sync())
		wantContent(t, mem.Crash(nil, memfs.KeepNone), "a", "\x00\x00\x00\x00\x00")
	}
}

func TestStopAfterIsTheLastCall(t *testing.T) {
	fs, mem := newFS()
	f := create(t, fs, "a")
	l, err := fs.Lock("LOCK")
	must(t, err)
	fs.Inject(func(op faultfs.Op) faultfs.Fault {
		return faultfs.Fault{StopAfter: op.Kind == faultfs.WriteAt}
	})
	_, err = f.WriteAt([]byte("hello"), 0)
	must(t, err)
	wantContent(t, mem, "a", "hello")
	if !fs.Stopped() {
		t.Error("not stopped")
	}

	calls := fs.Calls()
	_, err = f.WriteAt([]byte("j"), 0)
	wantError(t, "WriteAt", err, faultfs.ErrStopped)
	for kind, err := range call(fs) {
		if !errors.Is(err, faultfs.ErrStopped) {
			t.Errorf("%s: %v, want ErrStopped", kind, err)
		}
	}
	wantError(t, "Close", f.Close(), faultfs.ErrStopped)
	wantError(t, "Unlock", l.Close(), faultfs.ErrStopped)
	wantContent(t, mem, "a", "hello")
	if fs.Calls() != calls || len(fs.Trace()) != calls {
		t.Errorf("%d calls, %d in the trace, want %d", fs.Calls(), len(fs.Trace()), calls)
	}
	// The lock of a dead process is free.
	_, err = mem.Lock("LOCK")
	must(t, err)
}

func TestStopBeforeFailure(t *testing.T) {
	fs, mem := newFS()
	f := create(t, fs, "a")
	fs.Inject(func(faultfs.Op) faultfs.Fault { return faultfs.Fault{Err: errTest, StopAfter: true} })
	_, err := f.WriteAt([]byte("x"), 0)
	wantError(t, "WriteAt", err, errTest)
	wantError(t, "Sync", f.Sync(), faultfs.ErrStopped)
	wantContent(t, mem, "a", "")
}
