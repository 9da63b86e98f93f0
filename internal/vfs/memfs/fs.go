package memfs

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"tailrace/internal/vfs"
)

var (
	// ErrPowerLoss is the answer of a file system and of its files and locks
	// after Crash.
	ErrPowerLoss = errors.New("memfs: power lost")

	errReadOnly = errors.New("file is open for reading only")
	errIsDir    = errors.New("is a directory")
	errNotDir   = errors.New("is not a directory")
)

// FS is a file system in memory. It implements vfs.FS and is safe for
// concurrent use. Names are relative to one root: a leading slash changes
// nothing.
type FS struct {
	// mu guards everything below and every inode and page of this file
	// system. Operations are short copies, so one lock is enough.
	mu    sync.Mutex
	dead  bool // after Crash; nothing changes any more
	dirs  map[string]*dir
	locks map[string]*fileLock

	used     int64 // pages that files hold
	capacity int64 // pages there are, or less than 0: no limit
}

var _ vfs.FS = (*FS)(nil)

// New returns an empty file system without a limit of space.
func New() *FS {
	return &FS{
		dirs:     map[string]*dir{"": newDir()},
		locks:    map[string]*fileLock{},
		capacity: -1,
	}
}

// clean gives a name its one form, which is "" for the root.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// split cuts a cleaned name into directory and entry.
func split(name string) (parent, base string) {
	parent, base = path.Split(name)
	return strings.TrimSuffix(parent, "/"), base
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// parent finds the directory and entry that name means. Called with mu held.
func (f *FS) parent(name string) (*dir, string, error) {
	if f.dead {
		return nil, "", ErrPowerLoss
	}
	name = clean(name)
	if _, ok := f.dirs[name]; ok {
		return nil, "", errIsDir
	}
	parent, base := split(name)
	d, ok := f.dirs[parent]
	if !ok {
		return nil, "", fs.ErrNotExist
	}
	return d, base, nil
}

// Create implements vfs.FS. The name is durable after SyncDir.
func (f *FS) Create(name string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if errors.Is(err, errIsDir) {
		err = fs.ErrExist
	}
	if err != nil {
		return nil, pathError("create", name, err)
	}
	if d.seen[base] != nil {
		return nil, pathError("create", name, fs.ErrExist)
	}
	node := &inode{}
	d.create(base, node)
	return f.open(node, name, true), nil
}

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) { return f.openName(name, false) }

// OpenWrite implements vfs.FS.
func (f *FS) OpenWrite(name string) (vfs.File, error) { return f.openName(name, true) }

func (f *FS) openName(name string, writable bool) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	node := d.seen[base]
	if node == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return f.open(node, name, writable), nil
}

// Rename implements vfs.FS. It refuses to move a file to another directory or
// to take the name of a directory.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(from)
	if err != nil {
		return pathError("rename", from, err)
	}
	toDir, toBase, err := f.parent(to)
	if err != nil {
		return pathError("rename", to, err)
	}
	if d != toDir {
		return pathError("rename", to, fs.ErrInvalid)
	}
	node := d.seen[base]
	if node == nil {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if d.seen[toBase] == node {
		return nil // nothing to do, as POSIX has it, also for two names of one file
	}
	replaced := d.rename(base, toBase, node)
	f.reap(replaced)
	return nil
}

// Link implements vfs.FS. The names share the content, which takes its space
// once.
func (f *FS) Link(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(from)
	if err != nil {
		return pathError("link", from, err)
	}
	node := d.seen[base]
	if node == nil {
		return pathError("link", from, fs.ErrNotExist)
	}
	toDir, toBase, err := f.parent(to)
	if errors.Is(err, errIsDir) || err == nil && toDir.seen[toBase] != nil {
		err = fs.ErrExist
	}
	if err != nil {
		return pathError("link", to, err)
	}
	toDir.create(toBase, node)
	return nil
}

// Remove implements vfs.FS. Space is free at once, or when the last File of
// it is closed.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if err != nil {
		return pathError("remove", name, err)
	}
	node := d.seen[base]
	if node == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	d.remove(base, node)
	f.reap(node)
	return nil
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return pathError("mkdir", name, ErrPowerLoss)
	}
	return f.mkdirAll(name, clean(name))
}

func (f *FS) mkdirAll(given, name string) error {
	if f.dirs[name] != nil {
		return nil
	}
	parent, base := split(name)
	if err := f.mkdirAll(given, parent); err != nil {
		return err
	}
	d := f.dirs[parent]
	if d.seen[base] != nil {
		return pathError("mkdir", given, errNotDir)
	}
	f.dirs[name] = newDir()
	d.subs[base] = struct{}{}
	d.sync()
	return nil
}

// ReadDir implements vfs.FS.
func (f *FS) ReadDir(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	names := make([]string, 0, len(d.seen)+len(d.subs))
	for base := range d.seen {
		names = append(names, base)
	}
	for base := range d.subs {
		names = append(names, base)
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(name)
	if err != nil {
		return pathError("syncdir", name, err)
	}
	d.sync()
	return nil
}

// Free implements vfs.FS. Without a limit of space it is more than any disk has.
func (f *FS) Free(name string) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.dir(name); err != nil {
		return 0, pathError("statfs", name, err)
	}
	if f.capacity < 0 {
		return 1 << 62, nil
	}
	return uint64(max(0, f.capacity-f.used)) * pageSize, nil
}

// dir finds a directory by name. Called with mu held.
func (f *FS) dir(name string) (*dir, error) {
	if f.dead {
		return nil, ErrPowerLoss
	}
	key := clean(name)
	if d := f.dirs[key]; d != nil {
		return d, nil
	}
	parent, base := split(key)
	if d := f.dirs[parent]; d != nil && d.seen[base] != nil {
		return nil, errNotDir
	}
	return nil, fs.ErrNotExist
}
