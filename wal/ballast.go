package wal

import (
	"errors"
	"fmt"

	"tailrace/internal/vfs"
)

// The ballast is space that a store keeps for being opened on a full disk, as
// a file without content. Opening takes it by removing the file: for a copy of
// the last log file, and for a first file that is as short as it can be. What
// is left becomes a smaller ballast, for the next open. The log then takes only
// what the reserve is for, until Allocate made the ballast whole again.

// ballastBytes is the length of the whole ballast: enough for the copy, and for
// two opens in a row that have nothing else. The copy and the first file do not
// need their space at a time: the copy replaces the original, which has the
// length of a log file.
func (o Options) ballastBytes() int64 {
	return max(o.capacity(), 2*(o.leastBytes()+othersBytes)) + ballastMargin
}

// dropBallast removes the ballast and tells whether there was one.
func (op *opening) dropBallast() (bool, error) {
	err := op.fs.Remove(op.paths.ballast())
	switch {
	case isNotExist(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("wal: remove %s: %w", op.paths.ballast(), err)
	}
	op.o.Logger.Warn("wal: the disk is full: opening in the space kept for that", "dir", op.o.Dir)
	return true, nil
}

// makingRoom calls f, and on a full disk once more without the ballast.
func (op *opening) makingRoom(f func() error) error {
	err := f()
	if !errors.Is(err, ErrNoSpace) {
		return err
	}
	dropped, derr := op.dropBallast()
	if derr != nil {
		return errors.Join(err, derr)
	}
	if !dropped {
		return err
	}
	for _, path := range []string{op.paths.storeTmp(), op.paths.rewrite()} {
		if err := op.fs.Remove(path); err != nil && !isNotExist(err) {
			return fmt.Errorf("wal: remove %s: %w", path, err)
		}
	}
	return f()
}

// firstFile makes the first file of the epoch, and the whole ballast if it is not
// there. Where both do not fit, the ballast is gone then, and the file is short.
// Beside it, there is room for what the rest of the store begins with, if that
// is possible at all.
func (op *opening) firstFile(l *Files) (*spare, error) {
	whole, err := l.wholeBallast()
	if err != nil {
		return nil, err
	}
	if whole {
		s, err := l.makeSpare(l.o.firstBytes(), othersBytes, never)
		if !errors.Is(err, errNoSpare) {
			return s, err
		}
		if _, err := op.dropBallast(); err != nil {
			return nil, err
		}
	}
	l.short = true
	s, err := l.makeSpare(l.o.leastBytes(), othersBytes, never)
	if errors.Is(err, errNoSpare) {
		s, err = l.makeSpare(l.o.leastBytes(), 0, never)
	}
	return s, err
}

// wholeBallast makes the whole ballast unless it is there, and tells whether it
// is there then. Otherwise there is none.
func (l *Files) wholeBallast() (bool, error) {
	path, bytes := l.paths.ballast(), l.o.ballastBytes()
	size, err := sizeOf(l.fs, path)
	if err == nil && size == bytes {
		return true, nil
	}
	if err != nil && !isNotExist(err) {
		return false, fmt.Errorf("wal: examine %s: %w", path, err)
	}
	file, err := l.makeBallast(bytes, l.o.leastBytes()+othersBytes)
	if errors.Is(err, errNoBallast) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	file.Close() // nothing is ever written to it
	return true, nil
}

// restOfBallast makes a ballast of what there is room for on a full disk.
func (l *Files) restOfBallast() error {
	if !l.short {
		return nil
	}
	leave := int64(othersBytes)
	for bytes := l.o.ballastBytes(); ; bytes = bytes / 8 * 7 / pageBytes * pageBytes {
		least := l.o.leastBytes() + ballastMargin
		if bytes < least && leave > 0 {
			// The next open comes before what the rest of the store may want now.
			bytes, leave = least, 0
		}
		if bytes < least {
			l.hold(nil, 0)
			return nil
		}
		file, err := l.makeBallast(bytes, leave)
		if err == nil {
			l.hold(file, bytes)
		}
		if !errors.Is(err, errNoBallast) {
			return err
		}
	}
}

// sizeOf is the length of a file.
func sizeOf(fs vfs.FS, path string) (int64, error) {
	file, err := fs.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.Size()
}

// ballast is the file while it is shorter than it should be; none is nil.
type ballast struct {
	file  vfs.File
	bytes int64
}

// hold takes note of the ballast that there is. It is called under serving.
func (l *Files) hold(file vfs.File, bytes int64) {
	short := bytes < l.o.ballastBytes()
	if !short {
		file.Close() // nothing is ever written to it
		file = nil
	}
	l.ballast = ballast{file, bytes}
	l.mu.Lock()
	l.short = short
	l.mu.Unlock()
}

// completeBallast makes the ballast whole if it is not. An error that matches
// errNoBallast leaves it as it was. It is called under serving.
func (l *Files) completeBallast() error {
	if !l.short {
		return nil
	}
	// An owner that was fenced must not put its file in the newer one's way.
	if err := linked(l.cur.file, l.cur.path); err != nil {
		return err
	}
	if err := linked(l.storeFile, l.paths.store()); err != nil {
		return err
	}
	whole := l.o.ballastBytes()
	file := l.ballast.file
	var err error
	if file == nil {
		file, err = l.makeBallast(whole, 0)
	} else {
		err = l.lengthenBallast(whole)
	}
	if err != nil {
		return err
	}
	l.hold(file, whole)
	return nil
}

// errNoBallast is a full disk met while the ballast was made, and cleaned up
// after.
var errNoBallast = fmt.Errorf("wal: no room for the ballast: %w", ErrNoSpace)

// makeBallast makes a ballast of that length, durably, if leave more bytes are
// free then. After an error that matches errNoBallast nothing of it is left.
func (l *Files) makeBallast(bytes, leave int64) (vfs.File, error) {
	path := l.paths.ballast()
	// The name is free, unless an older owner was fenced while it made its own.
	if err := l.fs.Remove(path); err != nil && !isNotExist(err) {
		return nil, fmt.Errorf("wal: remove %s: %w", path, err)
	}
	file, err := l.fs.Create(path)
	if err == nil {
		err = allocateLeaving(file, bytes, leave)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir(l.paths.dir)
	}
	if err == nil {
		return file, nil
	}
	return nil, l.ballastError(err, l.discard(file, path))
}

// lengthenBallast gives the ballast another length, durably.
func (l *Files) lengthenBallast(bytes int64) error {
	file := l.ballast.file
	err := file.Allocate(bytes)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		return nil
	}
	// The system may have allocated a part.
	return l.ballastError(err, file.Truncate(l.ballast.bytes))
}

// ballastError is what became of a ballast that met err. undo is nil when
// everything is as it was before.
func (l *Files) ballastError(err, undo error) error {
	if errors.Is(err, ErrNoSpace) && undo == nil {
		return fmt.Errorf("%w (%w)", errNoBallast, err)
	}
	return fmt.Errorf("wal: make %s: %w", l.paths.ballast(), errors.Join(err, undo))
}
