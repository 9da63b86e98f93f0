package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"tailrace/internal/vfs"
)

// Cache reads remote files and keeps what was read. All methods may be called
// by many goroutines at a time.
type Cache struct {
	source    Source
	logger    *slog.Logger
	disk      *disk // nil without a budget: every read goes to the source
	cellBytes int64

	aheadMax   int64 // of what goes into the cache
	windowMax  int64 // of what does not
	requestMax int64 // whole cells
	blockedMax int

	tokens  chan struct{}      // one for each request under way
	ctx     context.Context    // ends when Close begins
	end     context.CancelFunc // ends ctx
	running sync.WaitGroup     // reads and fetches; added to under mu while open
	buffers sync.Pool          // of *[]byte, each for a cell
	failed  sync.Once          // the disk, for the log

	mu      sync.Mutex // guards everything below; held for no I/O
	closed  bool
	slots   slots
	flights map[place]*flight // who is fetching a cell, until it is in its slot
	blocked int               // reads that wait for flights or tokens
	stats   Stats             // counters only
}

// Open opens the cache in a directory, of which it is the only user. What an
// earlier one left is taken over if it is of the same store and size, and
// dropped where it is damaged. On a full disk there is no cache.
func Open(o Options) (*Cache, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("remote: options: %w", err)
	}
	o = o.withDefaults()
	c := &Cache{
		source: o.Source, logger: o.Logger, cellBytes: o.CellBytes,
		aheadMax: min(o.AheadMax, o.Bytes/4), windowMax: o.AheadMax,
		blockedMax: o.FetchesMax + o.WaitersMax,
		tokens:     make(chan struct{}, o.FetchesMax),
		flights:    map[place]*flight{},
	}
	c.requestMax = max(c.aheadMax, requestBytesMin, c.cellBytes) / c.cellBytes * c.cellBytes
	c.buffers.New = func() any { b := make([]byte, c.cellBytes); return &b }
	if h := (Header{Store: o.Store, CellBytes: uint32(o.CellBytes), Slots: slotsWithin(o.Bytes, o.CellBytes)}); h.Slots > 0 {
		d, t, why, err := openDisk(o.FS, o.Dir, h)
		switch {
		case errors.Is(err, vfs.ErrNoSpace):
			c.logger.Warn("no room for a cache of remote files, reading without one", "dir", o.Dir, "err", err)
		case err != nil:
			return nil, err
		default:
			c.disk = d
			c.slots.fill(t)
			c.stats.Damaged = int64(t.Damaged)
			if why != nil && !errors.Is(why, fs.ErrNotExist) {
				c.logger.Info("cache of remote files was emptied", "dir", o.Dir, "reason", why)
			}
		}
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends all reads with ErrClosed and waits for them. What is cached stays
// for the next Open.
func (c *Cache) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.running.Wait()
	if c.disk == nil || again {
		return nil
	}
	if err := c.disk.file.Close(); err != nil {
		return fmt.Errorf("remote: close: %w", err)
	}
	return nil
}

// enter begins something that Close waits for.
func (c *Cache) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.running.Add(1)
	return nil
}

// Forget drops all cells of a file that nobody is going to read any more. Reads
// that are under way are not disturbed.
func (c *Cache) Forget(id uint64) {
	if c.enter() != nil {
		return
	}
	defer c.running.Done()
	var dropped []uint32
	c.mu.Lock()
	for _, number := range c.slots.files[id] {
		c.slots.pin(number)
		dropped = append(dropped, number)
	}
	for _, number := range dropped {
		c.slots.drop(number)
	}
	for at := range c.flights {
		if at.file == id {
			delete(c.flights, at) // it still serves its readers, and keeps nothing
		}
	}
	c.mu.Unlock()
	c.erase(dropped)
}

// erase makes dropped cells, which are pinned, disappear from the disk, and
// lets go of their slots.
func (c *Cache) erase(dropped []uint32) {
	if len(dropped) == 0 {
		return
	}
	for _, number := range dropped {
		if err := c.disk.erase(number); err != nil {
			c.diskFailed(err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, number := range dropped {
		c.slots.unpin(number)
	}
}

// diskFailed counts an error of the disk, which is no reason to fail a read.
func (c *Cache) diskFailed(err error) {
	c.mu.Lock()
	c.stats.DiskErrors++
	c.mu.Unlock()
	c.failed.Do(func() {
		c.logger.Error("cache of remote files cannot use its disk, reading from the source", "err", err)
	})
}
