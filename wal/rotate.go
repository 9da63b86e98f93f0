package wal

import (
	"fmt"
	"time"
)

// rotate seals the current file and puts the next one in service. Each step is
// durable before the next begins; package documentation lists what a crash
// after each leaves. It is called under appending, and its errors are final.
func (l *Files) rotate() error {
	l.serving.Lock()
	defer l.serving.Unlock()
	began, ready := time.Now(), l.Spare()
	if !ready {
		// Nobody allocated ahead of need. Before the seal: a disk that is full now
		// leaves the file as it is.
		if err := l.provide(never); err != nil {
			return err
		}
	}
	if err := l.seal(FlagSealRotate); err != nil {
		return err
	}
	if err := l.shorten(); err != nil {
		return err
	}
	old := l.cur
	if err := l.install(l.spare); err != nil {
		return err
	}
	l.retire(old)
	if ready {
		l.meters.ready.Inc()
	} else {
		l.meters.made.Inc()
	}
	l.o.Logger.Debug("wal: rotated", "path", l.cur.path, "seq", l.cur.seq+1,
		"bytes", old.pos, "ready", ready, "took", time.Since(began).Round(time.Microsecond))
	return nil
}

// seal ends the current file with a seal frame, if it has none. What was written
// of the file stays: its successor proves that the seal is on the medium, and
// the blocks are to be used again.
func (l *Files) seal(kind Flags) error {
	if l.cur.sealed {
		return linked(l.cur.file, l.cur.path)
	}
	return l.write(FrameHeader{Flags: kind, At: l.now()}, nil)
}

// shorten gives back what was only allocated of the current file, which is
// sealed. It is not synced: a crash may leave the file as long as it was, and
// nothing follows from that.
func (l *Files) shorten() error {
	c := l.cur
	size := max(c.pos, l.o.FileBytes)
	if size >= c.bytes {
		return nil
	}
	if err := c.file.Truncate(size); err != nil {
		return fmt.Errorf("wal: shorten %s to %d bytes: %w", c.path, size, err)
	}
	return nil
}

// cut takes off what follows the seal, which proves the seal of a file without
// successor, and syncs the length.
func (l *Files) cut() error {
	c := l.cur
	if err := c.file.Truncate(c.pos); err != nil {
		return fmt.Errorf("wal: cut %s to %d bytes: %w", c.path, c.pos, err)
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("wal: sync %s: %w", c.path, err)
	}
	return nil
}

// install puts s in service as the successor of the current file, which is
// sealed. On an error s stays with the caller.
func (l *Files) install(s *spare) error {
	c := l.cur
	next := current{file: s.file, number: c.number + 1, bytes: s.bytes, salt: l.o.Rand(), pos: headerBytes, seq: c.seq}
	next.path = l.paths.file(next.number)
	page := FileHeader{
		File:      next.number,
		Store:     l.store.ID,
		Epoch:     l.epoch,
		Salt:      next.salt,
		FirstSeq:  c.seq + 1,
		PredFile:  c.number,
		PredEnd:   c.pos,
		PredCRC:   c.chain,
		Reused:    s.reused,
		FileBytes: s.bytes,
	}.Append(nil)
	next.chain = headerCRC(page)
	if _, err := s.file.WriteAt(page, 0); err != nil {
		return fmt.Errorf("wal: write header of %s: %w", next.path, err)
	}
	if err := s.file.SyncData(); err != nil {
		return fmt.Errorf("wal: sync header of %s: %w", next.path, err)
	}
	// A newer owner would have made these names its own, or replaced STORE.
	if err := linked(l.storeFile, l.paths.store()); err != nil {
		return err
	}
	if err := linked(s.file, l.paths.next()); err != nil {
		return err
	}
	if err := absent(l.fs, next.path); err != nil {
		return err
	}
	if err := l.fs.Rename(l.paths.next(), next.path); err != nil {
		return fmt.Errorf("wal: put %s in service: %w", next.path, err)
	}
	if err := l.fs.SyncDir(l.paths.wal()); err != nil {
		return fmt.Errorf("wal: sync %s: %w", l.paths.wal(), err)
	}
	// Before the first frame: from now on the file cannot go missing unnoticed.
	if err := linked(s.store, l.paths.storeTmp()); err != nil {
		return err
	}
	if err := commitStore(l.fs, l.paths, l.paths.storeTmp()); err != nil {
		return fmt.Errorf("wal: raise the floor in %s to file %d: %w", l.paths.store(), next.number, err)
	}
	l.storeFile.Close()
	l.storeFile, l.store = s.store, s.next
	l.mu.Lock()
	l.cur, l.spare = next, nil
	l.mu.Unlock()
	l.holds(next.number)
	return nil
}
