package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailrace/internal/manifest"
	"tailrace/wal"
)

// ErrBackupRunning means that another backup of the store is under way.
var ErrBackupRunning = errors.New("engine: a backup is under way already")

// BackupReport says what a backup has, or what of one was restored.
type BackupReport struct {
	Batch  uint64 // the newest batch in it; it has all up to that
	At     int64  // engine time of that batch, unix milliseconds
	Files  int    // of the store
	Linked int    // of them: by a second name for the file of the store
	Bytes  int64  // in all files
	Copied int64  // of them: in files that were copied
}

// backup is the copying of a store while it is in use. It goes in steps, as a
// flush does:
//
//	begin   the manifest announces it: files that are there now stay
//	copy    checkpoint and segments by links, which are never written again; the
//	        log by copying, up to the end of the newest batch
//	write   a manifest and a STORE of just that, and last what says that it is
//	        a backup
//	end     files may go again
//
// From its beginning until then the target has a name in it for which Open,
// Check and Restore refuse it.
type backup struct {
	ctx      context.Context
	to       string
	progress func(done, total int64)
	began    time.Time
	next     func() (bool, error)

	upTo   uint64 // the batch that has to be durable first
	act    uint64
	state  manifest.State
	end    logMark // of the newest batch that is copied
	store  wal.Store
	opened bool         // the target is ours, and no backup yet
	files  []backupFile // left to do
	copy   *fileCopy    // of the first of them, or nil
	report BackupReport
	done   int64 // bytes
	total  int64
}

// Backup copies the store, as of a moment not before the call, into a directory
// that must be empty or missing. The engine goes on meanwhile. Segments are
// linked where the file system allows that, so the backup shares their space
// with the store for as long as both have them. progress may be nil; it is told
// bytes that are done, linked ones included. An end of ctx, like any error,
// removes what was made but for empty directories.
func (e *Engine) Backup(ctx context.Context, to string, progress func(done, total int64)) (BackupReport, error) {
	b, err := e.beginBackup(ctx, to, progress)
	if err != nil {
		return BackupReport{}, err
	}
	for {
		more, err := e.stepBackup(b)
		if err != nil {
			return BackupReport{}, err
		}
		if !more && e.currentBackup() != nil {
			// Only a Manual engine that has something staged stops in between.
			return BackupReport{}, e.failBackup(b, errors.New("what is staged has to be committed first"))
		}
		if !more {
			return b.report, nil
		}
	}
}

func (e *Engine) currentBackup() *backup {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.backup
}

// beginBackup settles up to where the backup goes at least.
func (e *Engine) beginBackup(ctx context.Context, to string, progress func(done, total int64)) (*backup, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	b := &backup{ctx: ctx, to: to, progress: progress, began: time.Now()}
	b.next = func() (bool, error) { return e.awaitStaged(b) }
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.backup != nil {
		return nil, ErrBackupRunning
	}
	b.upTo = e.newest()
	e.backup = b
	return b, nil
}

// stepBackup does the next step and reports whether there is more to do. An
// error ends the backup, and only one of the manifest the engine.
func (e *Engine) stepBackup(b *backup) (more bool, err error) {
	err = b.ctx.Err()
	if err == nil && e.stopping() {
		err = wal.ErrClosed
	}
	if err == nil {
		more, err = b.next()
	}
	if err != nil {
		return false, e.failBackup(b, err)
	}
	return more, nil
}

// awaitStaged goes on once everything is durable that was staged before the
// backup began: who was told of an append and then asks for a backup has it
// there.
func (e *Engine) awaitStaged(b *backup) (bool, error) {
	e.mu.Lock()
	batch := e.batch(b.upTo)
	e.mu.Unlock()
	switch {
	case batch == nil:
		b.next = func() (bool, error) { return true, e.openBackup(b) }
		return true, nil
	case e.opts.Manual:
		return false, nil
	}
	select {
	case <-batch.Done():
		return true, batch.Err()
	case <-b.ctx.Done():
		return false, b.ctx.Err()
	case <-e.stop:
		return false, wal.ErrClosed
	}
}

// openBackup makes the target and holds what is to be copied.
func (e *Engine) openBackup(b *backup) error {
	if err := openTarget(e.opts.FS, b.to, unfinishedName); err != nil {
		return err
	}
	b.opened = true
	// The log first: whatever checkpoint the state below has is this or a later
	// one.
	e.mu.Lock()
	e.logHeld = max(1, e.checkpoint.WALFile)
	e.mu.Unlock()
	if err := e.holdFiles(b); err != nil {
		return err
	}
	e.mu.Lock()
	b.end = e.lastMark
	e.mu.Unlock()
	if b.end.batch == 0 {
		// Nothing was ever written. A log without frames is a log, too.
		b.end.pos = wal.Pos{File: 1, Offset: logHeaderBytes}
		b.end.end = logHeaderBytes
	}
	store, err := readStore(e.opts.FS, e.opts.Dir)
	if err != nil {
		return err
	}
	b.store = wal.Store{ID: store.ID, Created: store.Created, First: max(1, b.state.Checkpoint.WALFile), Newest: b.end.pos.File}
	if err := e.planBackup(b); err != nil {
		return err
	}
	b.report.Batch, b.report.At = b.end.batch, b.end.at
	b.next = func() (bool, error) { return true, e.copyStep(b) }
	return nil
}

// holdFiles announces the backup, and finds a state all of whose files that
// keeps in place. One with files that are newer than the announcement, which a
// flush or merge brought in between, is not.
func (e *Engine) holdFiles(b *backup) error {
	for {
		act, err := e.manifest.Begin(manifest.ActBackup)
		if err != nil {
			return err
		}
		b.act = act.ID
		b.state = e.manifest.State()
		newer := false
		for _, f := range b.state.Live() {
			newer = newer || f.ID > act.ID
		}
		if !newer {
			return nil
		}
		if err := e.manifest.Append(manifest.Commit{Act: act.ID}); err != nil {
			return err
		}
		b.act = 0
	}
}

// copyStep links a file, or copies a part of one.
func (e *Engine) copyStep(b *backup) error {
	if len(b.files) == 0 {
		b.next = func() (bool, error) { return true, e.sealBackup(b) }
		return nil
	}
	over, err := e.copyPart(b, &b.files[0])
	if err != nil {
		return err
	}
	if over {
		b.files = b.files[1:]
	}
	b.progress(b.done, b.total)
	return nil
}

// sealBackup makes the copy a store, and the store a backup.
func (e *Engine) sealBackup(b *backup) error {
	fs := e.opts.FS
	for _, dir := range []string{manifest.SegmentDir, manifest.MetaDir, logDir} {
		if err := fs.SyncDir(b.to + "/" + dir); err != nil {
			return fmt.Errorf("engine: sync %s: %w", b.to+"/"+dir, err)
		}
	}
	if err := manifest.Create(fs, b.to, e.store, b.state.Detached()); err != nil {
		return err
	}
	if err := writeSmall(fs, b.to+"/"+storeName, b.store.Append(nil)); err != nil {
		return err
	}
	files, err := storeFiles(fs, b.to)
	if err != nil {
		return err
	}
	m := marker{Store: e.store, Batch: b.end.batch, At: b.end.at, Files: uint64(len(files)), Bytes: bytesOf(files)}
	if err := m.finish(fs, b.to); err != nil {
		return err
	}
	b.opened = false
	b.report.Files, b.report.Bytes = len(files), bytesOf(files)
	b.next = func() (bool, error) { return false, e.endBackup(b) }
	return nil
}

// endBackup lets files go again.
func (e *Engine) endBackup(b *backup) error {
	act := b.act
	b.act = 0
	if err := e.manifest.Append(manifest.Commit{Act: act}); err != nil {
		return err
	}
	e.meters.backupOK.Inc()
	e.opts.Logger.Info("backup made", "to", b.to, "batch", b.report.Batch, "files", b.report.Files, "linked", b.report.Linked,
		"bytes", b.report.Bytes, "copied", b.report.Copied, "took", time.Since(b.began).Round(time.Millisecond))
	return e.letGo(b)
}

// letGo ends the hold on the log. What flushes wanted to give up meanwhile is
// given up now: the next flush may be far away.
func (e *Engine) letGo(b *backup) error {
	e.mu.Lock()
	if e.backup != b {
		e.mu.Unlock()
		return nil
	}
	e.backup, e.logHeld = nil, 0
	upTo := e.checkpoint.WALFile
	e.mu.Unlock()
	signal(e.mergeNow) // there may be garbage
	if !e.manifest.Settled() {
		return nil // a power cut could bring back a checkpoint that needs more of the log
	}
	if err := e.group.Trim(wal.Pos{File: upTo}); err != nil && !errors.Is(err, wal.ErrNoSpace) {
		return err
	}
	return nil
}

// notHeld is how far the log may be trimmed.
func (e *Engine) notHeld(upTo wal.Pos) wal.Pos {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.logHeld != 0 && e.logHeld < upTo.File {
		return wal.Pos{File: e.logHeld}
	}
	return upTo
}

// failBackup gives a backup up. It is marked as unfinished, so what is left of
// it does no harm if it cannot be removed.
func (e *Engine) failBackup(b *backup, why error) error {
	e.meters.backupError.Inc()
	if b.copy != nil {
		b.copy.close()
	}
	why = fmt.Errorf("engine: back up to %s: %w", b.to, why)
	if errors.Is(why, manifest.ErrFailed) {
		e.group.Fail(why)
	}
	if b.opened {
		why = errors.Join(why, emptyTarget(e.opts.FS, b.to))
	}
	if b.act != 0 {
		why = errors.Join(why, e.abort(b.act))
	}
	return errors.Join(why, e.letGo(b))
}
