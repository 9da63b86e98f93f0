package wal

import (
	"errors"
	"fmt"

	"tailrace/internal/vfs"
)

// logFile is a log file that takes no more frames.
type logFile struct {
	number uint64
	path   string
	file   vfs.File // open for writing; nil when it is not
}

// errNoTrim is a full disk met before anything was given up.
var errNoTrim = fmt.Errorf("wal: no room to give up log files: %w", ErrNoSpace)

// Trim implements Log. It keeps rotation waiting for the change of STORE only,
// and appends that do not rotate not at all.
func (l *Files) Trim(upTo Pos) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	gone, err := l.giveUp(upTo.File)
	if err != nil {
		return err
	}
	// STORE does not count these files any more: should the process end here,
	// the next open removes them.
	for _, f := range gone {
		if err := l.remove(f); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

// giveUp raises the first file of the store, durably, and returns the files
// that are to be removed. Some stay, to be used again.
func (l *Files) giveUp(first uint64) (gone []logFile, err error) {
	l.serving.Lock()
	defer l.serving.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	cur, spare := l.cur, l.spare
	l.mu.Unlock()
	old := l.store.First
	if first = min(first, cur.number); first <= old {
		return nil, nil
	}
	if err := l.raiseFirst(first, cur); err != nil {
		if errors.Is(err, errNoTrim) {
			return nil, err
		}
		return nil, l.fail(fmt.Errorf("wal: raise the first file in %s to %d: %w", l.paths.store(), first, err))
	}
	if spare != nil {
		// It would take the change back when the spare goes into service.
		spare.next.First = first
		if err := writeStore(spare.store, spare.next); err != nil {
			return nil, l.fail(fmt.Errorf("wal: write %s: %w", l.paths.storeTmp(), err))
		}
		if err := l.setAside(); err != nil {
			return nil, l.fail(err)
		}
	}
	for n := old; n < first; n++ {
		f := l.takeRetired(n)
		if f.file != nil && len(l.recycled) < recycleMax {
			if err := l.recycle(f); err != nil {
				return nil, l.fail(err)
			}
		} else {
			gone = append(gone, f)
		}
	}
	l.holds(cur.number)
	l.meters.gone.AddInt64(int64(first - old))
	l.o.Logger.Debug("wal: files given up", "first", first, "removed", len(gone), "recycled", len(l.recycled))
	return gone, nil
}

// raiseFirst replaces STORE. An error that matches errNoTrim changed nothing.
func (l *Files) raiseFirst(first uint64, cur current) error {
	// An owner that was fenced must not change the newer one's STORE.
	if err := linked(cur.file, cur.path); err != nil {
		return err
	}
	if err := linked(l.storeFile, l.paths.store()); err != nil {
		return err
	}
	if l.aside == nil {
		if err := l.setAside(); err != nil {
			return err
		}
		if l.aside == nil {
			return errNoTrim
		}
	}
	next := l.store
	next.First = first
	if err := writeStore(l.aside, next); err != nil {
		return err
	}
	if err := linked(l.aside, l.paths.trim()); err != nil {
		return err
	}
	if err := commitStore(l.fs, l.paths, l.paths.trim()); err != nil {
		return err
	}
	l.storeFile.Close()
	l.storeFile, l.aside, l.store = l.aside, nil, next
	return nil
}

// setAside makes the file that the next Trim turns into STORE, so that a full
// disk does not keep Trim from setting space free. It is made when there is a
// spare: before, the page it takes may be what the spare needs. Without room
// there is none afterwards, which is no error.
func (l *Files) setAside() error {
	if l.aside != nil {
		return nil
	}
	// The name is free, unless an older owner was fenced while it had the file.
	if err := l.fs.Remove(l.paths.trim()); err != nil && !isNotExist(err) {
		return fmt.Errorf("wal: remove %s: %w", l.paths.trim(), err)
	}
	file, err := makeStore(l.fs, l.paths.trim(), l.store)
	if err == nil {
		l.aside = file
		return nil
	}
	full := errors.Is(err, ErrNoSpace)
	if file != nil {
		rerr := l.discard(file, l.paths.trim())
		full = full && rerr == nil
		err = errors.Join(err, rerr)
	}
	if full {
		return nil
	}
	return fmt.Errorf("wal: make %s: %w", l.paths.trim(), err)
}

// remove removes a file that STORE does not count any more.
func (l *Files) remove(f logFile) error {
	if f.file != nil {
		f.file.Close() // synced when it was sealed
	}
	if err := l.fs.Remove(f.path); err != nil {
		return fmt.Errorf("wal: remove %s: %w", f.path, err)
	}
	return nil
}
