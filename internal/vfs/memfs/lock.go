package memfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tailrace/internal/vfs"
)

// fileLock is a held lock. FS.mu guards it.
type fileLock struct {
	fs     *FS
	name   string
	closed bool
}

// Lock implements vfs.FS. A crash releases all locks.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if err != nil {
		return nil, pathError("lock", name, err)
	}
	key := clean(name)
	if f.locks[key] != nil {
		return nil, fmt.Errorf("lock %s: %w", name, vfs.ErrLocked)
	}
	if d.seen[base] == nil {
		d.create(base, &inode{})
	}
	l := &fileLock{fs: f, name: key}
	f.locks[key] = l
	return l, nil
}

func (l *fileLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	switch {
	case l.fs.dead:
		return pathError("unlock", l.name, ErrPowerLoss)
	case l.closed:
		return pathError("unlock", l.name, fs.ErrClosed)
	}
	l.closed = true
	// Whoever came after BreakLock keeps the lock.
	if l.fs.locks[l.name] == l {
		delete(l.fs.locks, l.name)
	}
	return nil
}

var errNotHeld = errors.New("memfs: lock is not held")

// BreakLock takes the lock from its holder, who does not notice: the next Lock
// succeeds while the first holder still believes in its own. It is an error if
// nobody holds it.
func (f *FS) BreakLock(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return pathError("breaklock", name, ErrPowerLoss)
	}
	key := clean(name)
	if f.locks[key] == nil {
		return pathError("breaklock", name, errNotHeld)
	}
	delete(f.locks, key)
	return nil
}
