package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// tierFixture is a store in memory with a bucket, whose every step the test
// drives.
type tierFixture struct {
	*Engine
	t      testing.TB
	disk   *memfs.FS
	clock  *fakeClock
	bucket *mem.Bucket
	rng    *rand.Rand
	set    func(*Options)
}

// tierOptions puts almost everything into the bucket at once.
func tierOptions(b objstore.Bucket) *TierOptions {
	return &TierOptions{
		Bucket: b, LocalBytes: 1, CacheBytes: 64 << 10, SendBytes: 1, PublishEvery: time.Second, Grace: -1,
		Policy: objstore.Options{Attempts: 2, Sleep: func(context.Context, time.Duration) error { return nil }},
	}
}

func startTier(t testing.TB, set func(*Options)) *tierFixture {
	clock := newFakeClock()
	f := &tierFixture{t: t, disk: memfs.New(), clock: clock, bucket: mem.New(func() time.Time { return clock.wall }), rng: rand.New(rand.NewPCG(1, 2)), set: set}
	f.open()
	return f
}

func (f *tierFixture) options() Options {
	o := manualOptions(f.disk, f.clock, f.rng)
	o.Tier = tierOptions(f.bucket)
	if f.set != nil {
		f.set(&o)
	}
	return o
}

func (f *tierFixture) open() {
	f.t.Helper()
	f.Engine = mustOpen(f.t, f.options())
}

func (f *tierFixture) restart() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

// drain flushes, merges, sends, publishes, evicts and deletes whatever there is.
func (f *tierFixture) drain() {
	f.t.Helper()
	settle(f.t, f.Engine)
	f.clock.advance(2 * time.Second)
	for range 3 {
		for _, step := range []func() error{f.Flush, f.Merge, f.Tier, f.evict, f.sweepGarbage} {
			if err := step(); err != nil {
				f.t.Fatal(err)
			}
		}
		f.clock.advance(2 * time.Second)
	}
}

// fill appends to some streams and returns what each has.
func (f *tierFixture) fill(streams, appends, size int) map[string]string {
	all := map[string]string{}
	for i := range streams {
		path := fmt.Sprintf("s%d", i)
		want(f.t, f.Engine, stream.Created, create(path, "text/plain", ""))
		for j := range appends {
			body := fmt.Sprintf("%d/%d ", i, j) + strings.Repeat(string(rune('a'+f.rng.IntN(26))), f.rng.IntN(size)+1)
			want(f.t, f.Engine, stream.Appended, appendTo(path, "text/plain", body))
			all[path] += body
			if err := f.Allocate(); err != nil {
				f.t.Fatal(err)
			}
		}
		if i%3 == 2 {
			if err := f.Flush(); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	return all
}

func (f *tierFixture) same(all map[string]string) {
	f.t.Helper()
	for path, want := range all {
		parts, _, code := readAll(f.t, f.Engine, path, 0)
		if got := string(bytes.Join(parts, nil)); got != want || code != stream.OK {
			f.t.Fatalf("stream %s reads as %.60q (%d bytes, %v), want %.60q (%d)", path, got, len(got), code, want, len(want))
		}
	}
}

// audited demands that the bucket has what the store refers to, and nothing else.
func (f *tierFixture) audited() Audit {
	f.t.Helper()
	state := f.manifest.State()
	a, err := auditState(context.Background(), f.tier.store, f.store, &state)
	if err != nil || len(a.Lost)+len(a.Orphans) > 0 {
		f.t.Fatalf("audit: %+v, %v", a, err)
	}
	return a
}

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

// restoreInto restores what was published, elsewhere.
func (f *tierFixture) restoreInto() (*memfs.FS, error) {
	disk := memfs.New()
	_, err := RestoreFromBucket(context.Background(), BucketRestore{FS: disk, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64})
	return disk, err
}

func TestHistoryMovesToTheBucket(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(20, 30, 200)
	f.drain()
	state := f.manifest.State()
	if n := localBytes(&state); n > 0 || len(state.Layers) == 0 {
		t.Fatalf("%d bytes are on the disk", n)
	}
	f.audited()
	f.same(all)
	f.restart()
	f.same(all)
	f.audited()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(f.options())
	if err != nil || r.Remote == 0 {
		t.Fatalf("check: %+v, %v", r, err)
	}
	a, err := AuditBucket(context.Background(), f.options())
	if err != nil || len(a.Lost)+len(a.Orphans)+a.Unsent > 0 || a.Objects == 0 {
		t.Fatalf("audit: %+v, %v", a, err)
	}
}

func TestRestoreFromTheBucket(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(20, 30, 200)
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s7") })
	delete(all, "s7")
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.disk = memfs.New()
	r, err := RestoreFromBucket(context.Background(), BucketRestore{FS: f.disk, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64})
	if err != nil {
		t.Fatal(err)
	}
	if r.Streams != len(all) {
		t.Errorf("restored: %+v", r)
	}
	if _, err := Open(f.options()); err == nil {
		t.Fatal("the bucket of another directory was taken without a word")
	}
	set := f.set
	f.set = func(o *Options) {
		if set != nil {
			set(o)
		}
		o.Tier.Takeover = true
	}
	f.open()
	f.same(all)
	want(t, f.Engine, stream.Appended, appendTo("s1", "text/plain", "more"))
	all["s1"] += "more"
	f.drain()
	f.restart()
	f.same(all)
	f.audited()
}
