package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/wal"
)

// Engine is an open store. Its methods are safe for concurrent use and do not
// block on I/O, but for Open and Close.
type Engine struct {
	opts     Options
	store    wal.UUID
	group    *wal.Group
	manifest *manifest.Manifest
	loaded   *manifest.Loaded // until the log was scanned
	blocks   *blockCache
	meters   *meters
	tier     *tier // or nil
	ctx      context.Context
	cancel   context.CancelFunc // ends what waits for the bucket

	mu        sync.Mutex // guards everything below but the atomics
	timeline  timeline
	table     *stream.Table
	frames    frames
	appends   int // in the indexes
	producers int // in the table
	text      int // stream.TextBytes of all in it
	accounts  accounts
	durable   uint64
	inflight  []*batchInfo    // batches after durable, in order
	unused    *batchInfo      // to be used again, or nil
	gates     map[string]gate // by path: what decides what is there
	stagedOps int
	due       deadlines
	watching  int
	disk      disk

	lastMark     logMark // the newest durable batch
	checkpoint   manifest.Checkpoint
	rowsSince    int         // rows in the deltas of the checkpoint
	checkpointAt int64       // engine time of the last flush, or of opening
	epoch        uint32      // counts freezes
	changed      []stream.ID // streams that changed since the last freeze, or since they were sorted
	sorted       []stream.ID // those before, growing; the flusher's, written under mu
	freeze       *freeze     // that has not been written yet, or nil
	flush        *flush      // under way, or nil
	flushStuck   bool        // the last one failed
	removed      uint64      // streams that left the table
	removedSeen  uint64      // when it was last looked for dead ones; the merger's own
	lookedAt     int64       // engine time of that, unix milliseconds; the same
	deadWait     bool        // some were found, too few to write a segment anew; the same
	trimmed      trimmedStreams
	merge        *merge // under way, or nil
	version      *version
	shown        map[manifest.File]int // files of segments: versions that have them, and acts that hold them
	unshown      []*segmentFile        // that none has any more, to be closed
	unfinished   []uint64              // acts to be aborted when there is room
	backup       *backup               // under way, or nil
	scrubbed     map[uint64]int64      // segments by identity: when all of one was read; the scrubber's own
	logHeld      uint64                // first log file that a backup needs, 0 = none
	held         chan struct{}         // closed when the committer may go on, or nil
	head         []byte                // of the record being encoded

	// tap sees every staged record in order, encoded. The crash tests rebuild
	// from them what a recovered store has to hold.
	tap func(batch uint64, head, body []byte)

	clockMS  atomic.Int64 // the last engine time, for the log's writer
	damage   atomic.Int64 // reads that met bytes which do not verify
	reserved atomic.Bool  // the file of reserve.go holds its space
	failed   chan struct{}
	failOnce sync.Once
	failure  error // set before failed is closed

	notifier *notifier
	flushing sync.Mutex // one flush at a time; before mu
	merging  sync.Mutex // one merge at a time; before mu
	tiering  sync.Mutex // one at a time has to do with the bucket; before mu
	// committing is held from an edit that changes the layers until the version
	// that shows it is there; before mu.
	committing sync.Mutex
	warnedOf   int           // segments that were warned of; under committing, and Open's own
	coldGate   chan struct{} // holds a token for each read from the disk
	flushNow   chan struct{} // one token: there may be reason to flush
	farGate    chan struct{} // holds a token for each read from the bucket
	mergeNow   chan struct{} // one token: there may be reason to merge, or garbage
	tierNow    chan struct{} // one token: there may be something to send
	evictNow   chan struct{} // one token: something may leave the disk
	diskNow    chan struct{} // one token: the disk has been written to
	stop       chan struct{}
	ended      sync.WaitGroup
	unmeasure  func() // no numbers are asked for after that
}

func newEngine(o Options) *Engine {
	ctx, cancel := context.WithCancel(context.Background())
	return &Engine{
		ctx: ctx, cancel: cancel,
		opts:   o,
		table:  stream.NewTable(stream.Limits{Streams: o.StreamsMax, ProducersPerStream: o.ProducersPerStreamMax}),
		frames: newFrames(),
		blocks: newBlockCache(o.BlockCacheBytes),
		gates:  make(map[string]gate),
		shown:  make(map[manifest.File]int),
		epoch:  1,

		accounts: accounts{
			bySegment: o.Projects, byName: make(map[string]*account), named: map[string]bool{project.Default: !o.Projects},
		},

		removedSeen: math.MaxUint64, // what died before this process is looked for too
		failed:      make(chan struct{}),
		stop:        make(chan struct{}),
		meters:      newMeters(o.Metrics),

		coldGate: make(chan struct{}, coldReadsMax),
		flushNow: make(chan struct{}, 1),
		farGate:  make(chan struct{}, farReadsMax),
		mergeNow: make(chan struct{}, 1),
		tierNow:  make(chan struct{}, 1),
		evictNow: make(chan struct{}, 1),
		diskNow:  make(chan struct{}, 1),

		disk: disk{free: -1},
	}
}

// Open opens the store in o.Dir, or makes a new one. A store that another
// process holds, of another format version, or whose acknowledged data is
// damaged is refused and left as it is.
func Open(o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := refuseMarked(o.FS, o.Dir, backupName, unfinishedName, restoringName); err != nil {
		return nil, err
	}
	e := newEngine(o)
	wall, _ := o.Clock.Now()
	e.clockMS.Store(wall.UnixMilli())
	began := time.Now()
	options := o.log()
	options.Prepare, options.Now = e.load, e.clockMS.Load
	options.Vouched = func() bool { return e.loaded.Settled() }
	log, recovery, err := wal.Open(options, e.replay)
	if err != nil {
		e.closeSegments()
		return nil, fmt.Errorf("engine: open %s: %w", o.Dir, err)
	}
	if err := e.takeUp(); err != nil {
		e.closeSegments()
		if e.manifest != nil {
			e.manifest.Close()
		}
		return nil, errors.Join(fmt.Errorf("engine: open %s: %w", o.Dir, err), log.Close())
	}
	e.timeline = newTimeline(o.Clock, max(recovery.LastAt, e.checkpoint.At))
	e.checkpointAt = e.now()
	e.revive()
	e.trimmedBefore()
	e.group = wal.NewGroup(log, wal.GroupOptions{
		FirstBatch: e.durable + 1, Now: e.clockMS.Load, Manual: o.Manual, Hold: e.holdCommits,
		StagedBytesMax: o.StagedBytesMax, Committed: e.committed, Failed: e.fail,
		Metrics: o.Metrics,
	})
	if err := e.claimAtOpen(); err != nil {
		err = errors.Join(fmt.Errorf("engine: open %s: %w", o.Dir, err), e.manifest.Close(), e.group.Close())
		e.closeSegments()
		return nil, err
	}
	if !o.Manual {
		e.LookAtDisk()
		e.notifier = startNotifier()
		e.ended.Go(e.diskWatcher)
		e.ended.Go(func() { e.sweeper(e.stop) })
		e.ended.Go(e.flusher)
		e.ended.Go(e.merger)
		if e.tier != nil {
			e.ended.Go(e.tierer)
			e.ended.Go(e.evicter)
		}
		if e.opts.ScrubEvery > 0 {
			e.ended.Go(e.scrubber)
		}
	}
	e.measure(time.Since(began))
	o.Logger.Info("store opened", "dir", o.Dir, "streams", e.table.Len(), "records", recovery.Records,
		"clean", recovery.Clean, "epoch", recovery.Epoch, "took", time.Since(began).Round(time.Millisecond))
	return e, nil
}

// Close waits until everything staged is durable and closes the log. No other
// method may be called meanwhile or afterwards.
func (e *Engine) Close() error {
	e.cancel()
	e.unmeasure()
	if !e.opts.Manual {
		close(e.stop)
		e.ended.Wait()
	}
	// The log's lock protects the manifest too, so the manifest comes first.
	err := errors.Join(e.manifest.Close(), e.group.Close())
	if !e.opts.Manual {
		e.notifier.close()
	}
	e.closeSegments()
	if err != nil {
		return fmt.Errorf("engine: close %s: %w", e.opts.Dir, err)
	}
	return nil
}

// Identity tells this store from others: it was drawn when the store was made
// and never changes.
func (e *Engine) Identity() uint64 { return binary.BigEndian.Uint64(e.store[:]) }

// now returns the engine's time in Unix milliseconds. Engine.mu is held.
func (e *Engine) now() int64 {
	ms := e.timeline.now()
	e.clockMS.Store(ms)
	return ms
}

// Now returns the engine's time. It never goes back, not even when the wall
// clock does.
func (e *Engine) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.UnixMilli(e.now())
}

// fail is told by the log that it can't go on. Engine.Failed tells the owner,
// who must end the process: nothing can become durable any more.
func (e *Engine) fail(err error) {
	e.failOnce.Do(func() {
		e.failure = err
		close(e.failed)
	})
}

// Failed is closed when the log failed.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err is why the log failed, or nil.
func (e *Engine) Err() error {
	select {
	case <-e.failed:
		return e.failure
	default:
		return nil
	}
}

// Stats are numbers about a running engine.
type Stats struct {
	Streams     int
	Watchers    int
	MemoryBytes int64 // what streams and the appends that no segment has take, as Options.MemoryBytes counts
	FrameBytes  int64 // appends that no segment has yet
	StoredBytes int64 // of appends that are kept, as ProjectLimits counts
	Damage      int64 // reads that met stored bytes which do not verify
	Segments    int
	Layers      int

	SegmentBytes int64 // of the segments, compressed, on the disk or in the bucket
	DiskFree     int64 // of the file system that the store is on; -1 = not known, or not looked at
	DiskLow      bool  // growth is refused until Options.DiskFreeResume is free

	StagedOps int // writes waiting for a sync
	Batches   uint64
}

// Stats returns the numbers of now.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{
		Streams: e.table.Len(), Watchers: e.watching, MemoryBytes: e.tableBytes() + e.unflushedBytes(),
		FrameBytes: e.unflushedBytes(), Damage: e.damage.Load(), Segments: e.version.segments(), SegmentBytes: e.version.bytes(), DiskFree: e.disk.free, DiskLow: e.disk.low,
		StoredBytes: e.accounts.stored,
		Layers:      len(e.version.layers), StagedOps: e.stagedOps, Batches: e.durable,
	}
}

// Cork keeps what is staged from being committed until as many calls of Uncork.
// Whoever decides many operations in a row gets them into one batch by that. It
// must not wait for a ticket meanwhile.
func (e *Engine) Cork() { e.group.Cork() }

// Uncork undoes a Cork.
func (e *Engine) Uncork() { e.group.Uncork() }

// Lead commits what is staged in the goroutine of the caller, which is to have a
// cork in place. It is false if that would take waiting for something else than
// the medium; it is left to the committer then.
func (e *Engine) Lead() bool { return e.group.Lead() }

// CommitTime is how long commits take at the moment, 0 if that is not known.
func (e *Engine) CommitTime() time.Duration {
	_, now := e.group.CommitTimes()
	return now
}

var errManual = errors.New("engine: a step of a Manual engine was called on another")

// Commit makes the oldest staged batch durable and reports whether there was
// one. It is a step of a Manual engine.
func (e *Engine) Commit() (bool, error) {
	if !e.opts.Manual {
		return false, errManual
	}
	return e.group.Commit()
}

// Witness lets the log testify that its last frame was acknowledged. It is a
// step of a Manual engine.
func (e *Engine) Witness() error {
	if !e.opts.Manual {
		return errManual
	}
	return e.group.Witness()
}

// Allocate makes the next log file ready. It is a step of a Manual engine. An
// error that matches wal.ErrNoSpace is no failure: until there is room, what
// grows is refused as DiskFull.
func (e *Engine) Allocate() error {
	if !e.opts.Manual {
		return errManual
	}
	return e.group.Allocate()
}
