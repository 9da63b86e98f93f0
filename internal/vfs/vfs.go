// Package vfs is the file seam: the only place of the project that calls the
// file functions of the operating system.
//
// Everything above it takes an FS, so the same code runs on real files (OS),
// on a file system in memory that can lose power (memfs), and on either of
// them with faults injected call by call (faultfs).
//
// Names are slash-separated paths. A write is on the medium only after Sync or
// SyncData of its file returned; a created, renamed or removed name only after
// SyncDir of its directory returned.
package vfs

import (
	"errors"
	"io"
)

var (
	// ErrLocked means that somebody else holds the lock file.
	ErrLocked = errors.New("vfs: held by another process")

	// ErrNoSpace means that the medium is full. Errors of FS and File match it
	// with errors.Is when the system reported a full disk or an exhausted quota.
	ErrNoSpace = errors.New("vfs: no space left")

	// ErrCannotLink means that a file cannot have the second name that was asked
	// for: the file system has no links, or the two names are on different ones.
	// Whoever wanted to save a copy makes one.
	ErrCannotLink = errors.New("vfs: cannot link")
)

// FS is a tree of files. Implementations are safe for concurrent use.
type FS interface {
	// Create makes a new empty file for reading and writing. A name that
	// exists already is an error that matches fs.ErrExist.
	Create(name string) (File, error)

	// Open opens a file for reading only. A missing one is an error that
	// matches fs.ErrNotExist.
	Open(name string) (File, error)

	// OpenWrite opens a file that is there for reading and writing. A missing
	// one is an error that matches fs.ErrNotExist.
	OpenWrite(name string) (File, error)

	// Rename gives a file another name, in the same directory, and replaces
	// whatever had that name. It is atomic: a crash leaves one or the other.
	Rename(from, to string) error

	// Link gives a file a second name, also in another directory. The new name is
	// durable after SyncDir of its directory. A name that exists already is an
	// error that matches fs.ErrExist; what cannot be linked matches ErrCannotLink.
	Link(from, to string) error

	// Remove removes a name; the file goes with its last one.
	Remove(name string) error

	// MkdirAll makes a directory and its missing parents, and syncs the parent
	// of each one it made.
	MkdirAll(name string) error

	// ReadDir returns the names in a directory, sorted.
	ReadDir(name string) ([]string, error)

	// SyncDir makes the names of a directory durable.
	SyncDir(name string) error

	// Free is how many bytes more the file system of a directory takes, before it is
	// full to this process. It is a guess where others use it too. A system that does
	// not tell is an error that matches errors.ErrUnsupported.
	Free(dir string) (bytes uint64, err error)

	// Lock takes the lock file name, which it makes if needed, for this
	// process, until the returned Closer is closed or the process ends.
	// It never waits: a held lock is ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Reads at or past the end return io.EOF as io.ReaderAt
// asks. Implementations are safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Size is the length of the file in bytes.
	Size() (int64, error)

	// Truncate cuts the file to size bytes.
	Truncate(size int64) error

	// Allocate reserves the space of the first size bytes and makes the file
	// at least that long, so that later writes below size cannot meet a full
	// disk. It matches ErrNoSpace when there is no room.
	Allocate(size int64) error

	// Sync makes content and metadata durable.
	Sync() error

	// SyncData makes content durable, and of the metadata what is needed to
	// read it back. It may be cheaper than Sync.
	SyncData() error

	// WriteSync is WriteAt followed by SyncData, which the system may do in one
	// step. After an error, any part of p may be on the medium or not.
	WriteSync(p []byte, off int64) error

	// Linked reports whether a name still leads to this file. An owner whose
	// file was replaced under it learns so here.
	Linked() (bool, error)
}
