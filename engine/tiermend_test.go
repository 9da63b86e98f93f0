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
	"tailrace/internal/vfs/faultfs"
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
