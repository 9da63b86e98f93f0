package faultfs

import (
	"io"
	"sync"

	"tailrace/internal/vfs"
)

// SyncFailer is a base file system that can fail a sync the way that loses
// data: after FailSync the file reads as before, but what was written since
// its last sync counts as clean and no later sync writes it.
type SyncFailer interface {
	FailSync(f vfs.File) error
}

// FS is a file system with faults. It implements vfs.FS and is safe for
// concurrent use.
type FS struct {
	base vfs.FS

	// hooks is held while a call gets its number and its fault, so that an
	// injected function sees the calls one by one and in order. It comes
	// before mu.
	hooks    sync.Mutex
	injected func(Op) Fault
	rules    []*rule

	mu      sync.Mutex // guards the rest
	calls   int
	stopped bool
	trace   []*step
	sites   siteLog
}

var _ vfs.FS = (*FS)(nil)

// New returns a file system that passes every call to base.
func New(base vfs.FS) *FS {
	return &FS{base: base}
}

// Base is the file system under the faults.
func (f *FS) Base() vfs.FS { return f.base }

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) {
	return f.openFile(Op{Kind: Create, Name: name}, f.base.Create)
}

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) {
	return f.openFile(Op{Kind: Open, Name: name}, f.base.Open)
}

// OpenWrite implements vfs.FS.
func (f *FS) OpenWrite(name string) (vfs.File, error) {
	return f.openFile(Op{Kind: OpenWrite, Name: name}, f.base.OpenWrite)
}

func (f *FS) openFile(op Op, do func(string) (vfs.File, error)) (vfs.File, error) {
	if _, err := f.enter(op); err != nil {
		return nil, err
	}
	base, err := do(op.Name)
	if err != nil {
		return nil, err
	}
	return &file{fs: f, base: base, name: op.Name}, nil
}

// Rename implements vfs.FS.
func (f *FS) Rename(from, to string) error {
	if _, err := f.enter(Op{Kind: Rename, Name: from, To: to}); err != nil {
		return err
	}
	return f.base.Rename(from, to)
}

// Link implements vfs.FS.
func (f *FS) Link(from, to string) error {
	if _, err := f.enter(Op{Kind: Link, Name: from, To: to}); err != nil {
		return err
	}
	return f.base.Link(from, to)
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	if _, err := f.enter(Op{Kind: Remove, Name: name}); err != nil {
		return err
	}
	return f.base.Remove(name)
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(name string) error {
	if _, err := f.enter(Op{Kind: MkdirAll, Name: name}); err != nil {
		return err
	}
	return f.base.MkdirAll(name)
}

// ReadDir implements vfs.FS.
func (f *FS) ReadDir(name string) ([]string, error) {
	if _, err := f.enter(Op{Kind: ReadDir, Name: name}); err != nil {
		return nil, err
	}
	return f.base.ReadDir(name)
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(name string) error {
	if _, err := f.enter(Op{Kind: SyncDir, Name: name}); err != nil {
		return err
	}
	return f.base.SyncDir(name)
}

// Free implements vfs.FS. It is not a call in the trace, and no fault strikes it:
// what it tells is a guess at any time. After a stop it answers as all others.
func (f *FS) Free(name string) (uint64, error) {
	f.mu.Lock()
	stopped := f.stopped
	f.mu.Unlock()
	if stopped {
		return 0, ErrStopped
	}
	return f.base.Free(name)
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	if _, err := f.enter(Op{Kind: Lock, Name: name}); err != nil {
		return nil, err
	}
	base, err := f.base.Lock(name)
	if err != nil {
		return nil, err
	}
	return &heldLock{fs: f, base: base, name: name}, nil
}

type heldLock struct {
	fs   *FS
	base io.Closer
	name string
}

func (l *heldLock) Close() error {
	_, err := l.fs.enter(Op{Kind: Unlock, Name: l.name})
	// The process that a crash ended holds no lock either.
	baseErr := l.base.Close()
	if err != nil {
		return err
	}
	return baseErr
}

// FailSync implements SyncFailer, for a faultfs on a faultfs. It is not a call
// in the trace.
func (f *FS) FailSync(vf vfs.File) error {
	if own, ok := vf.(*file); ok && own.fs == f {
		vf = own.base
	}
	if base, ok := f.base.(SyncFailer); ok {
		return base.FailSync(vf)
	}
	return nil
}
