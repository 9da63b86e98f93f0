package engine

import (
	"fmt"
	"path"

	"tailrace/internal/vfs"
)

// outFile is a new file that is written front to back. It is synced in small
// steps: what a sync has to write makes the log's own sync wait.
type outFile struct {
	fs     vfs.FS
	path   string
	file   vfs.File
	at     int64
	synced int64
	buf    []byte
	pace   func() // called after each step, to slow it down; nil = as fast as it goes
}

const (
	outBufferBytes = 256 << 10
	outSyncBytes   = 1 << 20
)

func newOutFile(fs vfs.FS, name string, pace func()) (*outFile, error) {
	file, err := fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("engine: make %s: %w", name, err)
	}
	return &outFile{fs: fs, path: name, file: file, buf: make([]byte, 0, outBufferBytes), pace: pace}, nil
}

// Write implements io.Writer.
func (w *outFile) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(len(p), cap(w.buf)-len(w.buf))
		w.buf, p = append(w.buf, p[:m]...), p[m:]
		if len(w.buf) == cap(w.buf) {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *outFile) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.at); err != nil {
		return fmt.Errorf("engine: write %s: %w", w.path, err)
	}
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	if w.at-w.synced < outSyncBytes {
		return nil
	}
	return w.sync()
}

func (w *outFile) sync() error {
	if err := w.file.SyncData(); err != nil {
		return fmt.Errorf("engine: sync %s: %w", w.path, err)
	}
	w.synced = w.at
	if w.pace != nil {
		w.pace()
	}
	return nil
}

// finish makes the content durable. The name is its directory's matter.
func (w *outFile) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.synced == w.at && w.at > 0 {
		return nil
	}
	return w.sync()
}

// settle makes content and name durable, and closes the file.
func (w *outFile) settle() error {
	if err := w.finish(); err != nil {
		return err
	}
	if err := w.fs.SyncDir(path.Dir(w.path)); err != nil {
		return fmt.Errorf("engine: sync directory of %s: %w", w.path, err)
	}
	w.file.Close() // everything in it is synced: nothing is left to fail
	return nil
}

// discard gives the file up. What is left of it on the disk is an output that
// was announced and never committed.
func (w *outFile) discard() {
	w.file.Close()
	w.fs.Remove(w.path)
}
