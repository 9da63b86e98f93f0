package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

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

// An old copy of the directory does not know what was published since, and must
// not publish what it knows: the objects of that are gone.
func TestAnOldCopyIsRefused(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(6, 10, 100)
	f.drain()
	old := f.disk.Clone()
	for i := range 3 {
		path := fmt.Sprintf("s%d", 2*i)
		want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(path) })
		delete(all, path)
	}
	for range 4 {
		f.drain()
	}
	f.same(all)
	f.audited()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.disk = old
	for _, takeover := range []bool{false, true} {
		o := f.options()
		o.Tier.Takeover = takeover
		if e, err := Open(o); !errors.Is(err, ErrOwner) {
			t.Fatalf("open with takeover %t: %v, %v", takeover, e, err)
		}
	}
	if _, err := f.restoreInto(); err != nil {
		t.Errorf("what was published cannot be restored: %v", err)
	}
}

// A head that is lost costs nothing but having to say so: the store opens by
// taking over, and publishes again.
func TestALostHeadIsMadeAgain(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	for _, k := range f.bucket.Keys() {
		if strings.HasSuffix(k, "/head") {
			f.bucket.Drop(k)
		}
	}
	want(t, f.Engine, stream.Created, create("n", "text/plain", "x"))
	f.Flush()
	before := len(f.bucket.Keys())
	for range 50 {
		f.clock.advance(8 * time.Second)
		if err := f.Tier(); err == nil {
			t.Fatal("a state was published without a head")
		}
	}
	if n := len(f.bucket.Keys()) - before; n > 5 {
		t.Errorf("%d objects are left by 50 tries", n)
	}
	f.Close()
	if _, err := Open(f.options()); !errors.Is(err, ErrBucket) {
		t.Errorf("open: %v", err)
	}
	f.set = func(o *Options) { o.Tier.Takeover = true }
	f.open()
	defer f.Close()
	f.drain()
	f.audited()
	if _, err := f.restoreInto(); err != nil {
		t.Error(err)
	}
}

// Who has not claimed the bucket, or finds that it does not have an object, keeps
// what is on the disk.
func TestCopiesStayUntilTheBucketIsOurs(t *testing.T) {
	f := startTier(t, func(o *Options) { withoutCaches(o); o.Tier.LocalBytes = 1 << 40 })
	b := f.faulty()
	f.restart()
	all := f.fill(6, 10, 100)
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, k := range f.bucket.Keys() {
		if !strings.HasSuffix(k, "/head") {
			f.bucket.Drop(k)
		}
	}
	b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
	f.open()
	f.same(all)
	f.tier.opts.LocalBytes = 1
	if err := f.evict(); err != nil {
		t.Error(err)
	}
	b.Heal()
	if err := f.Tier(); err != nil { // claimed now
		t.Error(err)
	}
	if err := f.evict(); err != nil {
		t.Error(err)
	}
	f.same(all)
	f.Close()
}
