package wal

import "fmt"

// Close implements Log. A log that failed is given up as it is: the next open
// finds out what is durable. Closing twice is harmless.
func (l *Files) Close() error {
	l.stopping.Store(true)
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
	l.mu.Lock()
	s := l.spare
	l.spare = nil
	l.mu.Unlock()
	if s != nil {
		if err := l.discard(s); err != nil {
			return fmt.Errorf("wal: remove the spare: %w", err)
		}
	}
	return nil
}

// release closes what is open, the lock last.
func (l *Files) release() {
	l.cur.file.Close()
	if l.spare != nil {
		l.spare.close()
	}
	l.lock.Close()
}
