package remote

import (
	"context"
	"errors"
	"fmt"
)

// flight is one request for a range of cells. It belongs to no reader: it goes
// on while somebody waits for it. Cache.flights has it under each cell that it
// is going to keep; only one that is still there when the cell is in its slot
// may publish it, so that nothing comes back that was forgotten or is being
// fetched afresh.
type flight struct {
	file   uint64
	cells  []int64 // ascending; present ones between them are fetched but not kept
	off    int64   // of the first cell
	length int64

	ctx  context.Context
	end  context.CancelFunc
	done chan struct{}

	// Under Cache.mu.
	waiting int             // cells that readers wait for, each of each reader
	landed  bool            // data and err are there
	uses    map[int64]uint8 // of cells, by the readers that waited

	data []byte // these two are written before done is closed
	err  error
}

// launch makes a flight for cells and notes whose it is. Called with mu held.
func (c *Cache) launch(f *File, cells []int64) *flight {
	first, last := cells[0], cells[len(cells)-1]
	l := &flight{file: f.id, cells: cells, off: first * c.cellBytes, done: make(chan struct{}), uses: map[int64]uint8{}}
	l.length = last*c.cellBytes + f.cellLength(last) - l.off
	l.ctx, l.end = context.WithCancel(c.ctx)
	for _, cell := range cells {
		c.flights[place{f.id, cell}] = l
	}
	c.running.Add(1) // the reader is running too, so Close did not get past its wait
	return l
}

// leave is the end of a reader's interest in a cell. Called with mu held.
func (c *Cache) leave(l *flight) {
	if l.waiting--; l.waiting == 0 && !l.landed {
		c.disown(l)
		l.end()
	}
}

// disown ends that others find the flight. Called with mu held.
func (c *Cache) disown(l *flight) {
	for _, cell := range l.cells {
		if at := (place{l.file, cell}); c.flights[at] == l {
			delete(c.flights, at)
		}
	}
}

// fly fetches, hands the bytes to those who wait, and keeps them. The token is
// held until they are kept: it stands for their memory.
func (c *Cache) fly(l *flight) {
	defer c.running.Done()
	defer l.end()
	data, err := []byte(nil), c.acquire(l.ctx)
	if err == nil {
		defer c.release()
		data = make([]byte, l.length)
		err = c.request(l.ctx, l.file, data, l.off)
	}
	c.mu.Lock()
	l.data, l.err, l.landed = data, err, true
	if err != nil {
		c.disown(l)
	}
	c.mu.Unlock()
	close(l.done)
	if err == nil {
		c.keep(l)
	}
}

// acquire waits until one more request may be under way.
func (c *Cache) acquire(ctx context.Context) error {
	select {
	case c.tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("remote: wait for the source: %w", c.explain(ctx.Err()))
	}
}

func (c *Cache) release() { <-c.tokens }

// request asks the source. The caller has a token.
func (c *Cache) request(ctx context.Context, id uint64, p []byte, off int64) error {
	err := c.source.ReadAt(ctx, id, p, off)
	c.mu.Lock()
	c.stats.Requests++
	if err == nil {
		c.stats.FetchedBytes += int64(len(p))
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("remote: fetch %d bytes of file %d at %d: %w", len(p), id, off, c.explain(err))
	}
	return nil
}

// explain tells who was cancelled because the cache was closed.
func (c *Cache) explain(err error) error {
	if c.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return ErrClosed
	}
	return err
}

// keep puts what was fetched into slots. Of a range that is wider than the
// cache it keeps the front only, rather than push everything out twice.
func (c *Cache) keep(l *flight) {
	for i, cell := range l.cells {
		at := place{l.file, cell}
		if number, ok := c.room(l, at, i <= len(c.slots.all)/2); ok {
			c.keepCell(l, at, number)
		}
	}
}

// room gives an empty slot, pinned, for a cell that is still wanted.
func (c *Cache) room(l *flight, at place, keep bool) (number uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[at] != l {
		return 0, false
	}
	if keep {
		number, ok = c.slots.take()
	}
	if !ok {
		delete(c.flights, at)
	}
	return number, ok
}

// keepCell writes a cell to an empty slot that is pinned, and publishes it if
// it is still wanted.
func (c *Cache) keepCell(l *flight, at place, number uint32) {
	begin := at.cell*c.cellBytes - l.off
	data := l.data[begin:min(begin+c.cellBytes, l.length)]
	e := Entry{File: at.file, Cell: uint64(at.cell), Length: uint32(len(data))}
	e.CRC = e.sum(c.disk.seed, data)
	err := c.disk.write(number, e, data)
	if err != nil {
		c.diskFailed(err)
	}
	c.mu.Lock()
	wanted := c.flights[at] == l
	if wanted {
		delete(c.flights, at)
	}
	if wanted && err == nil {
		c.slots.publish(number, e, l.uses[at.cell])
		c.slots.unpin(number)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.erase([]uint32{number})
}
