package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// File is a remote file. Whoever reads one for longer keeps it: it is where
// readers in order are recognized.
type File struct {
	cache   *Cache
	id      uint64
	size    int64
	cursors cursors // under Cache.mu
}

// File gives the file with an id, which has size bytes and never changes. It
// asks nobody.
func (c *Cache) File(id uint64, size int64) *File { return &File{cache: c, id: id, size: size} }

// Ask is how a reader wants to be served.
type Ask struct {
	// CachedOnly gives ErrNotCached in place of a wait for the source.
	CachedOnly bool

	// Sequential is for a long pass, such as a merge: AheadMax is fetched at a
	// time, straight through, into memory of the reader. Cells are neither looked
	// at nor made. CachedOnly comes before it.
	Sequential bool

	// Fresh drops what is cached of a range that is read, and fetches it again.
	// It is for bytes that did not verify.
	Fresh bool

	// To is up to where the reader is going to want everything, or 0 if that is
	// unknown. One request gets it all, up to AheadMax, and nothing beyond it.
	To int64

	// End is where the reader is going to stop if it goes on in order, or 0 if that
	// is unknown. Nothing beyond it is read ahead.
	End int64
}

// cellLength is how many bytes a cell has: all but the last are full.
func (f *File) cellLength(cell int64) int64 {
	return min(f.cache.cellBytes, f.size-cell*f.cache.cellBytes)
}

// Reader gives a reader of the file. It may be used by many goroutines at a
// time, and waits no longer than ctx. Errors match ErrNotCached, ErrBusy,
// ErrClosed, those of ctx and those of the source.
func (f *File) Reader(ctx context.Context, ask Ask) io.ReaderAt {
	if ask.Sequential && !ask.CachedOnly {
		return &passReader{file: f, ctx: ctx, ask: ask}
	}
	return &cellReader{file: f, ctx: ctx, ask: ask}
}

// within cuts a read at the end of the file. The error is what a read that
// succeeds has to return all the same.
func (f *File) within(p []byte, off int64) ([]byte, error) {
	switch {
	case off < 0:
		return nil, fmt.Errorf("remote: read file %d: %w", f.id, errNegative)
	case len(p) == 0:
		return nil, nil
	case off >= f.size:
		return nil, io.EOF
	case int64(len(p)) > f.size-off:
		return p[:f.size-off], io.EOF
	}
	return p, nil
}

// readAt lets read fill what of p is in the file, and counts it: what waited, or
// failed, is a miss.
func (f *File) readAt(p []byte, off int64, read func(p []byte, off int64) (n int, waited bool, err error)) (int, error) {
	p, end := f.within(p, off)
	if len(p) == 0 {
		return 0, end
	}
	c := f.cache
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.running.Done()
	n, waited, err := read(p, off)
	c.mu.Lock()
	if waited || err != nil {
		c.stats.Misses++
	} else {
		c.stats.Hits++
	}
	c.mu.Unlock()
	if err != nil {
		return n, err
	}
	return n, end
}

var errNegative = errors.New("negative offset")

// cellReader reads through cells, or straight from the source if there are
// none.
type cellReader struct {
	file *File
	ctx  context.Context
	ask  Ask
}

func (r *cellReader) ReadAt(p []byte, off int64) (int, error) { return r.file.readAt(p, off, r.read) }

func (r *cellReader) read(p []byte, off int64) (n int, waited bool, err error) {
	c := r.file.cache
	switch {
	case c.disk == nil && r.ask.CachedOnly:
		return 0, false, ErrNotCached
	case c.disk == nil:
		if err := c.through(r.ctx, r.file.id, p, off); err != nil {
			return 0, true, err
		}
		return len(p), true, nil
	}
	want, counted := r.follow(off, off+int64(len(p)))
	for n < len(p) {
		piece := r.piece(p[n:], off+int64(n))
		w, err := piece.read(want, counted)
		waited = waited || w
		if err != nil {
			return n, waited, err
		}
		n += len(piece.p)
	}
	if r.ask.CachedOnly {
		c.mu.Lock()
		r.file.cursors.move(off, off+int64(n), c.cellBytes, c.aheadMax)
		c.mu.Unlock()
	}
	return n, waited, nil
}

// follow finds out up to where a read should fetch if it has to, and which cell
// was counted as used when the bytes before were read, or -1. A reader that
// comes for what is cached and, if it is not, again without that condition is
// seen once.
func (r *cellReader) follow(off, end int64) (want, counted int64) {
	c, f := r.file.cache, r.file
	counted = -1
	if r.ask.Fresh {
		return end, counted
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := f.cursors.find(off, c.cellBytes); at != nil {
		counted = (at.end - 1) / c.cellBytes
	}
	want = end
	if !r.ask.CachedOnly {
		want += f.cursors.move(off, end, c.cellBytes, c.aheadMax)
	}
	if r.ask.End > 0 {
		want = max(end, min(want, r.ask.End))
	}
	if r.ask.To > 0 {
		want = max(end, min(r.ask.To, end+c.aheadMax))
	}
	return min(want, f.size), counted
}

// piece is as much of a read as one request can bring.
func (r *cellReader) piece(p []byte, off int64) *piece {
	c := r.file.cache
	first := off / c.cellBytes
	if room := first*c.cellBytes + c.requestMax - off; int64(len(p)) > room {
		p = p[:room]
	}
	return &piece{
		cellReader: r, p: p, off: off,
		first: first, last: (off + int64(len(p)) - 1) / c.cellBytes,
	}
}

// through reads from the source into memory of the caller.
func (c *Cache) through(ctx context.Context, id uint64, p []byte, off int64) error {
	c.mu.Lock()
	if c.blocked >= c.blockedMax {
		c.mu.Unlock()
		return ErrBusy
	}
	c.blocked++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.blocked--
		c.mu.Unlock()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	err := c.request(ctx, id, p, off)
	if err == nil {
		c.mu.Lock()
		c.stats.MissBytes += int64(len(p))
		c.mu.Unlock()
	}
	return err
}
