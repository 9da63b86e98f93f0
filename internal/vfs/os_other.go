//go:build unix && !linux

package vfs

import "os"

// direct does nothing: these systems have no way past the page cache that the
// standard library knows.
type direct struct{}

func (*direct) write(*os.File, []byte, int64) (bool, error) { return false, nil }
func (*direct) close() error                                { return nil }

// allocate only gives length: these systems have no call that reserves space
// through the standard library.
func allocate(f *os.File, size int64) error { return grow(f, size) }

// syncData is a full sync, which os.File makes one of the medium (and not only
// of the drive's cache) where the system tells them apart.
func syncData(f *os.File) error { return f.Sync() }
