package engine

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// Faults that other databases had. Each has its name here.

// lessonStore is a manual store whose files the test looks at.
func lessonStore(t *testing.T) (*Engine, *memfs.FS, *faultfs.FS) {
	t.Helper()
	disk := memfs.New()
	faults := faultfs.New(disk)
	e := mustOpen(t, manualOptions(faults, newFakeClock(), rand.New(rand.NewPCG(3, 4))))
	return e, disk, faults
}

// reopened is the store after a power cut that kept nothing unsynced.
func reopened(t *testing.T, disk *memfs.FS) *Engine {
	t.Helper()
	return mustOpen(t, manualOptions(disk.Crash(nil, memfs.KeepNone), newFakeClock(), rand.New(rand.NewPCG(5, 6))))
}

// bodies is what a path shows.
func bodies(t *testing.T, e *Engine, path string) (all []string) {
	t.Helper()
	parts, _, code := readAll(t, e, path, 0)
	if code != stream.OK {
		return []string{code.String()}
	}
	for _, p := range parts {
		all = append(all, string(p))
	}
	return all
}

func filesIn(t *testing.T, disk *memfs.FS, dir string) (names []string) {
	t.Helper()
	for name := range disk.Snapshot() {
		if strings.HasPrefix(name, "store/"+dir+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestCheckpointFailedThenLogRecycledKeepsEverything: a log file is given up for
// a checkpoint that is durable, and for no other.
func TestCheckpointFailedThenLogRecycledKeepsEverything(t *testing.T) {
	struck := map[string]bool{}
	for _, dir := range []string{manifest.SegmentDir, manifest.MetaDir, "manifest"} {
		for _, kind := range []faultfs.Kind{faultfs.WriteAt, faultfs.SyncData, faultfs.Sync, faultfs.SyncDir} {
			t.Run(dir+" "+string(kind), func(t *testing.T) {
				e, disk, faults := lessonStore(t)
				want(t, e, stream.Created, create("p", "text/plain", "first"))
				var sent []string
				body := strings.Repeat("x", 7000)
				fill := func(n int) {
					for range n {
						if err := e.Allocate(); err != nil {
							t.Fatal(err)
						}
						want(t, e, stream.Appended, appendTo("p", "text/plain", body))
						sent = append(sent, body)
					}
				}
				fill(25) // some log files
				failing := true
				faults.Inject(func(op faultfs.Op) faultfs.Fault {
					if failing && op.Kind == kind && strings.Contains(op.Name, "store/"+dir) {
						struck[t.Name()] = true
						return faultfs.Fault{Err: errInjected}
					}
					return faultfs.Fault{}
				})
				logs := filesIn(t, disk, "wal")
				err := e.Flush()
				if err != nil && e.survives(err) {
					if got := filesIn(t, disk, "wal"); !slices.Equal(got, logs) {
						t.Fatalf("the checkpoint failed, and the log has %q of %q", got, logs)
					}
					fill(25) // would be in the files that were given up
					failing = false
					if err := e.Flush(); err != nil {
						t.Fatalf("the next try: %v", err)
					}
					fill(25)
				}
				e = reopened(t, disk)
				if got := bodies(t, e, "p"); !slices.Equal(got, append([]string{"first"}, sent...)) {
					t.Fatalf("%d appends are there, %d were acknowledged", len(got)-1, len(sent))
				}
			})
		}
	}
	if len(struck) < 8 { // segments and rows are not synced with their times
		t.Errorf("only %d calls failed", len(struck))
	}
}

// TestAckedDeleteIsNotResurrectedByAMerge: neither what a merge leaves out comes
// back, nor what it keeps.
func TestAckedDeleteIsNotResurrectedByAMerge(t *testing.T) {
	for _, when := range []string{"before the merge", "during the merge", "after the merge"} {
		t.Run(when, func(t *testing.T) {
			e, disk, _ := lessonStore(t)
			want(t, e, stream.Created, create("p", "text/plain", "old"))
			want(t, e, stream.Created, create("q", "text/plain", "q one"))
			flushNow(t, e)
			want(t, e, stream.Appended, appendTo("p", "text/plain", "older"))
			want(t, e, stream.Appended, appendTo("q", "text/plain", "q two"))
			flushNow(t, e)
			del := func() {
				want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("p") })
			}
			if when == "before the merge" {
				del()
			}
			if !e.beginMerge() {
				t.Fatal("nothing to merge")
			}
			for i := 0; e.merge != nil; i++ {
				if _, err := e.stepMerge(); err != nil {
					t.Fatal(err)
				}
				if i == 1 && when == "during the merge" {
					del()
				}
			}
			if when == "after the merge" {
				del()
			}
			for range 2 {
				if got := bodies(t, e, "p"); got[0] != "not_found" {
					t.Fatalf("a deleted stream reads %q", got)
				}
				if got := bodies(t, e, "q"); !slices.Equal(got, []string{"q one", "q two"}) {
					t.Fatalf("its neighbour reads %q", got)
				}
				e = reopened(t, disk)
				disk = e.opts.FS.(*memfs.FS)
			}
			want(t, e, stream.Created, create("p", "text/plain", "new"))
			flushNow(t, e)
			if err := e.Merge(); err != nil {
				t.Fatal(err)
			}
			if got := bodies(t, reopened(t, disk), "p"); !slices.Equal(got, []string{"new"}) {
				t.Fatalf("the new stream of that path reads %q", got)
			}
		})
	}
}

// TestMergeDoesNotTakeAnUnackedDeleteForGranted: what a merge leaves out has to
// be gone for good.
func TestMergeDoesNotTakeAnUnackedDeleteForGranted(t *testing.T) {
	e, disk, faults := lessonStore(t)
	want(t, e, stream.Created, create("p", "text/plain", "one"))
	flushNow(t, e)
	want(t, e, stream.Appended, appendTo("p", "text/plain", "two"))
	flushNow(t, e)
	if got := e.Delete("p"); got.Code != stream.Deleted || got.Ready() {
		t.Fatalf("delete: %s", got.Code)
	}
	faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if strings.Contains(op.Name, "/wal/") && op.Kind.Mutates() {
			return faultfs.Fault{Err: errInjected}
		}
		return faultfs.Fault{}
	})
	e.beginMerge()
	for range 20 {
		more, err := e.stepMerge()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if e.merge == nil {
		t.Fatal("the merge was committed before the delete was durable")
	}
	e.Commit() // fails, and with it the delete
	if got := bodies(t, reopened(t, disk), "p"); !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("a stream whose delete nobody was told of reads %q", got)
	}
}

// threeLayers is a closed store with three streams, each in a layer of its own.
func threeLayers(t *testing.T) *memfs.FS {
	t.Helper()
	e, disk, _ := lessonStore(t)
	for _, path := range []string{"p", "q", "r"} {
		want(t, e, stream.Created, create(path, "text/plain", path))
		flushNow(t, e)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// TestMissingSegmentIsNamed: a segment that is not there is no hole.
func TestMissingSegmentIsNamed(t *testing.T) {
	disk := threeLayers(t)
	names := append(filesIn(t, disk, manifest.SegmentDir), filesIn(t, disk, manifest.MetaDir)...)
	if len(names) < 6 {
		t.Fatalf("only %q", names)
	}
	for _, name := range names {
		damaged := disk.Clone()
		if err := damaged.Remove(name); err != nil {
			t.Fatal(err)
		}
		before := damaged.Snapshot()
		o := manualOptions(damaged, newFakeClock(), rand.New(rand.NewPCG(1, 1)))
		for what, open := range map[string]func() error{
			"open":  func() error { _, err := Open(o); return err },
			"check": func() error { _, err := Check(o); return err },
		} {
			var corrupt *frame.CorruptError
			if err := open(); !errors.As(err, &corrupt) || corrupt.Path != name {
				t.Errorf("%s without %s: %v", what, name, err)
			}
		}
		delete(before, "store/LOCK")
		after := damaged.Snapshot()
		delete(after, "store/LOCK")
		if !maps.EqualFunc(before, after, slices.Equal) {
			t.Errorf("a store without %s was changed", name)
		}
	}
}

// TestDamagedMetadataDeletesNothing: rows that do not verify refuse the store;
// they never count as streams that are not there.
func TestDamagedMetadataDeletesNothing(t *testing.T) {
	disk := threeLayers(t)
	for _, name := range filesIn(t, disk, manifest.MetaDir) {
		size := len(disk.Snapshot()[name])
		for at := range size {
			damaged := disk.Clone()
			if err := damaged.Corrupt(name, int64(at), 0x10); err != nil {
				t.Fatal(err)
			}
			before := damaged.Snapshot()
			_, err := Open(manualOptions(damaged, newFakeClock(), rand.New(rand.NewPCG(1, 1))))
			if err := refused(err); err != nil {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
			after := damaged.Snapshot()
			delete(before, "store/LOCK")
			delete(after, "store/LOCK")
			if !maps.EqualFunc(before, after, slices.Equal) {
				t.Fatalf("%s, byte %d: the refused store was changed", name, at)
			}
		}
	}
}

// TestNothingIsSealedBeyondDurable: a segment never has what the log might not
// have.
func TestNothingIsSealedBeyondDurable(t *testing.T) {
	for _, fails := range []bool{false, true} {
		e, disk, faults := lessonStore(t)
		want(t, e, stream.Created, create("p", "text/plain", "durable"))
		if got := appendTo("p", "text/plain", "staged")(e); got.Code != stream.Appended {
			t.Fatal(got.Code)
		}
		if !e.beginFlush() {
			t.Fatal("nothing to flush")
		}
		for range 10 {
			if more, err := e.stepFlush(); more || err != nil {
				t.Fatalf("a flush of staged appends went on: %v", err)
			}
		}
		if names := filesIn(t, disk, manifest.SegmentDir); len(names) > 0 || len(e.manifest.State().Acts) > 0 {
			t.Fatalf("before the sync there are %q", names)
		}
		if !fails {
			settle(t, e)
			for e.flush != nil {
				if _, err := e.stepFlush(); err != nil {
					t.Fatal(err)
				}
			}
			if got := bodies(t, reopened(t, disk), "p"); !slices.Equal(got, []string{"durable", "staged"}) {
				t.Fatalf("read %q", got)
			}
			continue
		}
		faults.Inject(func(op faultfs.Op) faultfs.Fault {
			if strings.Contains(op.Name, "/wal/") && op.Kind.Mutates() {
				return faultfs.Fault{Err: errInjected}
			}
			return faultfs.Fault{}
		})
		if _, err := e.Commit(); err == nil {
			t.Fatal("the commit succeeded")
		}
		e = reopened(t, disk)
		if got := bodies(t, e, "p"); !slices.Equal(got, []string{"durable"}) || e.Stats().Segments > 0 {
			t.Fatalf("read %q, %d segments", got, e.Stats().Segments)
		}
	}
}

func flushNow(t *testing.T, e *Engine) {
	t.Helper()
	settle(t, e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
}
