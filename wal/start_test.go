package wal

import (
	"errors"
	"slices"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// startStore is a store of three files, its records, and where each of them is.
func startStore(t *testing.T, end string) (m image, records []string, places []Place) {
	t.Helper()
	m, records = storeImage(t, end)
	var h history
	if _, err := VerifyReplay(m.mount(t), testDir, nil, h.replay); err != nil {
		t.Fatal(err)
	}
	for i := range records {
		places = append(places, Place{h.pos[i], h.seqs[i]})
	}
	return m, records, places
}

func TestReplayBeginsAfterTheStart(t *testing.T) {
	for _, end := range []string{"frame", "witness", "seal"} {
		m, records, places := startStore(t, end)
		for i, place := range places {
			for _, pos := range []Pos{place.Pos, {}} {
				fs := m.mount(t)
				start := Place{pos, place.Seq}
				var h history
				report, err := VerifyReplay(fs, testDir, from(start), h.replay)
				if err != nil || report.Records != uint64(len(records)) {
					t.Fatalf("start %+v: %+v, %v", start, report, err)
				}
				wantRecords(t, h.records, records[i+1:])
				o := testOptions(fs)
				o.Prepare = from(start)
				l, rec, got := mustOpen(t, o)
				wantRecords(t, got, records[i+1:])
				if rec.Records != report.Records || rec.LastSeq < report.LastSeq {
					t.Fatalf("start %+v: %+v", start, rec)
				}
				if len(got) > 0 && h.seqs[0] != places[i+1].Seq {
					t.Fatalf("replay begins with frame %d", h.seqs[0])
				}
				mustClose(t, l)
			}
		}
	}
}

// What is before the start is verified all the same.
func TestDamageBeforeTheStartIsFound(t *testing.T) {
	m, _, places := startStore(t, "witness")
	start := places[len(places)-1]
	for _, at := range places[:len(places)-1] {
		fs := m.mount(t)
		flip(t, fs, filePath(at.Pos.File), at.Pos.Offset+frameHeaderBytes+1, 1)
		o := testOptions(fs)
		o.Prepare = from(start)
		_, _, err := Open(o, nil)
		wantCorrupt(t, err, filePath(at.Pos.File), at.Pos.Offset)
	}
}

// The frame at the start was durable, and something depends on it: a log that
// ends before it lost acknowledged data, however much that looks like a torn
// tail. Nothing is changed.
func TestLogThatEndsBeforeTheStartIsCorrupt(t *testing.T) {
	m, _, places := startStore(t, "frame")
	last := places[len(places)-1]
	path := filePath(last.Pos.File)
	cases := map[string]struct {
		damage func(m image)
		start  Place
		path   string
		offset int64
	}{
		"torn tail at the start":   {func(m image) { m[path][last.Pos.Offset+70] ^= 1 }, last, path, last.Pos.Offset},
		"tail lost at the start":   {func(m image) { clear(m[path][last.Pos.Offset:]) }, last, path, last.Pos.Offset},
		"start beyond the end":     {func(image) {}, Place{Seq: last.Seq + 1}, path, -1},
		"start far beyond the end": {func(image) {}, Place{Seq: 1 << 63}, path, -1},
	}
	for name, c := range cases {
		damaged := image{}
		for name, b := range m {
			damaged[name] = slices.Clone(b)
		}
		c.damage(damaged)
		fs := damaged.mount(t)
		before := fs.Snapshot()
		_, verr := VerifyReplay(fs, testDir, from(c.start), nil)
		o := testOptions(fs)
		o.Prepare = from(c.start)
		_, _, err := Open(o, nil)
		wantCorrupt(t, err, c.path, c.offset)
		wantCorrupt(t, verr, c.path, c.offset)
		after := fs.Snapshot()
		delete(after, paths{testDir}.lock())
		delete(before, paths{testDir}.lock())
		if !sameFiles(before, after) {
			t.Errorf("%s: the refused open changed something", name)
		}
		// One frame less is needed, and the same bytes are a torn tail.
		if c.start == last {
			o.Prepare = from(places[len(places)-2])
			if _, _, err := Open(o, nil); err != nil {
				t.Errorf("%s, not needed: %v", name, err)
			}
		}
	}
	// A store without any log file.
	fs := memfs.New()
	o := testOptions(fs)
	o.Prepare = from(Place{Seq: 1})
	_, _, err := Open(o, nil)
	wantCorrupt(t, err, filePath(1), 0)
}

func TestStartThatIsElsewhereIsCorrupt(t *testing.T) {
	m, _, places := startStore(t, "seal")
	wrong := places[3]
	wrong.Pos.Offset += pageBytes
	o := testOptions(m.mount(t))
	o.Prepare = from(wrong)
	_, _, err := Open(o, nil)
	wantCorrupt(t, err, filePath(places[3].Pos.File), places[3].Pos.Offset)
}

// Prepare of a new store is called when its identity is on the medium and no
// log file is, and again with the same identity when its process was killed.
func TestPrepareSeesOneIdentity(t *testing.T) {
	mem := memfs.New()
	var first Store
	o := testOptions(mem)
	o.Prepare = func(s Store) (Place, error) {
		first = s
		if got := readAll(t, mem.Clone(), paths{testDir}.store()); string(got) != string(s.Append(nil)) {
			t.Errorf("STORE is not %+v", s)
		}
		if n := logFiles(mem); len(n) != 0 {
			t.Errorf("log files %v are there already", n)
		}
		return Place{}, errInjected
	}
	if _, _, err := Open(o, nil); !errors.Is(err, errInjected) {
		t.Fatalf("open: %v", err)
	}
	if first.Newest != 0 || first.ID == (UUID{}) {
		t.Fatalf("the new store is %+v", first)
	}
	mem = mem.Crash(nil, memfs.KeepNone)
	calls := 0
	o = testOptions(mem)
	o.Rand = func() uint64 { return 99 }
	o.Prepare = func(s Store) (Place, error) {
		calls++
		if s != first {
			t.Errorf("the store was %+v and is %+v", first, s)
		}
		return Place{}, nil
	}
	l, rec, err := Open(o, nil)
	if err != nil || calls != 1 || rec.Store != first.ID || !rec.Created {
		t.Fatalf("%+v, %v, %d calls", rec, err, calls)
	}
	mustAppend(t, l, "a")
	mustClose(t, l)
	o.Prepare = func(s Store) (Place, error) {
		if s.ID != first.ID || s.Newest != 1 {
			t.Errorf("the store is %+v", s)
		}
		return Place{}, nil
	}
	if _, err := VerifyReplay(mem, testDir, o.Prepare, nil); err != nil {
		t.Fatal(err)
	}
	if l, _, err = Open(o, nil); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if _, err := VerifyReplay(mem, "nowhere", func(Store) (Place, error) { panic("no store") }, nil); err == nil {
		t.Error("a directory that is not there is a store")
	}
	if err := mem.MkdirAll("empty"); err != nil {
		t.Fatal(err)
	}
	report, err := VerifyReplay(mem, "empty", func(Store) (Place, error) { panic("no store") }, nil)
	if err != nil || !report.Empty {
		t.Errorf("%+v, %v", report, err)
	}
}

// Prepare is called under the lock and before any log file is read.
func TestPrepareComesBeforeTheScan(t *testing.T) {
	m, _, places := startStore(t, "seal")
	f := faultfs.New(m.mount(t))
	o := testOptions(f)
	o.Prepare = func(Store) (Place, error) {
		locked := false
		for _, op := range f.Trace() {
			locked = locked || op.Kind == faultfs.Lock
			if op.Kind == faultfs.Open && op.Name != (paths{testDir}).store() {
				t.Errorf("before Prepare: %v", op)
			}
		}
		if !locked {
			t.Error("the lock is not held")
		}
		return places[2], nil
	}
	l, _, err := Open(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	o.Prepare = func(Store) (Place, error) { return Place{}, errInjected }
	before := f.Base().(*memfs.FS).Snapshot()
	if _, _, err := Open(o, nil); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	if !sameFiles(before, f.Base().(*memfs.FS).Snapshot()) {
		t.Error("a refused open changed something")
	}
}
