package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tailrace/internal/vfs"
)

// spare is a log file that waits to be put in service, and the STORE file that
// goes with it. Both are on the medium under temporary names, so that rotation
// needs no space: a rename only.
type spare struct {
	file   vfs.File
	bytes  int64 // length of file
	reused bool  // file was a log file before
	store  vfs.File
	next   Store // content of store; under serving
}

// close gives the files up and leaves them on the medium.
func (s *spare) close() {
	for _, file := range []vfs.File{s.file, s.store} {
		if file != nil {
			file.Close()
		}
	}
}

// Allocate implements Log.
func (l *Files) Allocate() error {
	l.serving.Lock()
	defer l.serving.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if l.Spare() {
		return nil
	}
	err := l.provide(l.stopping.Load)
	switch {
	case err == nil || errors.Is(err, errNoSpare) || errors.Is(err, errNoBallast):
		return err
	case errors.Is(err, ErrClosed):
		return ErrClosed
	}
	return l.fail(err)
}

// errNoSpare is a full disk met while a spare was made, and cleaned up after.
var errNoSpare = fmt.Errorf("wal: no room for the next log file: %w", ErrNoSpace)

// provide makes the spare, until stop says that nobody needs it any more. It
// is called under serving.
func (l *Files) provide(stop func() bool) error {
	// A store whose log grows must be one that can be opened on a full disk.
	if err := l.completeBallast(); err != nil {
		return err
	}
	began := time.Now()
	s, err := l.makeSpare(l.o.capacity(), 0, stop)
	if errors.Is(err, errNoSpare) && len(l.recycled) > 1 {
		// Beside a recycled file only STORE needs space, a page of it.
		if err = l.lessRecycled(); err == nil {
			s, err = l.makeSpare(l.o.capacity(), 0, stop)
		}
	}
	if err != nil {
		return err
	}
	l.meters.provided(s, began)
	l.mu.Lock()
	l.spare = s
	l.mu.Unlock()
	return l.setAside()
}

// makeSpare makes the files of the next spare, which is to have that length, if
// leave more bytes are free then. After an error, nothing of them is left when
// it matches errNoSpare; otherwise as little as possible.
func (l *Files) makeSpare(bytes, leave int64, stop func() bool) (_ *spare, err error) {
	// Commits go on meanwhile and move l.cur.
	l.mu.Lock()
	cur := l.cur
	l.mu.Unlock()
	s := &spare{bytes: bytes, next: l.store}
	s.next.Newest = cur.number + 1
	defer func() {
		if err == nil {
			return
		}
		full := errors.Is(err, ErrNoSpace)
		if rerr := l.discardSpare(s); rerr != nil {
			// The space is not given back and the names are taken: no later attempt
			// could succeed.
			err = errors.Join(fmt.Errorf("wal: make %s: %w", l.paths.next(), err), rerr)
		} else if full {
			err = fmt.Errorf("%w (%w)", errNoSpare, err)
		} else {
			err = fmt.Errorf("wal: make %s: %w", l.paths.next(), err)
		}
	}()
	// An owner that was fenced must not put its files in the newer one's way.
	if cur.file != nil {
		if err = linked(cur.file, cur.path); err != nil {
			return nil, err
		}
		if err = linked(l.storeFile, l.paths.store()); err != nil {
			return nil, err
		}
	}
	if err = l.clear(); err != nil {
		return nil, err
	}
	// STORE comes first: on a full disk a recycled file is not touched before
	// there is all that it needs.
	if s.store, err = makeStore(l.fs, l.paths.storeTmp(), s.next); err != nil {
		return nil, err
	}
	if len(l.recycled) > 0 {
		s.reused = true
		s.file, err = l.reuse()
		return s, err
	}
	if s.file, err = l.fs.Create(l.paths.next()); err != nil {
		return nil, err
	}
	if err = allocateLeaving(s.file, bytes, leave); err != nil {
		return nil, err
	}
	return s, l.fill(s.file, bytes, stop)
}

// clear removes the names of a spare. They are not this owner's, which has
// none: an older one was making a spare when it was fenced.
func (l *Files) clear() error {
	for _, path := range []string{l.paths.next(), l.paths.storeTmp()} {
		if err := l.fs.Remove(path); err != nil && !isNotExist(err) {
			return err
		}
	}
	return nil
}

// allocateLeaving gives a file its length, of reserved space, if leave more bytes
// are free then.
func allocateLeaving(file vfs.File, bytes, leave int64) error {
	err := file.Allocate(bytes + leave)
	if err == nil && leave > 0 {
		err = file.Truncate(bytes)
	}
	return err
}

// fill writes a spare up to FileBytes: overwriting these blocks later changes no
// metadata, which is what makes a commit one write and one flush of the device.
func (l *Files) fill(file vfs.File, bytes int64, stop func() bool) error {
	end := min(bytes, l.o.FileBytes)
	zeros := make([]byte, min(zeroChunkBytes, end))
	for pos := int64(0); pos < end; pos += int64(len(zeros)) {
		if stop() {
			return ErrClosed
		}
		zeros = zeros[:min(int64(len(zeros)), end-pos)]
		if _, err := file.WriteAt(zeros, pos); err != nil {
			return err
		}
	}
	return file.Sync()
}

// discardSpare removes what there is of a spare.
func (l *Files) discardSpare(s *spare) error {
	return errors.Join(l.discard(s.file, l.paths.next()), l.discard(s.store, l.paths.storeTmp()))
}

// discard closes and removes a file of this owner's, if there is one. A name
// that leads to somebody else's file is left alone.
func (l *Files) discard(file vfs.File, path string) error {
	if file == nil {
		return nil
	}
	defer file.Close()
	err := linked(file, path)
	if err == nil {
		err = l.fs.Remove(path)
	}
	if errors.Is(err, ErrFenced) {
		return nil
	}
	return err
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
