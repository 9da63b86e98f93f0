package memfs

import (
	"io/fs"
	"maps"
	"path"
)

// Clone returns a file system with the same files as seen, all of them synced,
// and no locks. A dead file system can be cloned too.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := New()
	after.capacity = f.capacity
	nodes := map[*inode]*inode{}
	for name, d := range f.dirs {
		nd := newDir()
		nd.subs = maps.Clone(d.subs)
		for base, node := range d.seen {
			c := nodes[node]
			if c == nil {
				c = node.clone()
				nodes[node] = c
				after.used += c.reserved()
			}
			nd.put(base, c)
		}
		after.dirs[name] = nd
	}
	return after
}

func (n *inode) clone() *inode {
	c := &inode{pages: make([]page, len(n.pages)), size: n.size, mediumSize: n.size}
	for i := range n.pages {
		p := &n.pages[i]
		b := p.seen
		shared := true
		if b == p.medium {
			p.shared = true
		} else if b != nil {
			nb := *b
			b, shared = &nb, false
		}
		c.pages[i] = page{seen: b, medium: b, shared: shared, reserved: p.reserved}
	}
	return c
}

// Corrupt flips the bits of mask in the byte at off of a file, both as seen
// and on the medium. It is an error if the file has no such byte.
func (f *FS) Corrupt(name string, off int64, mask byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if err != nil {
		return pathError("corrupt", name, err)
	}
	n := d.seen[base]
	if n == nil {
		return pathError("corrupt", name, fs.ErrNotExist)
	}
	if off < 0 || off >= n.size {
		return pathError("corrupt", name, fs.ErrInvalid)
	}
	p := n.page(int(off / pageSize))
	at := off % pageSize
	flip := func(b *block) *block {
		nb := new(block)
		if b != nil {
			*nb = *b
		}
		nb[at] ^= mask
		return nb
	}
	same := p.seen == p.medium
	p.seen = flip(p.seen)
	switch {
	case off >= n.mediumSize:
		// The medium has no such byte yet, so the damage comes with the write
		// that brings it there.
		p.dirty |= sectors(int(at), int(at)+1)
		n.touch(int(off/pageSize), int(off/pageSize)+1)
	case same:
		p.medium, p.shared = p.seen, false
	default:
		p.medium, p.shared = flip(p.medium), false
	}
	return nil
}

// Snapshot returns the content of all files as seen, by full name without a
// leading slash.
func (f *FS) Snapshot() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]byte{}
	for name, d := range f.dirs {
		for base, node := range d.seen {
			b := make([]byte, node.size)
			node.read(b, 0)
			all[path.Join(name, base)] = b
		}
	}
	return all
}

// SetCapacity limits the space of all files together to bytes, in whole pages
// of 4 KiB; less than 0 is no limit. Files keep what they hold, so a limit
// below Used only stops growth.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes < 0 {
		f.capacity = -1
		return
	}
	f.capacity = bytes / pageSize
}

// Used is the space that files hold, in bytes: the pages that were written or
// allocated, of open files without a name too.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used * pageSize
}
