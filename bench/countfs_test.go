package bench

import (
	"strings"
	"sync/atomic"
	"time"

	"tailrace/internal/vfs"
)

// countFS is the operating system's files with a count of what is done to them,
// and writes of the log that take longer if they are to.
type countFS struct {
	vfs.FS
	counts *counts
	delay  time.Duration
}

// counts is how often something was done to files.
type counts struct {
	syncs     atomic.Int64
	reads     atomic.Int64
	readBytes atomic.Int64
	segments  atomic.Int64 // files made
}

func newCountFS() countFS { return countFS{FS: vfs.OS, counts: new(counts)} }

func (c countFS) Create(name string) (vfs.File, error) {
	if strings.HasSuffix(name, ".seg") {
		c.counts.segments.Add(1)
	}
	return c.count(c.FS.Create(name))
}

func (c countFS) Open(name string) (vfs.File, error) { return c.count(c.FS.Open(name)) }

func (c countFS) count(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return countFile{File: f, counts: c.counts, delay: c.delay}, nil
}

type countFile struct {
	vfs.File
	counts *counts
	delay  time.Duration
}

func (c countFile) ReadAt(p []byte, off int64) (int, error) {
	c.counts.reads.Add(1)
	c.counts.readBytes.Add(int64(len(p)))
	return c.File.ReadAt(p, off)
}

func (c countFile) Sync() error {
	c.counts.syncs.Add(1)
	return c.File.Sync()
}

func (c countFile) WriteSync(p []byte, off int64) error {
	c.counts.syncs.Add(1)
	time.Sleep(c.delay)
	return c.File.WriteSync(p, off)
}

func (c countFile) SyncData() error {
	c.counts.syncs.Add(1)
	return c.File.SyncData()
}
