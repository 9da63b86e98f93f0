package bench

import (
	"sync/atomic"

	"tailrace/internal/vfs"
)

// countFS is the operating system's files with a count of their syncs.
type countFS struct {
	vfs.FS
	syncs *atomic.Int64
}

func newCountFS() countFS { return countFS{FS: vfs.OS, syncs: new(atomic.Int64)} }

func (c countFS) Create(name string) (vfs.File, error) { return c.count(c.FS.Create(name)) }
func (c countFS) Open(name string) (vfs.File, error)   { return c.count(c.FS.Open(name)) }

func (c countFS) count(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return countFile{File: f, syncs: c.syncs}, nil
}

type countFile struct {
	vfs.File
	syncs *atomic.Int64
}

func (c countFile) Sync() error {
	c.syncs.Add(1)
	return c.File.Sync()
}

func (c countFile) WriteSync(p []byte, off int64) error {
	c.syncs.Add(1)
	return c.File.WriteSync(p, off)
}

func (c countFile) SyncData() error {
	c.syncs.Add(1)
	return c.File.SyncData()
}
