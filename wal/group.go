package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// ErrBusy means that a record cannot be taken right now, and that the reason
// passes by itself: too much is staged, or the next file is still being made.
var ErrBusy = errors.New("wal: busy")

// Class tells whether a record makes the data grow.
type Class uint8

const (
	Growth  Class = iota // creates and appends: refused while only the reserve is left
	Reclaim              // deletes, closes, expiry: may use the reserve
)

// GroupOptions of NewGroup. Zero values mean the default.
type GroupOptions struct {
	FrameBytesMax  int           // largest payload of a batch in bytes; default and upper bound: the log's
	FirstBatch     uint64        // number of the first batch; default 1
	Now            func() int64  // unix milliseconds, the At of frames; default: the system's clock
	WitnessIdle    time.Duration // idleness after which the newest frame gets its witness; default 50 ms, negative: never
	StagedBytesMax int64         // bytes staged and not yet durable; default 64 MiB. One record is taken whatever its size

	// Hold is asked before each commit. While it returns a channel, the commit
	// waits until that is closed, or the group is closed or fails, and asks again;
	// nil lets it go on. A Manual group does not ask.
	Hold func() <-chan struct{}

	// Manual starts no goroutine: Commit, Witness and Allocate are steps that the
	// caller drives.
	Manual bool

	// Metrics takes the numbers of the group; nil = nobody asks. It serves one group
	// at a time. A Manual group has no times.
	Metrics *metrics.Set

	// Committed is called for each durable batch in order, before its Done is
	// closed. It may call Stage. The next batch is written when it returned.
	Committed func(*Batch)

	// Failed is called once, with an error that matches ErrFailed, when the log
	// failed, before the batches that failed with it are done. The process is
	// expected to end.
	Failed func(error)
}

func (o GroupOptions) withDefaults(log Log) GroupOptions {
	if o.FrameBytesMax <= 0 || o.FrameBytesMax > log.FrameBytesMax() {
		o.FrameBytesMax = log.FrameBytesMax()
	}
	if o.FirstBatch == 0 {
		o.FirstBatch = 1
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixMilli() }
	}
	if o.WitnessIdle == 0 {
		o.WitnessIdle = 50 * time.Millisecond
	}
	if o.StagedBytesMax == 0 {
		o.StagedBytesMax = 64 << 20
	}
	if o.Committed == nil {
		o.Committed = func(*Batch) {}
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	return o
}

// Group turns records of many callers into frames of one log. There is no timer:
// a batch is what was staged while the batch before it was made durable.
//
// Locks are taken in the order committing, mu, and then those of the log.
type Group struct {
	log     Log
	o       GroupOptions
	reserve int64
	durable atomic.Uint64 // number of the newest durable batch; raised under mu

	// unwatched is true while the committer waits without a timer for the witness.
	unwatched atomic.Bool

	committing sync.Mutex // one commit or witness at a time

	mu       sync.Mutex // the fields below; held for no I/O
	queue    []*Batch   // staged and not yet being written; the last one is open
	next     uint64     // number of the next batch
	cut      uint64     // batches before this one take no more records
	staged   int64      // payload bytes of all batches that are not durable
	claimed  int64      // the room that those batches take, and a witness being written
	room     int64      // of the log, as of the last step; claimed <= room when staging
	corks    int        // callers that are going to stage more
	uncorked uint64     // batches up to this one wait for nobody
	full     bool       // the last try to make a spare, or opening, met a full disk
	untold   bool       // the newest frame has no witness
	err      error      // the failure that ended the group; matches ErrFailed
	closed   bool
	bufs     buffers
	times    commitTimes
	meters   groupMeters

	wake      chan struct{} // one token: the queue is not empty
	spare     chan struct{} // one token: making a spare is worth a try
	allocated chan struct{} // one token: an attempt at that has ended
	quit      chan struct{} // closed by Close
	ended     chan struct{} // closed by the first failure
	done      sync.WaitGroup
	unmeasure func()         // no numbers are asked for after that
	steps     sync.WaitGroup // the committer alone
}

// NewGroup starts group commit on log, which it owns from now on: Close closes
// it.
func NewGroup(log Log, o GroupOptions) *Group {
	o = o.withDefaults(log)
	g := &Group{
		log: log, o: o, reserve: log.Reserve(), next: o.FirstBatch, room: log.Room(),
		wake: make(chan struct{}, 1), spare: make(chan struct{}, 1), allocated: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	// A log that has only the reserve was opened on a full disk.
	g.full = g.room <= g.reserve
	g.durable.Store(o.FirstBatch - 1)
	g.measure(o.Metrics)
	if !o.Manual {
		g.steps.Go(g.commitAll)
		g.done.Go(g.allocateAhead)
	}
	return g
}

// Durable is the number of the newest durable batch: all up to it are.
func (g *Group) Durable() uint64 { return g.durable.Load() }

// Cut closes the open batch: records staged from now on go into a later one. It
// returns the number of the newest batch that was staged, durable or not, which
// is what Durable says when nothing waits.
func (g *Group) Cut() (last uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = g.next
	return g.next - 1
}

// Stage copies one record, head followed by body, into the open batch and
// returns the batch and where in its Payload the body begins. Records become
// durable in the order in which they were staged. After an error nothing is
// staged:
//
//	ErrFrameTooLarge  the record is larger than a batch may be
//	ErrBusy           try again later
//	ErrNoSpace        the disk is full, and what is left is not for this class
//	ErrFailed         the log failed
//	ErrClosed         Close was called
func (g *Group) Stage(class Class, head, body []byte) (b *Batch, bodyOff int, err error) {
	n := len(head) + len(body)
	size := RecordSize(n)
	if size > g.o.FrameBytesMax {
		return nil, 0, fmt.Errorf("%w: record of %d bytes, the limit is %d", ErrFrameTooLarge, size, g.o.FrameBytesMax)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err != nil:
		return nil, 0, g.err
	case g.closed:
		return nil, 0, ErrClosed
	case g.staged > 0 && g.staged+int64(size) > g.o.StagedBytesMax:
		g.meters.busy++
		return nil, 0, ErrBusy
	}
	var claim int64
	if n := len(g.queue); n > 0 && g.queue[n-1].N >= g.cut {
		b = g.queue[n-1]
		claim = FrameSize(len(b.payload)+size) - FrameSize(len(b.payload))
	}
	if b == nil || len(b.payload)+size > g.o.FrameBytesMax {
		b, claim = nil, FrameSize(size)
	}
	room := g.room
	if class == Growth {
		room -= g.reserve
	}
	if g.claimed+claim > room {
		if g.full {
			g.meters.full++
			return nil, 0, ErrNoSpace
		}
		g.meters.busy++
		return nil, 0, ErrBusy
	}
	if b == nil {
		b = &Batch{N: g.next, payload: g.bufs.take(), done: make(chan struct{})}
		if !g.o.Manual {
			b.opened = time.Now()
		}
		g.next++
		g.queue = append(g.queue, b)
		if g.corks == 0 {
			signal(g.wake)
		}
	}
	bodyOff = len(b.payload) + size - len(body)
	b.payload = AppendRecord(b.payload, head, body)
	b.records++
	g.staged += int64(size)
	g.claimed += claim
	return b, bodyOff, nil
}

// Cork keeps the committer from taking what is staged from now on until an
// Uncork: who is going to stage many records without waiting for anything gets
// them into one batch. Whoever calls it calls Uncork soon, and waits for nothing
// staged before that.
func (g *Group) Cork() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.corks++
}

// Uncork undoes a Cork. What is staged is the committer's then, although others
// may have a cork in place: somebody always has when many call this in turns.
func (g *Group) Uncork() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.corks--; g.corks < 0 {
		panic("wal: more Uncork than Cork")
	}
	if n := len(g.queue); n > 0 {
		g.uncorked = g.queue[n-1].N
		signal(g.wake)
	}
}

// Close makes what is staged durable, then closes the log. Stage refuses as soon
// as it is called. Close waits for the goroutines of the group; calling it
// again does nothing.
func (g *Group) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if again {
		return nil
	}
	g.unmeasure()
	close(g.quit)
	g.steps.Wait()
	if g.o.Manual {
		g.drain()
	}
	// This also ends an allocation in progress.
	err := g.log.Close()
	g.done.Wait()
	return err
}

// fail ends the group. inFlight is the batch that was being written, or nil.
func (g *Group) fail(err error, inFlight *Batch) error {
	if !errors.Is(err, ErrFailed) {
		err = failure(err)
	}
	g.mu.Lock()
	first := g.err == nil
	if first {
		g.err = err
	}
	err = g.err
	lost := g.queue
	g.queue = nil
	g.mu.Unlock()
	if first {
		close(g.ended)
		g.o.Failed(err)
	}
	if inFlight != nil {
		inFlight.finish(err)
	}
	for _, b := range lost {
		b.finish(err)
	}
	return err
}

// signal leaves a token in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
