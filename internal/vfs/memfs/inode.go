package memfs

import "tailrace/internal/vfs"

// inode is a file apart from its names. FS.mu guards it.
//
// Bytes of a view past its length are zeros, so that growing needs no work.
type inode struct {
	pages []page
	size  int64 // as seen

	// mediumSize is the length on the medium; sizes are the lengths since
	// then, in order, and floor is the smallest of all of them.
	mediumSize int64
	sizes      []int64
	floor      int64

	// Pages touchedFrom..touchedTo-1 may differ between the views.
	touchedFrom, touchedTo int

	links   int // names as seen
	handles int // open Files
}

// resize changes the length, which the next sync makes durable.
func (n *inode) resize(size int64) {
	if size == n.size {
		return
	}
	if len(n.sizes) == 0 {
		n.floor = n.mediumSize
	}
	n.size = size
	n.sizes = append(n.sizes, size)
	n.floor = min(n.floor, size)
}

// cut drops the bytes at and after size from the seen view, and gives back
// how many reserved pages that freed.
func (n *inode) cut(size int64) (freed int64) {
	first := int(size / pageSize)
	n.touch(first, len(n.pages))
	for i := first; i < len(n.pages); i++ {
		at := 0
		if i == first {
			at = int(size % pageSize)
		}
		p := &n.pages[i]
		p.cut(at)
		if at == 0 && p.reserved {
			p.reserved = false
			freed++
		}
	}
	n.resize(size)
	return freed
}

func (n *inode) touch(from, to int) {
	if from >= to {
		return
	}
	if n.touchedFrom >= n.touchedTo {
		n.touchedFrom, n.touchedTo = from, to
		return
	}
	n.touchedFrom = min(n.touchedFrom, from)
	n.touchedTo = max(n.touchedTo, to)
}

// page returns page i, which it makes a hole if the file is shorter.
func (n *inode) page(i int) *page {
	for len(n.pages) <= i {
		n.pages = append(n.pages, page{})
	}
	return &n.pages[i]
}

// read fills p from the seen view; off+len(p) is at most size.
func (n *inode) read(p []byte, off int64) {
	for len(p) > 0 {
		i, at := int(off/pageSize), int(off%pageSize)
		l := min(len(p), pageSize-at)
		if i < len(n.pages) {
			n.pages[i].read(at, p[:l])
		} else {
			clear(p[:l])
		}
		p, off = p[l:], off+int64(l)
	}
}

// sync makes the seen view durable, but for what a failed sync dropped.
func (n *inode) sync() {
	if len(n.sizes) == 0 {
		n.floor = n.mediumSize
	}
	for i := n.touchedFrom; i < n.touchedTo; i++ {
		n.pages[i].sync(within(n.floor, i))
	}
	n.touchedFrom, n.touchedTo = 0, 0
	n.mediumSize = n.size
	n.sizes = n.sizes[:0]
}

// within is the part of page i that size bytes of a file reach.
func within(size int64, i int) int {
	return int(max(0, min(pageSize, size-int64(i)*pageSize)))
}

// failSync marks everything written as clean without writing it.
func (n *inode) failSync() {
	for i := n.touchedFrom; i < n.touchedTo; i++ {
		p := &n.pages[i]
		p.stale |= p.dirty
		p.dirty = 0
	}
}

// write puts data at off into the seen view and returns how much of it found
// space.
func (f *FS) write(n *inode, data []byte, off int64) (int, error) {
	done := 0
	var err error
	for done < len(data) {
		at := off + int64(done)
		i, in := int(at/pageSize), int(at%pageSize)
		l := min(len(data)-done, pageSize-in)
		p := n.page(i)
		if !p.reserved {
			if f.full(1) {
				err = vfs.ErrNoSpace
				break
			}
			p.reserved = true
			f.used++
		}
		p.write(in, data[done:done+l])
		done += l
	}
	if done > 0 {
		n.touch(int(off/pageSize), int((off+int64(done)-1)/pageSize)+1)
		if end := off + int64(done); end > n.size {
			n.resize(end)
		}
	}
	return done, err
}

// allocate reserves the pages of the first size bytes, all or none of them.
func (f *FS) allocate(n *inode, size int64) error {
	count := int((size + pageSize - 1) / pageSize)
	missing := int64(0)
	for i := range count {
		if i >= len(n.pages) {
			missing += int64(count - i)
			break
		}
		if !n.pages[i].reserved {
			missing++
		}
	}
	if missing > 0 && f.full(missing) {
		return vfs.ErrNoSpace
	}
	if count > 0 {
		n.page(count - 1)
	}
	for i := range count {
		n.pages[i].reserved = true
	}
	f.used += missing
	if size > n.size {
		n.resize(size)
	}
	return nil
}

// full reports whether there is no room for more pages.
func (f *FS) full(more int64) bool {
	return f.capacity >= 0 && f.used+more > f.capacity
}

// reap gives back the space of n when nothing leads to it any more; n may be
// nil. The content stays: until its removal is durable, a crash can bring the
// file back. It goes with the directory's pending operation.
func (f *FS) reap(n *inode) {
	if n != nil && n.links == 0 && n.handles == 0 {
		f.used -= n.reserved()
	}
}

// reserved counts the pages that the file holds.
func (n *inode) reserved() int64 {
	count := int64(0)
	for i := range n.pages {
		if n.pages[i].reserved {
			count++
		}
	}
	return count
}
