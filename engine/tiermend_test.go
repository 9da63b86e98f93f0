package engine

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/segment"
	"tailrace/wal"
)

// twoCopies is a closed store with one segment, which is on the disk and in the
// bucket, what its streams have, and where its blocks end.
func twoCopies(t *testing.T) (f *tierFixture, all map[string]string, seg manifest.Segment, blocksEnd int64) {
	f = startTier(t, func(o *Options) { withoutCaches(o); o.Tier.LocalBytes, o.ScrubEvery = 1<<40, time.Second })
	f.faulty()
	f.restart()
	all = f.fill(3, 5, 100)
	f.drain()
	seg = f.oneSegment()
	if seg.Place != manifest.PlaceBoth {
		t.Fatalf("the segment is %v", seg.Place)
	}
	s, _ := f.version.has(seg.ID)
	blocksEnd = s.reader.BlocksEnd()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f, all, seg, blocksEnd
}

func (f *tierFixture) oneSegment() manifest.Segment {
	f.t.Helper()
	var all []manifest.Segment
	for _, l := range f.manifest.State().Layers {
		all = append(all, l.Segments...)
	}
	if len(all) != 1 {
		f.t.Fatalf("%d segments", len(all))
	}
	return all[0]
}

// mended demands that nothing of the store is damaged any more: it opens without
// the bucket, and is closed again.
func (f *tierFixture) mended(all map[string]string) {
	f.t.Helper()
	f.audited()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
	o := f.options()
	if r, err := Check(o); err != nil || r.Streams != len(all) {
		f.t.Errorf("check: %+v, %v", r, err)
	}
	b := o.Tier.Bucket.(*faultobj.Bucket)
	b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
	f.open() // without the bucket
	b.Heal()
	if err := f.Tier(); err != nil {
		f.t.Fatal(err)
	}
	f.same(all)
	if n := f.Stats().Damage; n != 0 {
		f.t.Errorf("%d times damage after it was mended", n)
	}
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// flipObject makes an object another one with the same name.
func (f *tierFixture) flipObject(name string, at int) {
	f.t.Helper()
	b, _ := f.bucket.Content(name)
	b[at] ^= 1
	f.bucket.Drop(name)
	body := objstore.Body{R: bytes.NewReader(b), Size: int64(len(b)), CRC: frame.Checksum(b)}
	if _, err := f.bucket.Put(context.Background(), name, body, objstore.Condition{}); err != nil {
		f.t.Fatal(err)
	}
}

// damages are what may happen to a segment's file where opening looks.
var damages = map[string]func(f *tierFixture, name string, seg manifest.Segment) error{
	"footer": func(f *tierFixture, name string, seg manifest.Segment) error {
		return f.disk.Corrupt(name, seg.Bytes-3, 1)
	},
	"header":  func(f *tierFixture, name string, _ manifest.Segment) error { return f.disk.Corrupt(name, 20, 1) },
	"missing": func(f *tierFixture, name string, _ manifest.Segment) error { return f.disk.Remove(name) },
}

// TestOpensByTheCopyInTheBucket: a segment that is in both places is read from the
// bucket if the disk lost it, and its ends are on the disk soon.
func TestOpensByTheCopyInTheBucket(t *testing.T) {
	for how, damage := range damages {
		t.Run(how, func(t *testing.T) {
			f, all, seg, _ := twoCopies(t)
			name := f.filePath(seg.File())
			if err := damage(f, name, seg); err != nil {
				t.Fatal(err)
			}
			b := f.options().Tier.Bucket.(*faultobj.Bucket)
			b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
			if _, err := Open(f.options()); !isCorrupt(err) {
				t.Fatalf("without the bucket: %v", err)
			}
			b.Heal()
			f.open()
			f.same(all)
			if n := f.Stats().Damage; n != 1 {
				t.Errorf("%d times damage", n)
			}
			// A scrub before the evicter's turn finds nothing to send again.
			f.clock.advance(time.Hour)
			for f.scrub() {
			}
			if got := f.oneSegment(); got.Place != manifest.PlaceBoth {
				t.Errorf("the segment is %v before it was evicted", got.Place)
			}
			if err := f.evict(); err != nil {
				t.Fatal(err)
			}
			if got := f.oneSegment(); got.Place != manifest.PlaceRemote {
				t.Fatalf("the segment is %v", got.Place)
			}
			f.same(all)
			f.mended(all)
			if _, err := f.disk.Open(name); err == nil {
				t.Error("the damaged file is still there")
			}
		})
	}
}

// TestWhatCannotBeMendedWaits: what the disk has is not given up for an object that
// is not what it should be. That stops nothing else, and is tried again later.
func TestWhatCannotBeMendedWaits(t *testing.T) {
	for _, wrong := range []string{"another content", "an index page", "an index page, after it was looked at"} {
		t.Run(wrong, func(t *testing.T) {
			f, all, seg, blocksEnd := twoCopies(t)
			name := f.filePath(seg.File())
			if err := f.disk.Corrupt(name, seg.Bytes-3, 1); err != nil {
				t.Fatal(err)
			}
			f.open()
			object := f.tier.nameOf(seg.Object())
			b := f.tier.opts.Bucket.(*faultobj.Bucket)
			damage := func() { f.bucket.Corrupt(object, blocksEnd+5) } // and undoes it
			if wrong == "another content" {
				damage = func() { f.flipObject(object, 150) }
			}
			if strings.HasSuffix(wrong, "after it was looked at") {
				once := damage
				b.Hook(func(op, key string) error {
					if op == objstore.OpReadAt && key == object && once != nil {
						once()
						once = nil
					}
					return nil
				}, nil)
			} else {
				damage()
			}
			if err := f.evict(); err != nil {
				t.Fatal(err)
			}
			if got := f.oneSegment(); got.Place != manifest.PlaceBoth {
				t.Fatalf("the segment is %v, and the bucket does not have it", got.Place)
			}
			before := len(b.Trace())
			if err := f.evict(); err != nil {
				t.Fatal(err)
			}
			if n := len(b.Trace()) - before; n > 0 {
				t.Errorf("%d requests at once after a failure", n)
			}
			f.clock.advance(time.Hour)
			// The disk has nothing that could be sent instead.
			if f.scrub(); f.oneSegment().Place != manifest.PlaceBoth {
				t.Errorf("the segment is %v after a scrub", f.oneSegment().Place)
			}
			if _, err := f.disk.Open(name); err != nil {
				t.Error(err)
			}
			b.Hook(nil, nil)
			damage()
			f.clock.advance(asideTime)
			f.Now()
			if err := f.evict(); err != nil {
				t.Fatal(err)
			}
			if got := f.oneSegment(); got.Place != manifest.PlaceRemote {
				t.Errorf("the segment is %v", got.Place)
			}
			f.mended(all)
		})
	}
}

// TestOnlyWhatIsNotThereIsMissing: an open that fails for another reason is no
// damage, of which something would be given up.
func TestOnlyWhatIsNotThereIsMissing(t *testing.T) {
	f, _, seg, _ := twoCopies(t)
	faults := faultfs.New(f.disk)
	faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if strings.HasSuffix(op.Name, f.filePath(seg.File())) {
			return faultfs.Fault{Err: faultfs.ErrInjected}
		}
		return faultfs.Fault{}
	})
	o := f.options()
	o.FS = faults
	if _, err := Open(o); !errors.Is(err, faultfs.ErrInjected) || isCorrupt(err) {
		t.Errorf("open: %v", err)
	}
}

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
