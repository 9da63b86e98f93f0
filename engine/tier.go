package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/remote"
)

// TierOptions puts segments into a bucket. The zero value of every field but
// Bucket works.
type TierOptions struct {
	Bucket objstore.Bucket
	Policy objstore.Options // of retries

	// LocalBytes is what segments may take on the disk, default 8 GiB: beyond three
	// quarters of it, those that are in the bucket leave the disk. What is not in the
	// bucket yet stays, whatever it takes.
	LocalBytes int64

	CacheBytes int64 // of the disk, for parts of segments that left it; default a quarter of LocalBytes

	// SendBytes is how large a segment has to be to be sent for its own sake, default
	// 32 MiB. Smaller ones are merged first, or sent by the next publication.
	SendBytes int64

	// PublishEvery is how often everything up to the last checkpoint is sent, and a
	// state published that a restore finds; default 10 minutes. With
	// Options.FlushAge it bounds what the bucket does not have.
	PublishEvery time.Duration

	// Grace is how long an object stays after no published state refers to it,
	// default 24 hours, negative = not at all: as long as a restore may take.
	Grace time.Duration

	ReadTimeout time.Duration // of one read that needs the bucket; default 10 s

	// Takeover makes this directory the owner of the store's part of the bucket if
	// another is. The other one stops sending and deleting.
	Takeover bool
}

func (o TierOptions) withDefaults() TierOptions {
	setDefault(&o.LocalBytes, 8<<30)
	setDefault(&o.CacheBytes, o.LocalBytes/4)
	setDefault(&o.SendBytes, 32<<20)
	setDefault(&o.PublishEvery, 10*time.Minute)
	setDefault(&o.Grace, 24*time.Hour)
	setDefault(&o.ReadTimeout, 10*time.Second)
	return o
}

// cacheDir is where parts of remote segments are kept, relative to the directory
// of the store. It may be removed while no process has the store.
const cacheDir = "cache"

// tier is the part of a store that is in a bucket.
type tier struct {
	opts  TierOptions
	store *objstore.Store
	cache *remote.Cache
	id    [16]byte // of the store

	names  sync.Map // segment id → name of its object
	rotten sync.Map // segment id → engine time when to mend what the disk has of it

	// The rest is of whoever holds Engine.tiering, but for the atomics.
	epoch     uint64
	etag      string // of the head
	published publication
	aside     map[uint64]int64 // objects that could not be sent or deleted → when to try again
	pending   *pendingState    // announced and not published yet, or nil

	phase        atomic.Int32
	unavailable  atomic.Int64  // reads that the bucket did not serve
	lost         atomic.Int64  // objects that are not there, or not what they should be
	covered      atomic.Int64  // engine time up to which the bucket has everything, unix milliseconds; 0 = not known
	asked        atomic.Int64  // when the last error was that a probe met, unix nanoseconds
	coveredBatch atomic.Uint64 // and the batch
}

// probed forgets errors up to now: a probe provokes some.
func (t *tier) probed() { t.asked.Store(t.store.Stats().LastErrorAt.UnixNano()) }

// publication is what was published last.
type publication struct {
	batch   uint64
	written int64 // engine time, unix milliseconds; 0 = never by this process
}

// TierPhase is how it stands between a store and its bucket.
type TierPhase int32

const (
	TierNone     TierPhase = iota // the store has none
	TierStarting                  // the bucket was not reached yet
	TierReady
	TierFailing // the last thing asked of it failed, and is tried again
	TierRefused // it cannot be used as it is configured
	TierFenced  // another directory owns the store's part of it
)

func (p TierPhase) String() string {
	return [...]string{"none", "starting", "ready", "failing", "refused", "fenced"}[p]
}

var (
	// ErrBucket means that the bucket cannot be used as it is configured.
	ErrBucket = errors.New("engine: the bucket cannot be used")

	// ErrNoBucket means that a part of the store is in a bucket, and none is given.
	ErrNoBucket = errors.New("engine: a part of the store is in a bucket, and none is configured")

	// ErrOwner means that another directory owns the store's part of the bucket.
	ErrOwner = errors.New("engine: another directory owns this store in the bucket")
)

// openTier makes the tier, which asks nothing of the bucket yet. It is called
// when the store's identity is known.
func (e *Engine) openTier() error {
	if e.opts.Tier == nil {
		return nil
	}
	t := &tier{
		opts: *e.opts.Tier, id: e.store, store: objstore.New(e.opts.Tier.Bucket, e.opts.Tier.Policy),
		aside: make(map[uint64]int64),
	}
	t.phase.Store(int32(TierStarting))
	var err error
	t.cache, err = remote.Open(remote.Options{
		FS: e.opts.FS, Dir: path.Join(e.opts.Dir, cacheDir), Store: e.store, Bytes: t.opts.CacheBytes,
		Source: source{t}, Logger: e.opts.Logger,
	})
	if err != nil {
		return fmt.Errorf("engine: open cache: %w", err)
	}
	e.tier = t
	return nil
}

// closeTier ends what goes on with the bucket.
func (e *Engine) closeTier() {
	e.cancel()
	if e.tier != nil {
		if err := e.tier.cache.Close(); err != nil {
			e.opts.Logger.Warn("cannot close the cache", "err", err)
		}
	}
}

// claimTimeout is how long opening a store waits for its bucket. What the store
// has on the disk is served without.
const claimTimeout = 5 * time.Second

// claimAtOpen refuses a bucket that cannot be used. One that cannot be reached is
// tried again later.
func (e *Engine) claimAtOpen() error {
	if e.tier == nil {
		return nil
	}
	e.keepReserve()
	ctx, cancel := context.WithTimeout(e.ctx, claimTimeout)
	defer cancel()
	err := e.claim(ctx)
	if errors.Is(err, ErrBucket) || errors.Is(err, manifest.ErrFailed) {
		return err
	}
	if err != nil {
		e.opts.Logger.Warn("the bucket cannot be reached yet", "err", err)
	}
	return nil
}

// source reads parts of segments for the cache.
type source struct{ tier *tier }

// ReadAt implements remote.Source.
func (s source) ReadAt(ctx context.Context, id uint64, p []byte, off int64) error {
	name, ok := s.tier.names.Load(id)
	if !ok {
		return fmt.Errorf("engine: segment %d is not in the bucket", id)
	}
	err := s.tier.store.ReadAt(ctx, name.(string), p, off)
	if objstore.KindOf(err) == objstore.KindNotFound {
		s.tier.lost.Add(1)
	}
	return err
}

// nameOf is the name of an object of the store.
func (t *tier) nameOf(o manifest.Object) string { return nameIn(t.id, o) }

// owned reports whether this process has claimed the bucket, and nobody else has
// since, as far as it knows. Until then nothing may leave the disk on the word of
// the manifest alone.
func (t *tier) owned() bool {
	phase := TierPhase(t.phase.Load())
	return phase == TierReady || phase == TierFailing
}

// tierer sends, publishes and collects.
func (e *Engine) tierer() {
	failures := 0
	for e.await(e.tierNow, failures) {
		switch err := e.Tier(); {
		case err == nil:
			failures = 0
		case errors.Is(err, context.Canceled):
			return
		default:
			if failures++; !e.survives(err) {
				return
			}
		}
	}
}

// Tier does everything that there is to do in the bucket now: it sends segments,
// publishes a state, deletes objects. An error ends it; the rest is left to the
// next call. It is a step of a Manual engine.
func (e *Engine) Tier() error {
	t := e.tier
	if t == nil {
		return nil
	}
	e.tiering.Lock()
	defer e.tiering.Unlock()
	for {
		more, err := e.stepTier(e.ctx)
		if err != nil {
			if !errors.Is(err, manifest.ErrFailed) {
				t.phase.CompareAndSwap(int32(TierReady), int32(TierFailing))
			}
			return err
		}
		t.phase.CompareAndSwap(int32(TierFailing), int32(TierReady))
		if !more || e.stopping() {
			return nil
		}
	}
}

// stepTier does the next thing and reports whether there may be more.
func (e *Engine) stepTier(ctx context.Context) (more bool, err error) {
	t := e.tier
	switch TierPhase(t.phase.Load()) {
	case TierFenced:
		return false, nil
	case TierStarting, TierRefused:
		return true, e.claim(ctx)
	}
	state := e.manifest.State()
	due := e.publicationDue(&state)
	if seg, ok := e.nextToSend(&state, due); ok {
		return true, e.sendSegment(ctx, seg)
	}
	if due {
		if id, ok := unsent(&state); ok {
			err = fmt.Errorf("engine: segment %d cannot be sent, and keeps the state from being published", id)
		} else if more, err = e.publishState(ctx, state); err != nil || more {
			return more, err
		}
	}
	if ids := e.collectable(&state); len(ids) > 0 {
		return true, errors.Join(err, e.deleteObjects(ctx, ids))
	}
	return false, err
}
