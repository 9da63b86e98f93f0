//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// OS is the file system of the operating system. Its errors are those of the
// os package, wrapped where they have to match a value of this package.
var OS FS = osFS{}

// Modes of what OS makes, before the umask.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, mapError(err)
	}
	return &osFile{f: f, writable: true}, nil
}

func (osFS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (osFS) OpenWrite(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, mapError(err)
	}
	return &osFile{f: f, writable: true}, nil
}

func (osFS) Rename(from, to string) error {
	// Between directories a crash may leave both names or neither until both
	// directories are synced, and SyncDir is about one.
	if path.Dir(path.Clean(from)) != path.Dir(path.Clean(to)) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrInvalid}
	}
	return mapError(os.Rename(from, to))
}

func (osFS) Link(from, to string) error { return mapLinkError(os.Link(from, to)) }

func (osFS) Remove(name string) error {
	// os.Remove would take an empty directory too.
	if err := retry(func() error { return unlink(name) }); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (o osFS) MkdirAll(name string) error {
	info, err := os.Stat(name)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: errNotDir}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := path.Dir(path.Clean(name))
	if err := o.MkdirAll(parent); err != nil {
		return err
	}
	// Somebody else may make the same directory meanwhile; that is as good,
	// but only our own sync tells that the name is durable.
	if err := os.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return mapError(err)
	}
	return o.SyncDir(parent)
}

func (osFS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name) // sorted
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) SyncDir(name string) error {
	// A directory that cannot be synced is an error on purpose: names in it
	// would be durable only by luck.
	f, err := os.OpenFile(name, os.O_RDONLY|openDirectory, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return mapError(err)
}

func (osFS) Free(name string) (uint64, error) {
	bytes, err := statfs(name)
	if err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	return bytes, nil
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, mapError(err)
	}
	if err := lock(f); err != nil {
		_ = f.Close() // nothing was written, and the lock error says more
		return nil, err
	}
	// Nothing is written to it: what is locked may turn out to be not ours.
	return f, nil // closing the descriptor drops the lock
}

// osFile hides the parts of os.File that are not in the seam, such as its
// file position.
type osFile struct {
	f        *os.File
	writable bool
	direct   direct
}

func (o *osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

func (o *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.f.WriteAt(p, off)
	return n, mapError(err)
}

func (o *osFile) WriteSync(p []byte, off int64) error {
	if o.writable {
		if done, err := o.direct.write(o.f, p, off); done {
			return mapError(err)
		}
	}
	if _, err := o.WriteAt(p, off); err != nil {
		return err
	}
	return o.SyncData()
}

func (o *osFile) Close() error { return mapError(errors.Join(o.direct.close(), o.f.Close())) }

func (o *osFile) Size() (int64, error) {
	info, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (o *osFile) Truncate(size int64) error { return mapError(o.f.Truncate(size)) }

func (o *osFile) Allocate(size int64) error {
	if size < 0 {
		return &fs.PathError{Op: "allocate", Path: o.f.Name(), Err: fs.ErrInvalid}
	}
	if size == 0 {
		return nil
	}
	return mapError(allocate(o.f, size))
}

func (o *osFile) Sync() error { return mapError(o.f.Sync()) }

func (o *osFile) SyncData() error { return mapError(syncData(o.f)) }

func (o *osFile) Linked() (bool, error) {
	info, err := o.f.Stat()
	if err != nil {
		return false, err
	}
	return links(info) > 0, nil
}

// grow makes f at least size bytes long without reserving anything.
func grow(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() >= size {
		return nil
	}
	return f.Truncate(size)
}

// control runs op on the descriptor of f, again when a signal cut it short,
// and gives its error the shape that the os package would.
func control(f *os.File, verb string, op func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	if err := conn.Control(func(fd uintptr) {
		opErr = retry(func() error { return op(int(fd)) })
	}); err != nil {
		return fmt.Errorf("%s %s: %w", verb, f.Name(), errors.Join(fs.ErrClosed, err))
	}
	if opErr != nil {
		return &fs.PathError{Op: verb, Path: f.Name(), Err: opErr}
	}
	return nil
}
