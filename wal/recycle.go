package wal

import (
	"errors"
	"fmt"
	"slices"

	"tailrace/internal/vfs"
)

// A file that rotation sealed has all its blocks up to FileBytes, and all of them
// were written. So once it is given up it becomes the next spare by a rename:
// nothing is written before its new header, and no space is needed, unless
// frames may be larger than FileBytes: what is for them is allocated again. Its old frames
// stay where they are. They carry the file's old number, and checksums of its
// old salt, so they are frames of no file any more.
//
// Until then it keeps its name, below the first file of STORE: if the process
// ends, it is removed with the others that are.

// retire keeps a file that rotation sealed open, for recycling. It is called
// under serving.
func (l *Files) retire(c current) {
	f := logFile{number: c.number, path: c.path, file: c.file}
	whole := c.bytes >= l.o.FileBytes // the first file of an epoch may not be
	if whole && len(l.retired) < retiredMax {
		l.retired = append(l.retired, f)
		return
	}
	// The oldest are given up first, so a new one is the least useful.
	f.file.Close() // everything in it is synced: nothing is left to fail
}

// takeRetired returns file n, open if it still is. It is called under serving.
func (l *Files) takeRetired(n uint64) logFile {
	for i, f := range l.retired {
		if f.number == n {
			l.retired = slices.Delete(l.retired, i, i+1)
			return f
		}
	}
	return logFile{number: n, path: l.paths.file(n)}
}

// recycle keeps a file that was given up for later. It is called under serving.
func (l *Files) recycle(f logFile) error {
	if l.o.capacity() > l.o.FileBytes {
		// A large frame made it longer than the next use of it may be.
		if err := f.file.Truncate(l.o.FileBytes); err != nil {
			f.file.Close()
			return fmt.Errorf("wal: shorten %s to %d bytes: %w", f.path, l.o.FileBytes, err)
		}
	}
	l.recycled = append(l.recycled, f)
	return nil
}

// reuse gives a recycled file the name of the spare. It is called under serving.
func (l *Files) reuse() (vfs.File, error) {
	f := l.recycled[0]
	if err := linked(f.file, f.path); err != nil {
		return nil, err
	}
	if err := l.lengthen(f.file); err != nil {
		return nil, err
	}
	if err := l.fs.Rename(f.path, l.paths.next()); err != nil {
		return nil, err
	}
	l.recycled = slices.Delete(l.recycled, 0, 1)
	l.o.Logger.Debug("wal: file is used again", "path", f.path)
	return f.file, nil
}

// lengthen allocates what a recycled file does not have of a new one. After an
// error that matches ErrNoSpace it is as it was.
func (l *Files) lengthen(file vfs.File) error {
	if l.o.capacity() == l.o.FileBytes {
		return nil
	}
	err := file.Allocate(l.o.capacity())
	if err == nil {
		err = file.Sync() // now, not while a commit waits for the rotation
	}
	if errors.Is(err, ErrNoSpace) {
		// The system may have allocated a part.
		if terr := file.Truncate(l.o.FileBytes); terr != nil {
			return fmt.Errorf("give back a part of it: %w", terr)
		}
	}
	return err
}

// lessRecycled removes one of several recycled files. It is called under
// serving.
func (l *Files) lessRecycled() error {
	last := len(l.recycled) - 1
	f := l.recycled[last]
	l.recycled = l.recycled[:last]
	return l.remove(f)
}
