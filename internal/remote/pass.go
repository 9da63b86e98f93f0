package remote

import (
	"context"
	"sync"
)

// passReader goes through a file once, with a window of its own.
type passReader struct {
	file *File
	ctx  context.Context
	ask  Ask

	mu     sync.Mutex // guards the window, and is held while it is fetched
	window []byte
	at     int64 // where the window begins in the file
}

func (r *passReader) ReadAt(p []byte, off int64) (int, error) { return r.file.readAt(p, off, r.read) }

func (r *passReader) read(p []byte, off int64) (n int, waited bool, err error) {
	if r.ask.Fresh {
		r.file.cache.forgetRange(r.file, off, off+int64(len(p)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ask.Fresh {
		r.window = r.window[:0]
	}
	for n < len(p) {
		at := off + int64(n)
		if at < r.at || at >= r.at+int64(len(r.window)) {
			waited = true
			if err := r.fetch(at, off+int64(len(p))); err != nil {
				return n, waited, err
			}
		}
		n += copy(p[n:], r.window[at-r.at:])
	}
	return n, waited, nil
}

// fetch makes the window begin at a place. It has at least what is needed, or
// is as long as it may be.
func (r *passReader) fetch(at, need int64) error {
	c := r.file.cache
	end := min(at+max(c.windowMax, pageBytes), r.file.size)
	if r.ask.To > 0 {
		end = min(end, max(r.ask.To, need))
	}
	if int64(cap(r.window)) < end-at {
		r.window = make([]byte, end-at)
	}
	r.at, r.window = at, r.window[:end-at]
	if err := c.through(r.ctx, r.file.id, r.window, at); err != nil {
		r.window = r.window[:0]
		return err
	}
	return nil
}

// forgetRange drops the cells of a part of a file.
func (c *Cache) forgetRange(f *File, off, end int64) {
	if c.disk == nil {
		return
	}
	var dropped []uint32
	c.mu.Lock()
	for cell := off / c.cellBytes; cell*c.cellBytes < end; cell++ {
		at := place{f.id, cell}
		if number, ok := c.slots.find(at); ok {
			c.slots.pin(number)
			c.slots.drop(number)
			dropped = append(dropped, number)
		}
		delete(c.flights, at)
	}
	c.mu.Unlock()
	c.erase(dropped)
}
