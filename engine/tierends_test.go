package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/segment"
	"tailrace/wal"
)

// TestRunsAreReadFromTheBucket: damage of the run index is no more than damage of
// a block while the bucket has the segment.
func TestRunsAreReadFromTheBucket(t *testing.T) {
	f, all, seg, blocksEnd := twoCopies(t)
	if err := f.disk.Corrupt(f.filePath(seg.File()), blocksEnd+5, 1); err != nil {
		t.Fatal(err)
	}
	f.open()
	f.same(all)
	if n := f.Stats().Damage; n == 0 {
		t.Error("damage was not counted")
	}
	b := f.options().Tier.Bucket.(*faultobj.Bucket)
	b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
	for path := range all {
		if _, _, code := readAll(t, f.Engine, path, 0); code != stream.Unavailable {
			t.Errorf("%s without the bucket: %v", path, code)
		}
	}
	b.Heal()
	f.clock.advance(time.Hour)
	for f.scrub() {
	}
	f.mended(all)
}

// TestNoStreamIsLostThatTheBucketHas: what would be given up is whole elsewhere.
func TestNoStreamIsLostThatTheBucketHas(t *testing.T) {
	f, all, seg, _ := twoCopies(t)
	name := f.filePath(seg.File())
	if err := f.disk.Corrupt(name, 150, 1); err != nil {
		t.Fatal(err)
	}
	o := f.options()
	o.Tier = nil
	lost, _, err := LoseStreamsIn(o, name)
	if !errors.Is(err, errBucketHasIt) || len(lost) > 0 {
		t.Errorf("%q were deleted: %v", lost, err)
	}
	var damage *DamageError
	if _, err := Repair(o); !errors.As(err, &damage) || !strings.Contains(err.Error(), "--bucket") {
		t.Errorf("repair: %v", err)
	} else if d := damage.Faults[0]; !d.Bucket || d.All || len(d.Streams) > 0 {
		t.Errorf("the fault is %+v", d)
	}
	f.open()
	f.same(all)
	f.Close()
}

// TestEndsAreMended: what the disk keeps of a segment in the bucket is replaced
// when it rots: by the scrubber, or by the evicter if opening met it.
func TestEndsAreMended(t *testing.T) {
	for _, where := range []string{"run index", "run index, read first", "footer", "missing"} {
		t.Run(where, func(t *testing.T) {
			f := startTier(t, func(o *Options) { withoutCaches(o); o.ScrubEvery = time.Second })
			f.faulty()
			f.restart()
			all := f.fill(3, 10, 100)
			f.drain()
			seg := f.oneSegment()
			if seg.Place != manifest.PlaceRemote {
				t.Fatalf("the segment is %v", seg.Place)
			}
			name := f.filePath(seg.OnDisk())
			size := seg.Bytes
			if s, ok := f.version.has(seg.ID); ok {
				size += segment.HeaderBytes - s.reader.BlocksEnd()
			}
			var err error
			switch where {
			case "footer":
				err = f.disk.Corrupt(name, size-3, 1)
			case "missing":
				err = f.disk.Remove(name)
			default:
				err = f.disk.Corrupt(name, segment.HeaderBytes+5, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Check(f.options()); err == nil {
				t.Error("check finds nothing")
			}
			if faults := diagnose(f.options(), wal.Store{ID: f.store}); len(faults) != 1 || faults[0].Path != name || !faults[0].Bucket {
				t.Errorf("the diagnosis is %+v", faults)
			}
			atOpen := where == "footer" || where == "missing"
			if atOpen {
				f.restart()
			}
			if where != "run index" {
				f.same(all)
			}
			if atOpen {
				if err := f.evict(); err != nil {
					t.Fatal(err)
				}
			} else {
				f.clock.advance(time.Hour)
				for f.scrub() {
				}
			}
			got := f.oneSegment()
			if got.Index == seg.Index {
				t.Error("the damaged file is still in use")
			}
			if got.Index = seg.Index; got != seg {
				t.Errorf("the segment was %+v, is %+v", seg, got)
			}
			if f.Stats().Damage == 0 {
				t.Error("damage was not counted")
			}
			f.same(all)
			f.mended(all)
			if _, err := f.disk.Open(name); err == nil {
				t.Error("the damaged file is still there")
			}
		})
	}
}

// TestMendingSurvivesCrashes: whatever step of it is the last, the store opens and
// has everything.
func TestMendingSurvivesCrashes(t *testing.T) {
	for try := 0; ; try++ {
		stop := try / 2
		f, all, seg, _ := twoCopies(t)
		if err := f.disk.Corrupt(f.filePath(seg.File()), seg.Bytes-3, 1); err != nil {
			t.Fatal(err)
		}
		faults := faultfs.New(f.disk)
		o := f.options()
		o.FS = faults
		f.Engine = mustOpen(t, o)
		n := 0
		faults.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.ReadAt {
				return faultfs.Fault{}
			}
			if n++; n > stop {
				return faultfs.Fault{Err: faultfs.ErrInjected}
			}
			return faultfs.Fault{}
		})
		f.evict()
		done := n <= stop
		faults.Inject(nil)
		after := f.disk
		if try%2 == 1 { // a power cut, and not a process that ends
			after = f.disk.Crash(f.rng, memfs.KeepSome)
		}
		f.Close()
		f.disk = after
		f.open()
		f.same(all)
		for range 2 {
			if err := errors.Join(f.evict(), f.sweepGarbage()); err != nil {
				t.Fatalf("stopped after %d steps: %v", stop, err)
			}
		}
		if got := f.oneSegment(); got.Place != manifest.PlaceRemote {
			t.Errorf("stopped after %d steps, the segment is %v", stop, got.Place)
		}
		f.mended(all)
		if done && try%2 == 1 {
			if stop < 5 {
				t.Errorf("mending took %d steps only", stop)
			}
			return
		}
	}
}
