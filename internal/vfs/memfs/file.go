package memfs

import (
	"errors"
	"io"
	"io/fs"

	"tailrace/internal/vfs"
)

// file is one open file.
type file struct {
	fs       *FS
	node     *inode
	name     string // as it was opened, for errors
	writable bool
	closed   bool // under FS.mu
}

// open makes a handle. Called with mu held.
func (f *FS) open(node *inode, name string, writable bool) *file {
	node.handles++
	return &file{fs: f, node: node, name: name, writable: writable}
}

// enter locks the file system for one operation of the file. The caller
// unlocks fs.mu whether or not there is an error.
func (f *file) enter(op string, write bool) error {
	f.fs.mu.Lock()
	switch {
	case f.fs.dead:
		return pathError(op, f.name, ErrPowerLoss)
	case f.closed:
		return pathError(op, f.name, fs.ErrClosed)
	case write && !f.writable:
		return pathError(op, f.name, errReadOnly)
	}
	return nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	err := f.enter("read", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= f.node.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.node.size-off))
	f.node.read(p[:n], off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	err := f.enter("write", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", f.name, fs.ErrInvalid)
	}
	n, err := f.fs.write(f.node, p, off)
	if err != nil {
		return n, pathError("write", f.name, err)
	}
	return n, nil
}

func (f *file) Close() error {
	err := f.enter("close", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.closed = true
	f.node.handles--
	f.fs.reap(f.node)
	return nil
}

func (f *file) Size() (int64, error) {
	err := f.enter("size", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.node.size, nil
}

func (f *file) Truncate(size int64) error {
	err := f.enter("truncate", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 {
		return pathError("truncate", f.name, fs.ErrInvalid)
	}
	if size < f.node.size {
		f.fs.used -= f.node.cut(size)
	} else {
		f.node.resize(size)
	}
	return nil
}

func (f *file) Allocate(size int64) error {
	err := f.enter("allocate", true)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 {
		return pathError("allocate", f.name, fs.ErrInvalid)
	}
	if err := f.fs.allocate(f.node, size); err != nil {
		return pathError("allocate", f.name, err)
	}
	return nil
}

func (f *file) Sync() error { return f.sync("sync") }

// SyncData is Sync: all that this file system knows of a file is needed to
// read it back.
func (f *file) SyncData() error { return f.sync("syncdata") }

func (f *file) sync(op string) error {
	err := f.enter(op, false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.node.sync()
	return nil
}

// WriteSync is the two calls: power may fail between them.
func (f *file) WriteSync(p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	return f.SyncData()
}

func (f *file) Linked() (bool, error) {
	err := f.enter("linked", false)
	defer f.fs.mu.Unlock()
	if err != nil {
		return false, err
	}
	return f.node.links > 0, nil
}

var errForeign = errors.New("memfs: file of another file system")

// FailSync makes a sync of file fail the way Linux does: what was written
// counts as synced and is not on the medium, and no later sync puts it there
// unless it is written again. It takes a File of this file system.
func (f *FS) FailSync(vf vfs.File) error {
	file, ok := vf.(*file)
	if !ok || file.fs != f {
		return errForeign
	}
	err := file.enter("sync", false)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	file.node.failSync()
	return nil
}
