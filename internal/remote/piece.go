package remote

import (
	"errors"
	"fmt"
)

// piece is a read of whole or partial neighbouring cells, in three steps: under
// the lock it is decided who brings each cell, then the bytes are taken from
// there without a lock, then those of cells that turned out to be damaged are
// read again.
type piece struct {
	*cellReader
	p           []byte
	off         int64
	first, last int64 // cells

	here    []held    // on the disk, pinned
	coming  []coming  // the others
	launch  []*flight // that begin with this read
	dropped []uint32  // slots, pinned, to be erased
	waits   bool      // for a flight that has not landed
}

// held is a cell in a slot.
type held struct {
	cell   int64
	number uint32
	entry  Entry
}

// coming is a cell that a flight brings, which counts this reader for it.
type coming struct {
	cell   int64
	flight *flight
}

// read fills the piece. If it has to fetch it does so up to want.
func (r *piece) read(want, counted int64) (waited bool, err error) {
	c := r.file.cache
	c.mu.Lock()
	err = r.plan(want, counted)
	c.mu.Unlock()
	if err != nil {
		return r.waits, err
	}
	for _, l := range r.launch {
		go c.fly(l)
	}
	c.erase(r.dropped)
	damaged := r.readHere()
	err = r.wait()
	c.mu.Lock()
	for _, at := range r.coming {
		c.leave(at.flight)
	}
	if r.waits {
		c.blocked--
	}
	c.mu.Unlock()
	waited = r.waits
	for _, cell := range damaged {
		if err != nil {
			break
		}
		begin, end := r.part(cell)
		again := r.piece(r.p[begin-r.off:end-r.off], begin)
		_, err = again.read(end, cell)
		waited = true
	}
	return waited, err
}

// part is what the piece wants of a cell.
func (r *piece) part(cell int64) (begin, end int64) {
	cellBytes := r.file.cache.cellBytes
	return max(r.off, cell*cellBytes), min(r.off+int64(len(r.p)), (cell+1)*cellBytes)
}

// state is who has a cell.
type state int

const (
	absent  state = iota
	present       // in a slot
	flying        // on its way
	landed        // in memory, on its way to a slot
)

// look tells where a cell is. Called with mu held.
func (r *piece) look(cell int64) (state, *flight, uint32) {
	c := r.file.cache
	if l := c.flights[place{r.file.id, cell}]; l != nil {
		// Bytes that have not been delivered are not those that did not verify.
		if !l.landed {
			return flying, l, 0
		}
		if !r.ask.Fresh {
			return landed, l, 0
		}
		return absent, nil, 0
	}
	if number, ok := c.slots.find(place{r.file.id, cell}); ok && !r.ask.Fresh &&
		int64(c.slots.all[number].entry.Length) == r.file.cellLength(cell) {
		return present, nil, number
	}
	return absent, nil, 0
}

// plan decides who brings each cell, or refuses before anything is changed.
// Called with mu held.
func (r *piece) plan(want, counted int64) error {
	c := r.file.cache
	for cell := r.first; cell <= r.last && !r.waits; cell++ {
		s, _, _ := r.look(cell)
		r.waits = s == absent || s == flying
	}
	if r.waits {
		switch {
		case c.closed:
			return ErrClosed
		case r.ask.CachedOnly:
			return ErrNotCached
		case r.ctx.Err() != nil:
			return r.ended()
		case c.blocked >= c.blockedMax:
			return ErrBusy
		}
		c.blocked++
	}
	var missing []int64
	for cell := r.first; cell <= r.last; cell++ {
		begin, end := r.part(cell)
		switch s, l, number := r.look(cell); s {
		case present:
			c.slots.pin(number)
			if cell != counted {
				c.slots.use(number)
			}
			r.here = append(r.here, held{cell, number, c.slots.all[number].entry})
			c.stats.HitBytes += end - begin
		case landed:
			r.join(l, cell, counted)
			c.stats.HitBytes += end - begin
		case flying:
			r.join(l, cell, counted)
			c.stats.MissBytes += end - begin
		case absent:
			if number, ok := c.slots.find(place{r.file.id, cell}); ok {
				if !r.ask.Fresh { // of another length: of a file with another size
					c.stats.Damaged++
				}
				c.slots.pin(number)
				c.slots.drop(number)
				r.dropped = append(r.dropped, number)
			}
			missing = append(missing, cell)
			c.stats.MissBytes += end - begin
		}
	}
	for _, cells := range r.runs(missing, want) {
		l := c.launch(r.file, cells)
		r.launch = append(r.launch, l)
		for _, cell := range cells {
			if cell <= r.last {
				r.join(l, cell, counted)
			}
		}
	}
	return nil
}

// runs cuts missing cells into requests. The last one goes on to want, or until
// somebody else is fetching. Called with mu held.
func (r *piece) runs(missing []int64, want int64) (runs [][]int64) {
	if len(missing) == 0 {
		return nil
	}
	c := r.file.cache
	needed := len(missing)
	for cell := r.last + 1; cell*c.cellBytes < want && (cell+1-missing[0])*c.cellBytes <= c.requestMax; cell++ {
		if s, _, _ := r.look(cell); s == absent {
			missing = append(missing, cell)
		} else if s == flying {
			break
		}
	}
	begin := 0
	for i := 1; i <= len(missing); i++ {
		if i < len(missing) && r.near(missing[i-1], missing[i]) {
			continue
		}
		runs = append(runs, missing[begin:i:i])
		if begin = i; begin >= needed {
			break // nobody needs the next one yet
		}
	}
	return runs
}

// near tells whether two missing cells are to be fetched together. Called with
// mu held.
func (r *piece) near(a, b int64) bool {
	if b == a+1 {
		return true
	}
	if (b-a-1)*r.file.cache.cellBytes >= gapBytes {
		return false
	}
	for cell := a + 1; cell < b; cell++ {
		if s, _, _ := r.look(cell); s == flying {
			return false
		}
	}
	return true
}

// join makes the read one of those that a flight is for. Called with mu held.
func (r *piece) join(l *flight, cell, counted int64) {
	if cell != counted && l.uses[cell] < usesMax {
		l.uses[cell]++
	}
	l.waiting++
	r.coming = append(r.coming, coming{cell, l})
}

// readHere takes cells from the disk and tells which of them are damaged.
func (r *piece) readHere() (damaged []int64) {
	if len(r.here) == 0 {
		return nil
	}
	c := r.file.cache
	var bad map[uint32]bool
	for _, h := range r.here {
		err := r.readCell(h)
		if err == nil {
			continue
		}
		if bad == nil {
			bad = map[uint32]bool{}
		}
		bad[h.number] = true
		damaged = append(damaged, h.cell)
		if !errors.Is(err, errCellDamaged) {
			c.diskFailed(err)
		}
	}
	var dropped []uint32
	c.mu.Lock()
	for _, h := range r.here {
		if bad[h.number] {
			begin, end := r.part(h.cell)
			c.stats.HitBytes -= end - begin
		}
		switch {
		case !bad[h.number]:
			c.slots.unpin(h.number)
		case !c.slots.all[h.number].live: // somebody else was here before
			c.slots.unpin(h.number)
		default:
			c.stats.Damaged++
			c.slots.drop(h.number)
			dropped = append(dropped, h.number)
		}
	}
	c.mu.Unlock()
	c.erase(dropped)
	return damaged
}

// readCell reads and verifies all of a cell and gives the piece its part.
func (r *piece) readCell(h held) error {
	c := r.file.cache
	begin, end := r.part(h.cell)
	p := r.p[begin-r.off : end-r.off]
	if len(p) == int(h.entry.Length) {
		return c.disk.read(h.number, h.entry, p)
	}
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	b := (*buffer)[:h.entry.Length]
	if err := c.disk.read(h.number, h.entry, b); err != nil {
		return err
	}
	copy(p, b[begin-h.cell*c.cellBytes:])
	return nil
}

// wait takes the bytes of the flights as they land.
func (r *piece) wait() error {
	for _, at := range r.coming {
		l := at.flight
		select {
		case <-l.done:
		case <-r.ctx.Done():
			return r.ended()
		}
		if l.err != nil {
			return l.err
		}
		begin, end := r.part(at.cell)
		copy(r.p[begin-r.off:end-r.off], l.data[begin-l.off:])
	}
	return nil
}

func (r *piece) ended() error {
	return fmt.Errorf("remote: wait for %d bytes of file %d at %d: %w", len(r.p), r.file.id, r.off, r.ctx.Err())
}
