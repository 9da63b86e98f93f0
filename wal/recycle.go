package wal

import (
	"slices"

	"tailrace/internal/vfs"
)

// A file that rotation sealed is as long as it ever was, and all of it was
// written. So once it is given up it becomes the next spare by a rename: no
// space is needed and nothing is written before its new header. Its old frames
// stay where they are. They carry the file's old number, and checksums of its
// old salt, so they are frames of no file any more.
//
// Until then it keeps its name, below the first file of STORE: if the process
// ends, it is removed with the others that are.

// retire keeps a file that rotation sealed open, for recycling. It is called
// under serving.
func (l *Files) retire(c current) {
	f := logFile{number: c.number, path: c.path, file: c.file}
	if len(l.retired) < retiredMax {
		l.retired = append(l.retired, f)
		return
	}
	// The oldest are given up first, so this one is the least useful.
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

// reuse gives a recycled file the name of the spare. It is called under serving.
func (l *Files) reuse() (vfs.File, error) {
	f := l.recycled[0]
	if err := linked(f.file, f.path); err != nil {
		return nil, err
	}
	if err := l.fs.Rename(f.path, l.paths.next()); err != nil {
		return nil, err
	}
	l.recycled = slices.Delete(l.recycled, 0, 1)
	l.o.Logger.Debug("wal: file is used again", "path", f.path)
	return f.file, nil
}

// lessRecycled removes one of several recycled files. It is called under
// serving.
func (l *Files) lessRecycled() error {
	last := len(l.recycled) - 1
	f := l.recycled[last]
	l.recycled = l.recycled[:last]
	return l.remove(f)
}
