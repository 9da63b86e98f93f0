package wal_test

import (
	"os"
	"path/filepath"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/wal"
	"tailrace/wal/waltest"
)

const fileBytes = 256 << 10

type memMedium struct {
	fs     *memfs.FS
	frames int // Options.FrameBytesMax
}

func (m memMedium) Open(start wal.Place, replay func(wal.Replayed) error) (wal.Log, error) {
	o := wal.Options{FS: m.fs, Dir: "data", FileBytes: fileBytes, FrameBytesMax: m.frames, Prepare: from(start)}
	if m.frames > fileBytes {
		o.FileBytes = 64 << 10 // so that files end in the space for large frames too
	}
	return opened(wal.Open(o, replay))
}

func (m memMedium) Crash() waltest.Medium {
	return memMedium{m.fs.Crash(nil, memfs.KeepNone), m.frames}
}

// osMedium is a directory. A crash leaves a copy of it, because its owner still
// holds the original's lock.
type osMedium struct {
	t   *testing.T
	dir string
}

func (m osMedium) Open(start wal.Place, replay func(wal.Replayed) error) (wal.Log, error) {
	l, err := opened(wal.Open(wal.Options{FS: vfs.OS, Dir: m.dir, FileBytes: fileBytes, Prepare: from(start)}, replay))
	if err == nil {
		m.t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func (m osMedium) Crash() waltest.Medium {
	dir := filepath.Join(m.t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	return osMedium{m.t, dir}
}

func from(start wal.Place) func(wal.Store) (wal.Place, error) {
	return func(wal.Store) (wal.Place, error) { return start, nil }
}

func opened(l *wal.Files, _ wal.Recovery, err error) (wal.Log, error) {
	if err != nil {
		return nil, err
	}
	return l, nil
}

func TestAcceptanceInMemory(t *testing.T) {
	waltest.Run(t, func(*testing.T) waltest.Medium { return memMedium{memfs.New(), 0} })
}

func TestAcceptanceWithLargeFrames(t *testing.T) {
	waltest.Run(t, func(*testing.T) waltest.Medium { return memMedium{memfs.New(), 5 * fileBytes} })
}

func TestAcceptanceOnFiles(t *testing.T) {
	waltest.Run(t, func(t *testing.T) waltest.Medium { return osMedium{t, filepath.Join(t.TempDir(), "data")} })
}
