package wal

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// reusedLog is a log whose current file was used before and is full of frames
// of then. Nothing was appended to it yet, and what is before it was saved.
func reusedLog(t testing.TB, o Options, w *life) *Files {
	t.Helper()
	l, err := w.open(o)
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 3)
	w.save(0)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	if err := l.Allocate(); err != nil || !l.spare.reused {
		t.Fatalf("no file is used again: %v", err)
	}
	for l.rest() > 0 {
		if err := w.append(l, 50); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.append(l, 50); err != nil { // the first in the reused file
		t.Fatal(err)
	}
	w.save(0)
	if l.cur.number != 4 || w.start().Pos != (Pos{4, headerBytes}) {
		t.Fatalf("file %d, newest record at %v", l.cur.number, w.start().Pos)
	}
	return l
}

// A sealed file that is allocated again must not read as ending early or late:
// the file before its last page ends wherever its own seal is, with the seal
// and frames of an earlier use behind it.
func TestLessonSealedFileAllocatedAgain(t *testing.T) {
	for _, end := range []string{"killed", "closed", "sealed and killed"} {
		mem, w := memfs.New(), &life{}
		l := reusedLog(t, testOptions(mem), w)
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", end, err)
			}
		}
		check(w.append(l, 50))
		check(w.append(l, 50))
		check(l.Allocate())
		check(w.append(l, l.FrameBytesMax()-20)) // it does not fit: file 4 is sealed early
		if l.cur.number != 5 {
			t.Fatalf("%s: file %d takes frames", end, l.cur.number)
		}
		if got := len(readAll(t, mem, filePath(4))); got != fileBytesMin {
			t.Fatalf("%s: the sealed file has %d bytes", end, got)
		}
		check(w.append(l, 50))
		switch end {
		case "closed":
			check(l.Close())
		case "sealed and killed":
			check(l.seal(FlagSealRotate))
			fallthrough
		case "killed":
			mem = mem.Crash(nil, memfs.KeepAll)
		}
		o := testOptions(mem)
		o.Prepare = w.prepare
		report, err := VerifyReplay(mem, testDir, w.prepare, nil)
		check(err)
		if report.Torn != nil {
			t.Fatalf("%s: torn tail %+v", end, report.Torn)
		}
		check(w.aftermath(testOptions(mem), mem))
	}
}

// A recycled first file must not hide acknowledged frames: STORE stops counting
// a file before it is used again, so a log that begins later than it should is
// told from one that was trimmed.
func TestLessonRecycledFirstFile(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l := reusedLog(t, testOptions(mem), w)
	if err := w.append(l, 50); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []memfs.Keep{memfs.KeepAll, memfs.KeepNone} {
		after := mem.Crash(nil, keep)
		if err := w.aftermath(testOptions(after), after); err != nil {
			t.Fatalf("keep %v: %v", keep, err)
		}
	}
	// Somebody needs what was given up: nothing is passed off as the whole log.
	_, _, err := Open(testOptions(mem.Crash(nil, memfs.KeepAll)), nil)
	wantCorrupt(t, err, filePath(3), 56)
	// A STORE of before the trim misses the files that are gone.
	m := image(mem.Crash(nil, memfs.KeepAll).Snapshot())
	s, err := ParseStore(m[paths{testDir}.store()])
	if err != nil {
		t.Fatal(err)
	}
	s.First = 1
	m[paths{testDir}.store()] = s.Append(nil)
	maps.DeleteFunc(m, func(name string, _ []byte) bool { return name == filePath(1) || name == filePath(2) })
	o := testOptions(m.mount(t))
	o.Prepare = w.prepare
	_, _, err = Open(o, nil)
	wantCorrupt(t, err, filePath(1), 0)
}

// Bytes of an earlier use are neither frames nor a torn tail nor witnesses, not
// even under the same salt, when their checksums hold.
func TestFramesOfAnEarlierUseCountForNothing(t *testing.T) {
	for _, salts := range []string{"random", "equal"} {
		t.Run(salts, func(t *testing.T) {
			mem, w := memfs.New(), &life{}
			o := testOptions(mem)
			if salts == "equal" {
				o.Rand = func() uint64 { return 7 }
			}
			l := reusedLog(t, o, w)
			if err := w.append(l, 50); err != nil {
				t.Fatal(err)
			}
			// The next place holds a frame of the earlier use.
			stale := readAll(t, mem, filePath(4))[l.cur.pos:]
			h, _, err := ParseFrame(stale, l.cur.salt)
			if salts == "equal" && (err != nil || h.File != 1) {
				t.Fatalf("no valid frame of file 1 is there: %+v, %v", h, err)
			}
			if salts == "random" && err == nil {
				t.Fatal("a frame of the earlier use has a valid checksum")
			}
			check := func(mem *memfs.FS, w *life, torn bool) {
				t.Helper()
				report, err := VerifyReplay(mem, testDir, w.prepare, nil)
				if err != nil {
					t.Fatal(err)
				}
				if (report.Torn != nil) != torn {
					t.Fatalf("torn tail %+v", report.Torn)
				}
				if err := w.aftermath(testOptions(mem), mem); err != nil {
					t.Fatal(err)
				}
			}
			check(mem.Crash(nil, memfs.KeepAll), w, false)

			// The newest frame is damaged before its witness: a torn tail, although
			// there are frames behind it.
			torn := mem.Crash(nil, memfs.KeepAll)
			at := w.places[w.acked-1].Pos
			flip(t, torn, filePath(4), at.Offset+frameHeaderBytes+3, 1)
			lost := w.clone()
			lost.acked--
			lost.sent, lost.places = lost.sent[:lost.acked], lost.places[:lost.acked]
			check(torn, lost, true)

			// Damage to the one before it is told by the newest.
			bad := mem.Crash(nil, memfs.KeepAll)
			flip(t, bad, filePath(4), headerBytes+frameHeaderBytes+3, 1)
			_, err = VerifyReplay(bad, testDir, w.prepare, nil)
			wantCorrupt(t, err, filePath(4), headerBytes)
		})
	}
}

// A file is used again by a rename: nothing of it is allocated or written.
func TestUsingAFileAgainWritesNothing(t *testing.T) {
	mem, w := memfs.New(), &life{}
	f := faultfs.New(mem)
	l, err := w.open(testOptions(f))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 3)
	w.save(0)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	begin := len(f.Trace())
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	for _, op := range f.Trace()[begin:] {
		if op.Kind == faultfs.Allocate || op.Kind == faultfs.WriteAt && op.Len > storeBytes {
			t.Errorf("%v", op)
		}
	}
	if err := w.append(l, 5000); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
}

// A full disk on which nobody else sets space free: the log goes round in the
// files it has, for ever.
func TestFullDiskIsNoLimitToATrimmedLog(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 3)
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	mem.SetCapacity(mem.Used())
	for range 400 {
		if err := w.append(l, 700); err != nil {
			t.Fatalf("record %d in file %d: %v", w.n, l.cur.number, err)
		}
		if l.Spare() {
			continue
		}
		w.save(1)
		if err := l.Trim(w.start().Pos); err != nil {
			t.Fatalf("trim at record %d in file %d: %v", w.n, l.cur.number, err)
		}
		if err := l.Allocate(); err != nil {
			t.Fatalf("allocate at record %d in file %d: %v", w.n, l.cur.number, err)
		}
	}
	if l.cur.number < 20 {
		t.Fatalf("only %d files", l.cur.number)
	}
	mustClose(t, l)
}

// On a full disk where somebody took even the page that STORE needs, one
// recycled file makes room for the others.
func TestFullDiskTakesFromTheRecycled(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 4)
	w.save(0)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	if len(l.recycled) != recycleMax {
		t.Fatalf("%d recycled files", len(l.recycled))
	}
	mem.SetCapacity(mem.Used())
	if err := l.Allocate(); err != nil || len(l.recycled) != recycleMax-2 {
		t.Fatalf("%v, %d recycled files", err, len(l.recycled))
	}
	fillTo(t, l, w, 5)
	mustClose(t, l)
}

// However much is given up at once, a few files stay, and none is left by a
// close.
func TestRecycledFilesAreBounded(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 20)
	if len(l.retired) != retiredMax {
		t.Fatalf("%d files are open", len(l.retired))
	}
	w.save(0)
	if err := l.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	if got := len(logFiles(mem)); got != 1+recycleMax || len(l.retired) != 0 {
		t.Fatalf("%d log files are left, %d are open", got, len(l.retired))
	}
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	names := slices.Sorted(maps.Keys(mem.Snapshot()))
	if len(names) != 4 || !strings.HasSuffix(names[3], filePath(20)) {
		t.Fatalf("left after a close: %q", names)
	}
}

// A newer owner removed what was to be used again.
func TestFencedOwnerUsesNoFileAgain(t *testing.T) {
	mem, w := memfs.New(), &life{}
	old, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, old, w, 4)
	w.save(0)
	if err := old.Trim(w.start().Pos); err != nil {
		t.Fatal(err)
	}
	mem.BreakLock(paths{testDir}.lock())
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	before := mem.Snapshot()
	for what, err := range map[string]error{"allocate": old.Allocate(), "trim": old.Trim(Pos{File: 100}), "reuse": func() error { _, err := old.reuse(); return err }()} {
		if !errors.Is(err, ErrFenced) {
			t.Errorf("%s: %v, want ErrFenced", what, err)
		}
	}
	old.Close()
	if !sameFiles(before, mem.Snapshot()) {
		t.Error("the older owner changed something")
	}
	mustClose(t, l)
}

// The listing of a file says that it was used before, and what is torn in it.
func TestDumpOfAFileUsedAgain(t *testing.T) {
	mem, w := memfs.New(), &life{}
	l := reusedLog(t, testOptions(mem), w)
	if err := w.append(l, 50); err != nil {
		t.Fatal(err)
	}
	b := readAll(t, mem, filePath(4))
	dump := func() string {
		t.Helper()
		var out strings.Builder
		if err := Dump(&out, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := dump(); !strings.Contains(got, "  reused  ") || !strings.HasSuffix(got, "end at 12288: no seal, nothing of this file up to 65536\n") {
		t.Error(got)
	}
	b[2*pageBytes+frameHeaderBytes+1] ^= 1
	if got := dump(); !strings.HasSuffix(got, "end at 8192: torn tail, frame does not match its checksum\n") {
		t.Error(got)
	}
}
