package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// faulty puts faults between the store and its bucket.
func (f *tierFixture) faulty() *faultobj.Bucket {
	instant := func(context.Context, time.Duration) error { return nil }
	b := faultobj.New(f.bucket, 1, instant)
	set := f.set
	f.set = func(o *Options) {
		if set != nil {
			set(o)
		}
		o.Tier.Bucket = b
	}
	return b
}

// withoutCaches makes every read of history a request.
func withoutCaches(o *Options) {
	o.BlockCacheBytes, o.Tier.CacheBytes = 1, 4096
}

// A bucket that cannot be used as it is configured is refused when the store is
// opened; one that is only out of reach is not.
func TestUnfitBucketsAreRefused(t *testing.T) {
	refused := func(name string, want bool, prepare func(f *tierFixture, b *faultobj.Bucket)) {
		t.Run(name, func(t *testing.T) {
			f := startTier(t, nil)
			all := f.fill(3, 5, 50)
			f.drain()
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			b := f.faulty()
			prepare(f, b)
			e, err := Open(f.options())
			if errors.Is(err, ErrBucket) != want {
				t.Fatalf("open: %v", err)
			}
			if err != nil {
				// Nothing happened: well again, it opens.
				b.Heal()
				if e, err = Open(f.options()); err != nil {
					t.Fatal(err)
				}
			}
			f.Engine = e
			defer f.Close()
			b.Heal()
			if err := f.Tier(); err != nil { // what was not reached is tried again
				t.Fatal(err)
			}
			f.same(all)
			if !f.tier.owned() {
				t.Error("the bucket was not claimed")
			}
		})
	}
	every := func(fault faultobj.Fault) func(*tierFixture, *faultobj.Bucket) {
		return func(_ *tierFixture, b *faultobj.Bucket) { b.Fail("", fault, 1000) }
	}
	refused("ignores conditions", true, func(_ *tierFixture, b *faultobj.Bucket) { b.IgnoreConditions(true) })
	refused("ignores checksums", true, func(_ *tierFixture, b *faultobj.Bucket) { b.IgnoreChecksums(true) })
	refused("denies", true, every(faultobj.Denied))
	refused("has another time", true, every(faultobj.Skewed))
	refused("is down", false, every(faultobj.Internal))
	refused("does not answer", false, every(faultobj.TimeoutBefore))
	refused("has enough", false, every(faultobj.SlowDown))
	refused("is another one", true, func(f *tierFixture, b *faultobj.Bucket) {
		other := mem.New(nil)
		set := f.set
		first := true
		f.set = func(o *Options) {
			if set(o); first {
				o.Tier.Bucket = other
			}
			first = false
		}
	})
}

// A store that has moved in part is not opened without its bucket.
func TestTheBucketIsMissed(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	o := f.options()
	o.Tier = nil
	if _, err := Open(o); !errors.Is(err, ErrNoBucket) {
		t.Fatalf("open without the bucket: %v", err)
	}
}

// Of two directories of one store, one writes in the bucket. Who is replaced
// notices before it publishes or deletes anything, and goes on reading.
func TestOnlyOneOwnsTheBucket(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(6, 10, 100)
	f.drain()
	// A copy of the directory, as a careless backup makes one.
	other := *f
	other.disk = f.disk.Clone()
	other.open()
	defer other.Close()
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s1") })
	before := len(f.bucket.Keys())
	f.drain()
	if phase := TierPhase(f.tier.phase.Load()); phase != TierFenced {
		t.Fatalf("the first owner is %v", phase)
	}
	if n := len(f.bucket.Keys()); n < before {
		t.Errorf("who was replaced deleted %d objects", before-n)
	}
	other.same(all)
	delete(all, "s1")
	f.same(all)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	other.drain()
	if phase := TierPhase(other.tier.phase.Load()); phase != TierReady {
		t.Errorf("the second owner is %v", phase)
	}
}

// A copy that was restored is another directory: it has to be told to take over,
// and is refused when the bucket has moved on since.
func TestTakingOverIsAsked(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	restored := func() Options {
		disk := memfs.New()
		if _, err := RestoreFromBucket(context.Background(), BucketRestore{FS: disk, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64}); err != nil {
			t.Fatal(err)
		}
		o := f.options()
		o.FS = disk
		return o
	}
	o := restored()
	if _, err := Open(o); !errors.Is(err, ErrOwner) {
		t.Fatalf("open without taking over: %v", err)
	}
	want(t, f.Engine, stream.Created, create("new", "text/plain", "more"))
	f.drain()
	o.Tier.Takeover = true
	if _, err := Open(o); !errors.Is(err, ErrOwner) {
		t.Fatalf("open behind the bucket: %v", err)
	}
	o = restored()
	o.Tier.Takeover = true
	e := mustOpen(t, o)
	defer e.Close()
	want(t, f.Engine, stream.Created, create("newer", "text/plain", "more"))
	f.drain()
	if phase := TierPhase(f.tier.phase.Load()); phase != TierFenced {
		t.Errorf("the owner before is %v", phase)
	}
	f.Close()
}

// The first byte of a read of history costs one request, wherever it is.
func TestFirstByteCostsOneRequest(t *testing.T) {
	f := startTier(t, func(o *Options) {
		withoutCaches(o)
		o.LogFileBytes, o.BodyBytesMax = 1<<20, 64<<10
	})
	b := f.faulty()
	f.restart()
	all := f.fill(9, 6, 30_000)
	f.drain()
	for path := range all {
		var ends []stream.Offset
		_, last, _ := readAll(t, f.Engine, path, 0)
		for from := stream.Offset(0); from < last.Tail; {
			b.Forget()
			res, tk := f.ReadCold(ReadRequest{Path: path, From: from, BytesMax: 1})
			if tk.Code != stream.OK || len(res.Parts) != 1 {
				t.Fatalf("read %s from %d: %v, %d parts", path, from, tk.Code, len(res.Parts))
			}
			calls := b.Trace()
			if len(calls) > 1 || len(calls) == 1 && calls[0].Op != objstore.OpReadAt {
				t.Fatalf("read %s from %d asked %v", path, from, calls)
			}
			ends, from = append(ends, res.Next), res.Next
		}
		if len(ends) != 6 {
			t.Fatalf("%s has %d appends", path, len(ends))
		}
	}
}

// A bucket that does not answer is a matter of the reads that need it. They end in
// bounded time, and do not take the place of others.
func TestADeadBucketKeepsNobodyElse(t *testing.T) {
	f := startTier(t, withoutCaches)
	b := f.faulty()
	f.restart()
	old := f.fill(5, 5, 100)
	f.drain()
	release := make(chan struct{})
	b.Hook(func(op, key string) error {
		if op == objstore.OpReadAt {
			<-release
		}
		return nil
	}, nil)
	const waiting = 2 * farReadsMax
	codes := make(chan stream.Code, waiting)
	for i := range waiting {
		go func() {
			_, tk := f.ReadCold(ReadRequest{Path: fmt.Sprintf("s%d", i%len(old))})
			codes <- tk.Code
		}()
	}
	// As many as may wait do, and the others are told at once.
	for range waiting - farReadsMax {
		if code := <-codes; code != stream.Unavailable {
			t.Fatalf("a read too many is %v", code)
		}
	}
	want(t, f.Engine, stream.Created, create("new", "text/plain", "in memory"))
	if parts, _, _ := readAll(t, f.Engine, "new", 0); len(parts) != 1 {
		t.Error("a read of memory waits for the bucket")
	}
	f.tier.opts.LocalBytes = 1 << 40 // what is flushed now stays on the disk
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if parts, _, _ := readAll(t, f.Engine, "new", 0); len(parts) != 1 {
		t.Error("a read of the disk waits for the bucket")
	}
	close(release)
	for range farReadsMax {
		if code := <-codes; code != stream.OK {
			t.Errorf("a read that waited is %v", code)
		}
	}
	b.Hook(nil, nil)
	f.same(old)
	f.Close()
}

// What the bucket fails to serve is said so, and counted; nothing wrong is served.
func TestFailingReadsSayWhatIsWrong(t *testing.T) {
	for fault, code := range map[faultobj.Fault]stream.Code{
		faultobj.Internal: stream.Unavailable, faultobj.SlowDown: stream.Unavailable, faultobj.TimeoutBefore: stream.Unavailable,
		faultobj.Denied: stream.Unavailable, faultobj.Missing: stream.Unavailable, faultobj.Truncated: stream.Unavailable,
		faultobj.Corrupt: stream.DataCorrupt,
	} {
		t.Run(fault.String(), func(t *testing.T) {
			f := startTier(t, withoutCaches)
			b := f.faulty()
			f.restart()
			all := f.fill(3, 5, 100)
			f.drain()
			b.Fail(objstore.OpReadAt, fault, 1000)
			if _, tk := f.ReadCold(ReadRequest{Path: "s1"}); tk.Code != code {
				t.Errorf("the read is %v, want %v", tk.Code, code)
			}
			b.Heal()
			f.same(all)
			if fault != faultobj.Denied && fault != faultobj.Missing {
				b.Fail(objstore.OpReadAt, fault, 1) // once is mended by another try
				f.same(all)
			}
			f.Close()
		})
	}
}

// Two copies mend each other: damage on the disk is read around in the bucket and
// leaves the disk, damage in the bucket is replaced from the disk.
func TestCopiesMendEachOther(t *testing.T) {
	both := func(t *testing.T) (*tierFixture, map[string]string, manifest.Segment) {
		f := startTier(t, func(o *Options) {
			withoutCaches(o)
			o.Tier.LocalBytes, o.ScrubEvery = 1<<40, time.Second
		})
		all := f.fill(3, 5, 100)
		settle(t, f.Engine)
		f.clock.advance(2 * time.Second)
		for _, step := range []func() error{f.Flush, f.Merge, f.Tier} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		state := f.manifest.State()
		for _, l := range state.Layers {
			for _, seg := range l.Segments {
				if seg.Place == manifest.PlaceBoth {
					return f, all, seg
				}
			}
		}
		t.Fatalf("no segment has two copies: %+v", state)
		return nil, nil, manifest.Segment{}
	}
	scrubbed := func(f *tierFixture) {
		f.clock.advance(time.Minute)
		for f.scrub() {
		}
	}
	t.Run("disk", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.disk.Corrupt(f.filePath(seg.File()), 150, 1)
		f.same(all)
		scrubbed(f)
		state := f.manifest.State()
		if got, _ := state.Find(seg.ID); got.Place != manifest.PlaceRemote {
			t.Errorf("the damaged file is kept: %v", got.Place)
		}
		f.same(all)
		f.audited()
	})
	t.Run("bucket", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.bucket.Truncate(f.tier.nameOf(seg.Object()), 10)
		scrubbed(f)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
		f.same(all)
		f.audited()
		if f.tier.lost.Load() == 0 {
			t.Error("the loss is not counted")
		}
	})
	t.Run("lost", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.bucket.Drop(f.tier.nameOf(seg.Object()))
		scrubbed(f)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
		f.same(all)
		f.audited()
	})
}

// A segment that is damaged on the disk after it was announced is not sent, and
// does not keep others from it.
func TestADamagedSegmentKeepsNoOther(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.LocalBytes, o.MergeFanIn, o.Tier.PublishEvery = 1<<20, 100, 1 })
	defer func() { f.Close() }()
	b := f.faulty()
	f.restart()
	f.fill(6, 3, 100)
	f.clock.advance(time.Second)
	b.Fail(objstore.OpPut, faultobj.Internal, 100)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Tier(); err == nil {
		t.Fatal("nothing failed")
	}
	state := f.manifest.State()
	var announced manifest.Segment
	others := 0
	for _, l := range state.Layers {
		for _, seg := range l.Segments {
			if others++; seg.Place == manifest.PlaceSending {
				announced = seg
			}
		}
	}
	if announced.ID == 0 || others < 2 {
		t.Fatalf("announced is %d of %d segments", announced.ID, others)
	}
	b.Heal()
	f.disk.Corrupt(f.filePath(announced.File()), 150, 1)
	if err := f.Tier(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("segment %d cannot be sent", announced.ID)) {
		t.Errorf("that nothing can be published is not said: %v", err)
	}
	state = f.manifest.State()
	for _, l := range state.Layers {
		for _, seg := range l.Segments {
			if (seg.Place == manifest.PlaceBoth) != (seg.ID != announced.ID) {
				t.Errorf("segment %d is %v", seg.ID, seg.Place)
			}
		}
	}
	if f.damage.Load() == 0 {
		t.Error("the damage is not counted")
	}
}

// What is deleted, or expires, leaves the disk and the bucket: much of a segment
// soon, little of one within the time that was stated.
func TestDeadBytesLeaveTheBucket(t *testing.T) {
	f := startTier(t, func(o *Options) { o.ReclaimWithin, o.Tier.LocalBytes = time.Hour, 1<<20 })
	all := f.fill(12, 4, 200)
	for _, path := range []string{"short", "late"} {
		want(t, f.Engine, stream.Created, func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: 3000, Body: []byte("secret of " + path)})
		})
	}
	f.drain()
	deleted, short, late := f.idOf("s3"), f.idOf("short"), f.idOf("late")
	if n := f.holding(deleted) + f.holding(short) + f.holding(late); n != 3 {
		t.Fatalf("%d objects hold them", n)
	}
	// One stream of many: not worth it by itself.
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s3") })
	delete(all, "s3")
	f.drain()
	f.clock.advance(40 * time.Minute)
	f.drain()
	f.same(all)
	if n := f.holding(deleted); n != 1 {
		t.Fatalf("%d objects hold what was deleted a while ago, want 1: it is not worth it yet", n)
	}
	want(t, f.Engine, stream.OK, func(e *Engine) Ticket {
		_, tk := e.Read(ReadRequest{Path: "late", Touch: true})
		return tk
	})
	f.clock.advance(20 * time.Minute)
	for range 8 {
		f.Sweep()
		f.drain()
		f.clock.advance(time.Minute)
	}
	if n := f.holding(deleted); n != 0 {
		t.Errorf("%d objects hold what was deleted more than an hour ago", n)
	}
	f.clock.advance(2 * time.Hour)
	for range 8 {
		f.Sweep()
		f.drain()
		f.clock.advance(20 * time.Minute)
	}
	if n := f.holding(short) + f.holding(late); n != 0 {
		t.Errorf("%d objects hold what has expired", n)
	}
	f.same(all)
	f.audited()
	f.Close()
}

// A backup has everything itself, also what was only in the bucket.
func TestBackupOfATieredStoreIsWhole(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(6, 5, 200)
	f.drain()
	if _, err := f.Backup(context.Background(), "backup", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(context.Background(), f.disk, "backup", "copy", nil); err != nil {
		t.Fatal(err)
	}
	o := manualOptions(f.disk, f.clock, f.rng)
	o.Dir = "copy"
	f.Engine = mustOpen(t, o)
	f.same(all)
	f.Close()
}
