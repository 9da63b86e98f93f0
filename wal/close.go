package wal

import (
	"errors"
	"fmt"
	"slices"

	"tailrace/internal/vfs"
)

// Close implements Log. A log that failed is given up as it is: the next open
// finds out what is durable. Closing twice is harmless.
func (l *Files) Close() error {
	l.meters.stop()
	l.stopping.Store(true)
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.appending.Lock()
	defer l.appending.Unlock()
	l.serving.Lock()
	defer l.serving.Unlock()

	l.mu.Lock()
	again, err := l.closed, l.err
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	defer l.release()
	if err != nil {
		return failure(err)
	}
	if err := l.seal(FlagSealClose); err != nil {
		return l.fail(err)
	}
	if err := l.cut(); err != nil {
		return l.fail(err)
	}
	return l.tidy()
}

// tidy removes what only this process has a use for.
func (l *Files) tidy() error {
	l.mu.Lock()
	s := l.spare
	l.spare = nil
	l.mu.Unlock()
	var errs []error
	if s != nil {
		errs = append(errs, l.discardSpare(s))
	}
	errs = append(errs, l.discard(l.aside, l.paths.trim()))
	l.aside = nil
	for _, f := range l.recycled {
		errs = append(errs, l.discard(f.file, f.path))
	}
	l.recycled = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wal: remove files made ahead: %w", err)
	}
	return nil
}

// release closes what is open, the lock last.
func (l *Files) release() {
	l.cur.file.Close()
	l.storeFile.Close()
	if l.spare != nil {
		l.spare.close()
	}
	for _, file := range []vfs.File{l.aside, l.ballast.file} {
		if file != nil {
			file.Close()
		}
	}
	for _, f := range slices.Concat(l.retired, l.recycled) {
		f.file.Close()
	}
	l.lock.Close()
}
