package wal

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// The tests of this file are named after faults that others paid for with
// acknowledged data. TestLessonRetriedFsync is beside the other group tests.

// Zero-tail seal: a sealed file got a tail of zeros, and replay took the zeros
// for the end of the log.
func TestLessonZeroTailSeal(t *testing.T) {
	m, want := storeImage(t, "seal")
	for n := uint64(1); n <= 3; n++ {
		m[filePath(n)] = append(m[filePath(n)][:len(m[filePath(n)]):len(m[filePath(n)])], make([]byte, fileBytesMin)...)
	}
	fs := m.mount(t)
	for range 2 {
		l, rec, got := mustOpen(t, testOptions(fs))
		wantRecords(t, got, want)
		if rec.Torn != nil {
			t.Fatalf("zeros after a seal are no torn tail: %+v", rec.Torn)
		}
		mustAppend(t, l, "later")
		want = append(want, "later")
		mustClose(t, l)
	}
	if got := len(readAll(t, fs, filePath(3))); got >= fileBytesMin {
		t.Fatalf("the last file still has its tail: %d bytes", got)
	}
}

// Torn tail on a quiet stream: a torn frame behind a long idle one is cut, and
// the idle one's data stays; damage of the idle one's data is not taken for a
// torn tail.
func TestLessonTornTailOnAQuietStream(t *testing.T) {
	store := func() (*memfs.FS, int64) {
		mem := memfs.New()
		f := faultfs.New(mem)
		l, _, _ := mustOpen(t, testOptions(f))
		mustAppend(t, l, "quiet")
		if err := l.Witness(); err != nil {
			t.Fatal(err)
		}
		at := l.cur.pos
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.WriteAt {
				return faultfs.Fault{Short: 5000, StopAfter: true}
			}
			return faultfs.Fault{}
		})
		if _, err := l.Append(frameOf(strings.Repeat("torn", 4000))); !errors.Is(err, ErrFailed) {
			t.Fatalf("append: %v", err)
		}
		return crashed(mem, memfs.KeepAll), at
	}
	mem, at := store()
	_, rec, got := mustOpen(t, testOptions(mem))
	wantRecords(t, got, []string{"quiet"})
	if rec.Torn == nil || rec.Torn.Pos != (Pos{1, at}) || rec.Torn.Seq != 3 || rec.Torn.Reason == "" || rec.Clean {
		t.Fatalf("recovery is %+v with torn tail %+v", rec, rec.Torn)
	}

	mem, _ = store()
	if err := mem.Corrupt(filePath(1), headerBytes+frameHeaderBytes+2, 1); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(testOptions(mem), nil)
	wantCorrupt(t, err, filePath(1), headerBytes)
}

// Missing mount reset the log: the directory of the log is not there, or is
// empty, and a new log is begun in its place.
func TestLessonMissingMountResetTheLog(t *testing.T) {
	for _, empty := range []bool{false, true} {
		m, _ := storeImage(t, "seal")
		maps.DeleteFunc(m, func(name string, _ []byte) bool { return strings.HasPrefix(name, paths{testDir}.wal()) })
		fs := m.mount(t)
		path := paths{testDir}.wal()
		if empty {
			if err := fs.MkdirAll(path); err != nil {
				t.Fatal(err)
			}
			path = filePath(1)
		}
		for range 2 { // the first refusal must not clear the way for the second
			_, _, err := Open(testOptions(fs), nil)
			wantCorrupt(t, err, path, 0)
		}
	}
}

// Sealed beyond durable: a seal vouched for frames that were not on the
// medium. A process is killed between writing a seal and its sync; the next one
// reads the seal from the page cache, builds on it, and the power goes.
func TestLessonSealedBeyondDurable(t *testing.T) {
	for _, full := range []bool{false, true} {
		mem := memfs.New()
		f := faultfs.New(mem)
		l, _, _ := mustOpen(t, testOptions(f))
		want := []string{"a"}
		mustAppend(t, l, "a")
		for full && l.rest() > 0 { // no page is left beside that of the seal
			mustAppend(t, l, "a")
			want = append(want, "a")
		}
		f.Inject(func(op faultfs.Op) faultfs.Fault {
			return faultfs.Fault{StopAfter: op.Kind == faultfs.WriteAt}
		})
		if err := l.Close(); !errors.Is(err, faultfs.ErrStopped) {
			t.Fatalf("close: %v", err)
		}
		l, rec, got := mustOpen(t, testOptions(mem))
		wantRecords(t, got, want)
		if rec.Clean {
			t.Fatal("a seal that was not synced counts as a clean end")
		}
		mustAppend(t, l, "b")
		mem = crashed(mem, memfs.KeepNone)
		_, _, got = mustOpen(t, testOptions(mem))
		wantRecords(t, got, append(want, "b"))
	}
}

// 200 unclean restarts of an idle store: the directory stays small.
func TestRestartsDoNotPileUp(t *testing.T) {
	mem := memfs.New()
	for range 200 {
		mustOpen(t, testOptions(mem))
		mem = crashed(mem, memfs.KeepAll)
	}
	o := testOptions(mem)
	o.FileBytes = fileBytesDefault
	o = o.withDefaults()
	l, _, _ := mustOpen(t, o)
	if used := mem.Used() - o.firstBytes() - o.ballastBytes(); used > 201*2*pageBytes+2*pageBytes {
		t.Fatalf("%d bytes for 200 empty files", used)
	}
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	if used := mem.Used(); used >= 3*fileBytesDefault {
		t.Fatalf("%d bytes after 200 restarts", used)
	}
}

// A read error is a read error: nothing is cut, nothing is called corrupt.
func TestReadErrorIsNoTornTail(t *testing.T) {
	m, want := storeImage(t, "frame")
	mem := m.mount(t)
	before := mem.Snapshot()
	for k := 1; ; k++ {
		f := faultfs.New(mem)
		f.FailNth(faultfs.ReadAt, k, errInjected)
		report, err := Verify(f, testDir)
		if err == nil {
			if report.Records != uint64(len(want)) {
				t.Fatalf("%d records", report.Records)
			}
			if k < 4 {
				t.Fatalf("only %d reads", k)
			}
			break
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("read %d: %v", k, err)
		}
	}
	if !sameFiles(before, mem.Snapshot()) {
		t.Fatal("something changed")
	}
}

func TestReplayErrorChangesNothing(t *testing.T) {
	m, want := storeImage(t, "frame")
	mem := m.mount(t)
	replaceFile(t, mem, paths{testDir}.next(), []byte("of an earlier process"))
	replaceFile(t, mem, paths{testDir}.lock(), []byte{})
	before := mem.Snapshot()
	if _, _, err := Open(testOptions(mem), func(Replayed) error { return errInjected }); !errors.Is(err, errInjected) {
		t.Fatalf("open: %v", err)
	}
	if !sameFiles(before, mem.Snapshot()) {
		t.Fatal("something changed")
	}
	_, _, got := mustOpen(t, testOptions(mem))
	wantRecords(t, got, want)
}
