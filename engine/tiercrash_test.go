package engine

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/stream"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var tierSeeds = flag.Int("engine.tier-seeds", tierSeedsDefault(), "seeds of the simulation with a bucket, each of several lives with faults of the bucket and of the disk")

func tierSeedsDefault() int {
	if raceEnabled {
		return 30
	}
	return 600
}

// TestTierKeepsWhatWasAcknowledged is the crash simulation of a store with a
// bucket: all faults that a bucket can have happen, and power is lost between any
// two operations of the disk and of the bucket. Afterwards, when the bucket is
// well again, it has what the store refers to and nothing else, the store is
// exactly its records, and a restore from the bucket is exactly the records up to
// what was published.
func TestTierKeepsWhatWasAcknowledged(t *testing.T) {
	first := firstSeed(t)
	var next atomic.Int64
	var wg sync.WaitGroup
	var all tally
	var seen tierTally
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(*tierSeeds) || t.Failed() {
					return
				}
				seed := first + uint64(i)
				if err := tierRun(seed, &all, &seen); err != nil {
					t.Errorf("-engine.seed=%d -engine.tier-seeds=1: %v", seed, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d seeds in %v: %v, %v", *tierSeeds, time.Since(began).Round(time.Millisecond), &seen, &all)
	if *tierSeeds >= 500 && !t.Failed() {
		if never := seen.never(); len(never) > 0 {
			t.Errorf("the runs never got to: %q", never)
		}
	}
}

// tierTally counts what the runs with a bucket got to.
type tierTally struct {
	faults      [32]atomic.Int64 // by kind
	cuts        atomic.Int64     // power lost at an operation of the bucket
	farReads    atomic.Int64
	unavailable atomic.Int64
	corrupt     atomic.Int64
	refused     atomic.Int64 // opening was
	restores    atomic.Int64
	objects     atomic.Int64 // in audits
}

func (c *tierTally) String() string {
	return fmt.Sprintf("cuts %d, far reads %d, unavailable %d, corrupt %d, refused %d, restores %d, objects %d",
		c.cuts.Load(), c.farReads.Load(), c.unavailable.Load(), c.corrupt.Load(), c.refused.Load(), c.restores.Load(), c.objects.Load())
}

func (c *tierTally) never() (names []string) {
	for _, f := range faultobj.Faults() {
		if c.faults[f].Load() == 0 && f != faultobj.LyingList {
			names = append(names, f.String())
		}
	}
	for name, n := range map[string]*atomic.Int64{
		"cuts": &c.cuts, "far reads": &c.farReads, "unavailable": &c.unavailable, "corrupt": &c.corrupt, "refused": &c.refused,
		"restores": &c.restores, "objects": &c.objects,
	} {
		if n.Load() == 0 {
			names = append(names, name)
		}
	}
	return names
}

// tierWorld is the bucket of a run.
type tierWorld struct {
	base   *mem.Bucket
	faulty *faultobj.Bucket // all but the head
	head   *faultobj.Bucket // the head, which nobody else writes
	seen   *tierTally
	rates  map[faultobj.Fault]float64
	calls  int
	cutAt  int // call at which power is lost, 0 = none
	after  bool
	small  bool // segments leave the disk at once
}

// forKey is the bucket for a key.
func (w *tierWorld) forKey(key string) *faultobj.Bucket {
	if strings.HasSuffix(key, "/head") {
		return w.head
	}
	return w.faulty
}

func (w *tierWorld) Put(ctx context.Context, key string, b objstore.Body, c objstore.Condition) (string, error) {
	return w.forKey(key).Put(ctx, key, b, c)
}
func (w *tierWorld) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	return w.forKey(key).ReadAt(ctx, key, p, off)
}
func (w *tierWorld) Head(ctx context.Context, key string) (objstore.Info, error) {
	return w.forKey(key).Head(ctx, key)
}
func (w *tierWorld) Delete(ctx context.Context, key string) error {
	return w.forKey(key).Delete(ctx, key)
}
func (w *tierWorld) List(ctx context.Context, prefix, after string, max int) ([]objstore.Info, error) {
	return w.faulty.List(ctx, prefix, after, max)
}

func newTierCrashes(seed uint64, all *tally, seen *tierTally) *crashes {
	r := newCrashes(seed, all)
	instant := func(context.Context, time.Duration) error { return nil }
	w := &tierWorld{base: mem.New(func() time.Time { return r.clock.wall }), seen: seen, small: r.rng.IntN(2) == 0}
	w.faulty, w.head = faultobj.New(w.base, seed, instant), faultobj.New(w.base, seed+1, instant)
	w.rates = map[faultobj.Fault]float64{}
	each := []float64{0, 0.002, 0.01, 0.03}[r.rng.IntN(4)]
	for _, f := range faultobj.Faults() {
		w.rates[f] = each * r.rng.Float64() * 2
	}
	if r.rng.IntN(3) == 0 { // one that is frequent
		f := faultobj.Faults()[r.rng.IntN(len(faultobj.Faults()))]
		w.rates[f] += 0.4
	}
	for _, b := range []*faultobj.Bucket{w.faulty, w.head} {
		b.Hook(func(op, key string) error { return r.bucketCall(false) }, func(op, key string) error { return r.bucketCall(true) })
	}
	r.tier = w
	return r
}

// bucketCall is told of every call of the bucket before and after its effect. A
// process without power makes none.
func (r *crashes) bucketCall(after bool) error {
	w := r.tier
	if r.faults == nil {
		return nil
	}
	if !after {
		w.calls++
	}
	if w.cutAt != 0 && w.calls >= w.cutAt && after == w.after && !r.faults.Stopped() {
		w.seen.cuts.Add(1)
		r.faults.Stop()
	}
	if r.faults.Stopped() {
		return errInjected
	}
	return nil
}

// trouble makes the bucket fail as it does in this run.
func (w *tierWorld) trouble() {
	w.faulty.Rates(w.rates)
	calm := map[faultobj.Fault]float64{}
	for f, rate := range w.rates {
		if f != faultobj.Foreign {
			calm[f] = rate
		}
	}
	w.head.Rates(calm)
}

// calm ends all trouble.
func (w *tierWorld) calm() {
	for _, b := range []*faultobj.Bucket{w.faulty, w.head} {
		for _, c := range b.Trace() {
			w.seen.faults[c.Fault].Add(1)
		}
		b.Forget()
		b.Heal()
	}
}

func (w *tierWorld) options() *TierOptions {
	o := tierOptions(w)
	o.PublishEvery, o.Grace, o.CacheBytes = 3*time.Second, 2*time.Second, 8<<10
	if !w.small {
		o.LocalBytes, o.SendBytes = 4<<10, 600
	}
	return o
}

// tierRun is one store with a bucket through its lives.
func tierRun(seed uint64, all *tally, seen *tierTally) error {
	r := newTierCrashes(seed, all, seen)
	for left := 2 * stepsPerGeneration; left > 0; {
		done, err := r.life(left)
		if err != nil {
			return fmt.Errorf("%d steps to go: %w", left-done, err)
		}
		left -= max(done, 1)
	}
	return r.settleTier()
}

// openTiered opens a store whose bucket may refuse it. That ends when the bucket
// is well.
func (r *crashes) openTiered(fs vfs.FS) (*Engine, error) {
	o := r.options(fs)
	if r.tier == nil {
		return Open(o)
	}
	if r.rng.IntN(2) == 0 {
		r.tier.trouble()
	}
	e, err := Open(o)
	r.tier.calm()
	if errors.Is(err, ErrBucket) {
		r.tier.seen.refused.Add(1)
		e, err = Open(o)
	}
	return e, err
}

// maintainTier does something with the bucket.
func (r *crashes) maintainTier(e *Engine) error {
	r.tier.trouble()
	defer r.tier.calm()
	switch r.rng.IntN(3) {
	case 0:
		return e.evict()
	case 1:
		r.clock.advance(time.Duration(r.rng.IntN(3000)) * time.Millisecond)
	}
	return e.Tier()
}

// settleTier lets everything come to its end without faults, and judges.
func (r *crashes) settleTier() error {
	w := r.tier
	w.cutAt = 0
	w.calm()
	r.lift()
	r.faults = faultfs.New(r.disk)
	e, err := Open(r.options(r.faults))
	if err != nil {
		return fmt.Errorf("%w: last open: %w", errLaw, err)
	}
	if err := r.check(e); err != nil {
		return err
	}
	e.tap = r.oracle.tap
	if err := r.drainTier(e); err != nil {
		return err
	}
	state := e.manifest.State()
	audit, err := auditState(context.Background(), e.tier.store, e.store, &state)
	switch {
	case err != nil || len(audit.Lost)+len(audit.Orphans)+audit.Unsent+audit.Doomed > 0:
		return fmt.Errorf("%w: audit: %+v, %w", errLaw, audit, err)
	case !allSent(&state) || state.Tier.Published == 0:
		return fmt.Errorf("%w: not everything was sent: %+v", errLaw, state)
	}
	w.seen.objects.Add(int64(audit.Objects))
	if err := r.same(e); err != nil {
		return err
	}
	batch := e.durable
	if err := e.Close(); err != nil {
		return fmt.Errorf("%w: last close: %w", errLaw, err)
	}
	return r.judgeRestore(batch)
}

func (r *crashes) drainTier(e *Engine) error {
	r.settle(e)
	for range 4 {
		for _, step := range []func() error{e.Allocate, e.Flush, e.Merge, e.Tier, e.evict, e.sweepGarbage} {
			if err := step(); errors.Is(err, objstore.ErrForeign) {
				continue // somebody wrote there, and the next try replaces it
			} else if err != nil {
				return fmt.Errorf("%w: at the end, without faults: %w", errLaw, err)
			}
		}
		r.clock.advance(4 * time.Second)
		e.Sweep()
		r.settle(e)
	}
	// What died in the last seconds has its turn, too.
	for _, step := range []func() error{e.Flush, e.Tier, e.evict, e.sweepGarbage} {
		if err := step(); err != nil {
			return fmt.Errorf("%w: at the end, without faults: %w", errLaw, err)
		}
	}
	r.clock.advance(4 * time.Second)
	return e.Tier()
}

// judgeRestore restores from the bucket what was published, elsewhere.
func (r *crashes) judgeRestore(batch uint64) error {
	w := r.tier
	disk := memfs.New()
	report, err := RestoreFromBucket(context.Background(), BucketRestore{FS: disk, To: "store", Bucket: w, Rand: r.rng.Uint64})
	if err != nil {
		return fmt.Errorf("%w: %w", errLaw, err)
	}
	o := r.options(disk)
	o.Tier.Takeover = true
	e, err := Open(o)
	if err != nil {
		return fmt.Errorf("%w: open what was restored: %w", errLaw, err)
	}
	if e.durable > batch {
		return fmt.Errorf("%w: restored %d batches of %d", errLaw, e.durable, batch)
	}
	w.seen.restores.Add(1)
	want, err := r.oracle.clone().state(e.durable)
	if err != nil {
		return err
	}
	var got bytes.Buffer
	if err := dump(e, &got); err != nil {
		return fmt.Errorf("%w: restored: %w", errLaw, err)
	}
	if got.String() != want {
		return fmt.Errorf("%w: restored %d of %d batches (%+v)\ngot:\n%s\nwant:\n%s", errLaw, e.durable, batch, report, got.String(), want)
	}
	// It goes on: what it writes meets nothing of the directory before.
	if t := e.Create(&stream.Create{Path: "after the restore", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("x")}); t.Code != stream.Created {
		return fmt.Errorf("%w: restored, a create is %v", errLaw, t.Code)
	}
	if err := r.drainTier(e); err != nil {
		return err
	}
	state := e.manifest.State()
	audit, err := auditState(context.Background(), e.tier.store, e.store, &state)
	if err != nil || len(audit.Lost)+len(audit.Orphans)+audit.Unsent > 0 {
		return fmt.Errorf("%w: audit of what was restored: %+v, %w", errLaw, audit, err)
	}
	return e.Close()
}
