package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/segment"
)

// tierCut is a store with a bucket that loses power at one operation of either.
type tierCut struct {
	*tierFixture
	faults *faultfs.FS
	calls  int
	stop   int // operation at which power is lost, 0 = none
	seen   map[string]bool
}

// op counts an operation, and loses power in front of or behind it: odd numbers
// are in front.
func (c *tierCut) op(what string, after bool) {
	if !after {
		c.calls++
		c.seen[what] = true
	}
	if c.stop != 0 && (c.stop+1)/2 == c.calls && after == (c.stop%2 == 0) {
		c.faults.Stop()
	}
}

// startTierCut opens a store all of whose operations count, and fills it.
func startTierCut(t testing.TB) (*tierCut, map[string]string) {
	c := &tierCut{seen: map[string]bool{}}
	f := &tierFixture{t: t, disk: memfs.New(), clock: newFakeClock(), rng: rand.New(rand.NewPCG(1, 2))}
	c.tierFixture = f
	f.bucket = mem.New(func() time.Time { return f.clock.wall })
	faulty := faultobj.New(f.bucket, 1, nil)
	c.faults = faultfs.New(f.disk)
	counting := false
	hook := func(after bool) func(op, key string) error {
		return func(op, key string) error {
			if counting && !c.faults.Stopped() {
				c.op("bucket "+op, after)
			}
			if c.faults.Stopped() {
				return errInjected
			}
			return nil
		}
	}
	faulty.Hook(hook(false), hook(true))
	f.set = func(o *Options) {
		o.FS = c.faults
		o.Tier.Bucket = faulty
		o.Tier.LocalBytes = 1 // all of it leaves the disk
	}
	f.open()
	all := f.fill(7, 5, 300)
	if id := f.idOf("s1"); id != 2 {
		t.Fatalf("s1 is stream %d", id)
	}
	settle(t, f.Engine)
	counting = true
	c.faults.Inject(func(op faultfs.Op) faultfs.Fault {
		if !op.Kind.Mutates() {
			return faultfs.Fault{}
		}
		c.calls++
		c.seen["disk "+string(op.Kind)] = true
		return faultfs.Fault{StopAfter: c.stop != 0 && (c.stop+1)/2 == c.calls}
	})
	return c, all
}

// act moves everything to the bucket, deletes a stream, and has its bytes leave
// the bucket too.
func (c *tierCut) act() error {
	steps := []func() error{c.Flush, c.Merge, c.Tier, c.evict, c.sweepGarbage}
	for round := range 4 {
		if round == 1 {
			c.Delete("s1")
			if _, err := c.Commit(); err != nil {
				return err
			}
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		c.clock.advance(2 * time.Second)
	}
	return c.Tier()
}

// recovered opens what a power cut left, and demands that everything is there and
// comes to its end.
func (c *tierCut) recovered(all map[string]string, keep memfs.Keep) {
	c.t.Helper()
	c.disk = c.disk.Crash(c.rng, keep)
	c.faults = faultfs.New(c.disk)
	before := c.disk.Clone()
	if _, err := Check(manualOptions(before, c.clock, c.rng)); err != nil {
		c.t.Fatalf("check: %v", err)
	}
	c.open()
	defer c.Close()
	all = maps.Clone(all)
	if _, t := c.Head("s1"); t.Code == stream.NotFound {
		delete(all, "s1")
	} else {
		want(c.t, c.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s1") })
		delete(all, "s1")
	}
	c.same(all)
	c.drain()
	c.drain()
	c.same(all)
	if a := c.audited(); a.Doomed+a.Unsent > 0 {
		c.t.Fatalf("in the end: %+v", a)
	}
	state := c.manifest.State()
	if localBytes(&state) > 0 || len(state.Garbage) > 0 || len(state.Acts) > 0 {
		c.t.Fatalf("left: %+v", state)
	}
	if n := c.holding(2); n > 0 { // s1
		c.t.Fatalf("%d objects hold bytes of a deleted stream", n)
	}
}

// holding is how many objects have appends of a stream.
func (f *tierFixture) holding(id stream.ID) (n int) {
	f.t.Helper()
	for _, key := range f.bucket.Keys() {
		if !strings.HasSuffix(key, ".seg") {
			continue
		}
		b, _ := f.bucket.Content(key)
		s, err := segment.Open(key, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.t.Fatal(err)
		}
		if s.Has(uint64(id)) {
			n++
		}
	}
	return n
}

// idOf is the identity of a stream.
func (f *tierFixture) idOf(path string) stream.ID {
	f.t.Helper()
	info, tk := f.Head(path)
	if tk.Code != stream.OK {
		f.t.Fatalf("head of %s: %v", path, tk.Code)
	}
	return info.ID
}

// TestCrashAtEveryOperationOfTheTier loses power in front of and behind every
// operation of the disk and of the bucket while segments are sent, published,
// evicted, merged away and deleted.
func TestCrashAtEveryOperationOfTheTier(t *testing.T) {
	t.Parallel()
	keeps := []memfs.Keep{memfs.KeepNone, memfs.KeepAll, memfs.KeepSome}
	whole, _ := startTierCut(t)
	if err := whole.act(); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"bucket put", "bucket head", "bucket read", "bucket delete", "disk create", "disk sync", "disk remove"} {
		if !whole.seen[what] {
			t.Errorf("no %s: the act is not what was meant (%v)", what, whole.seen)
		}
	}
	operations := whole.calls
	whole.Close()
	for stop := 1; stop <= 2*operations; stop++ {
		if raceEnabled && stop%7 != 0 {
			continue
		}
		keep := keeps[stop%len(keeps)]
		t.Run(fmt.Sprintf("%d keep %v", stop, keep), func(t *testing.T) {
			c, all := startTierCut(t)
			c.stop = stop
			err := c.act()
			if !c.faults.Stopped() {
				t.Fatalf("not stopped: %v", err)
			}
			c.recovered(all, keep)
		})
	}
	t.Logf("%d operations, cut in front of and behind each", operations)
}

// TestCrashAtEveryOperationOfABucketRestore loses power at every operation of a
// restore. What is left is a store, or is refused; and the bucket is as it was.
func TestCrashAtEveryOperationOfABucketRestore(t *testing.T) {
	t.Parallel()
	f := startTier(t, nil)
	all := f.fill(7, 5, 300)
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before := f.contents()
	restore := func(disk *memfs.FS, stop int) (*faultfs.FS, error) {
		faults := faultfs.New(disk)
		faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == stop} })
		_, err := RestoreFromBucket(context.Background(), BucketRestore{FS: faults, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64})
		return faults, err
	}
	whole, err := restore(memfs.New(), 0)
	if err != nil {
		t.Fatal(err)
	}
	refused, stores := 0, 0
	for stop := 1; stop <= whole.Calls(); stop++ {
		disk := memfs.New()
		restore(disk, stop)
		disk = disk.Crash(f.rng, []memfs.Keep{memfs.KeepNone, memfs.KeepAll, memfs.KeepSome}[stop%3])
		o := manualOptions(disk, f.clock, f.rng)
		o.offline = true
		e, err := Open(o)
		switch {
		case errors.Is(err, ErrNotAStore):
			refused++
		case err != nil:
			t.Fatalf("stopped at %d: %v", stop, err)
		default:
			if n := e.table.Len(); n != 0 && n != len(all) {
				t.Fatalf("stopped at %d: a store of %d streams", stop, n)
			} else if n > 0 {
				stores++
			}
			e.Close()
		}
	}
	if refused == 0 || stores == 0 {
		t.Errorf("%d refused, %d stores", refused, stores)
	}
	if !maps.Equal(f.contents(), before) {
		t.Error("restoring changed the bucket")
	}
}

// contents is what the bucket has.
func (f *tierFixture) contents() map[string]string {
	all := map[string]string{}
	for _, key := range f.bucket.Keys() {
		b, _ := f.bucket.Content(key)
		all[key] = string(b)
	}
	return all
}

var _ objstore.Bucket = (*tierWorld)(nil)
