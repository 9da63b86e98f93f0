package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"tailrace/internal/vfs"
)

// Open takes the log of the store in o.Dir over, hands every frame with records
// after the one that Prepare named to replay, in order, and returns the log for
// appending. replay may be nil. A directory without a store gets a new one.
//
// Open reads and verifies everything before it changes anything: when it
// fails because of what it read or because Prepare or replay failed, the
// directory is as it was, but for a new store, whose STORE is there first; the
// caller throws away what replay built. Bytes that do not
// verify are a *frame.CorruptError, another format a *VersionError, a store in
// use an error that matches vfs.ErrLocked. A full disk is one that matches
// ErrNoSpace for a new store only, or where the ballast is gone: otherwise the
// log opens, and takes what the reserve is for until Allocate finds room.
func Open(o Options, replay func(Replayed) error) (*Files, Recovery, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, Recovery{}, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, Recovery{}, fmt.Errorf("wal: make %s: %w", o.Dir, err)
	}
	p := paths{o.Dir}
	lock, err := o.FS.Lock(p.lock())
	if err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			return nil, Recovery{}, fmt.Errorf("wal: open %s: the store is in use: %w", o.Dir, err)
		}
		return nil, Recovery{}, fmt.Errorf("wal: lock %s: %w", p.lock(), err)
	}
	began := time.Now()
	op := opening{o: o, fs: o.FS, paths: p, replay: replay}
	l, err := op.run(lock)
	op.last.close()
	op.release()
	if err != nil {
		lock.Close()
		return nil, Recovery{}, err
	}
	l.measure(&op.rec, time.Since(began))
	return l, op.rec, nil
}

// opening is the state of one Open: first all reading, then all writing.
type opening struct {
	o      Options
	fs     vfs.FS
	paths  paths
	replay func(Replayed) error

	survey    survey
	storeFile vfs.File  // STORE, or nil
	keep      uint64    // the first file with something that is needed
	last      *fileScan // the last file, still open; nil when there is none
	rec       Recovery
}

func (op *opening) run(lock io.Closer) (*Files, error) {
	var err error
	if op.survey, err = look(op.fs, op.paths); err != nil {
		return nil, err
	}
	if !op.survey.found {
		// There is nothing to read. What Prepare makes belongs to a store whose
		// identity stays, whatever happens next.
		if err := op.clean(); err != nil {
			return nil, err
		}
		if err := op.create(); err != nil {
			return nil, err
		}
	}
	start, err := op.o.start(op.survey.store)
	if err != nil {
		return nil, err
	}
	op.replay = start.after(op.paths, op.replay)
	if op.last, op.keep, err = scan(op.fs, op.paths, op.survey, start, op.replay, &op.rec); err != nil {
		return nil, err
	}

	// From here on the directory of a store that was found changes.
	if op.survey.found {
		if err := op.clean(); err != nil {
			return nil, err
		}
	}
	if err := op.trim(); err != nil {
		return nil, err
	}
	op.rec.Store, op.rec.Epoch = op.survey.store.ID, 1
	if op.last == nil {
		op.rec.Created, op.rec.Clean = true, true
	} else {
		op.rec.Epoch = op.last.header.Epoch + 1
		if err := op.settle(); err != nil {
			return nil, err
		}
	}
	if err := op.undisturbed(); err != nil {
		return nil, err
	}
	return op.begin(lock)
}

// clean removes what an earlier process left behind, and makes durable the
// names that were read: they may be renames that nobody synced.
func (op *opening) clean() error {
	for _, path := range op.survey.stale {
		if err := op.fs.Remove(path); err != nil {
			return fmt.Errorf("wal: remove %s: %w", path, err)
		}
	}
	if op.survey.hasWAL {
		if err := op.fs.SyncDir(op.paths.wal()); err != nil {
			return fmt.Errorf("wal: sync %s: %w", op.paths.wal(), err)
		}
	}
	if err := op.fs.SyncDir(op.paths.dir); err != nil {
		return fmt.Errorf("wal: sync %s: %w", op.paths.dir, err)
	}
	return nil
}

// create makes a store without log files. Its parts come in an order in which
// every beginning of it reads as "no store yet" or "no file yet".
func (op *opening) create() error {
	if err := op.fs.MkdirAll(op.paths.wal()); err != nil {
		return fmt.Errorf("wal: make %s: %w", op.paths.wal(), err)
	}
	op.survey.store = Store{ID: op.o.newUUID(), Created: op.o.Now(), First: 1}
	return op.replaceStore()
}

// replaceStore puts the STORE of the survey on the medium.
func (op *opening) replaceStore() error {
	file, err := makeStore(op.fs, op.paths.storeTmp(), op.survey.store)
	if err == nil {
		err = commitStore(op.fs, op.paths, op.paths.storeTmp())
	}
	if file != nil {
		file.Close()
	}
	if err != nil {
		return fmt.Errorf("wal: write %s: %w", op.paths.store(), err)
	}
	return nil
}

// trim gives up the files that nobody needs. It comes before anything that
// takes space: the owner before may have met a full disk, and been killed
// before it trimmed.
func (op *opening) trim() error {
	old := op.survey.store.First
	if op.keep <= old || op.o.Vouched != nil && !op.o.Vouched() {
		return nil
	}
	if err := op.undisturbed(); err != nil {
		return err
	}
	op.survey.store.First = op.keep
	if err := op.makingRoom(op.replaceStore); err != nil {
		return err
	}
	for n := old; n < op.keep; n++ {
		if err := op.fs.Remove(op.paths.file(n)); err != nil {
			return fmt.Errorf("wal: remove %s: %w", op.paths.file(n), err)
		}
	}
	return nil
}

// undisturbed makes sure that STORE is as it was read, and keeps it open. An
// owner that lost its lock without noticing may have trimmed or rotated
// meanwhile; a STORE of before that would miss files that are gone, or lower the
// floor under those that were made.
func (op *opening) undisturbed() error {
	file, err := op.fs.Open(op.paths.store())
	if err != nil {
		return fmt.Errorf("wal: open %s: %w", op.paths.store(), err)
	}
	op.release()
	op.storeFile = file
	b, err := readStart(file, op.paths.store(), storeBytes)
	if err == nil && !bytes.Equal(b, op.survey.store.Append(nil)) {
		err = fmt.Errorf("%w: %s has changed", ErrFenced, op.paths.store())
	}
	return err
}

// release closes STORE if it is still open.
func (op *opening) release() {
	if op.storeFile != nil {
		op.storeFile.Close()
		op.storeFile = nil
	}
}

// settle leaves the last file sealed and cut, on the medium.
func (op *opening) settle() error {
	log := op.o.Logger
	if t := op.rec.Torn; t != nil {
		log.Warn("wal: cut a torn tail that was never acknowledged", "path", op.last.path, "offset", t.Pos.Offset, "seq", t.Seq, "reason", t.Reason)
	}
	if op.last.complete() {
		return nil
	}
	return op.makingRoom(op.rewrite)
}

func never() bool { return false }

// begin puts the first file of the new epoch in service.
func (op *opening) begin(lock io.Closer) (*Files, error) {
	l := &Files{
		o: op.o, fs: op.fs, paths: op.paths, lock: lock, epoch: op.rec.Epoch,
		store:  op.survey.store,
		cur:    current{number: op.survey.store.First - 1},
		lastAt: op.rec.LastAt,
		buf:    make([]byte, 0, bufferBytes),
		meters: newFileMeters(op.o.Metrics),
	}
	if s := op.last; s != nil {
		l.cur = current{number: s.header.File, pos: s.pos, seq: s.seq, chain: s.chain}
	}
	s, err := op.firstFile(l)
	if err != nil {
		return nil, err
	}
	l.storeFile, op.storeFile = op.storeFile, nil
	if err := l.install(s); err != nil {
		l.storeFile.Close()
		s.close()
		return nil, err
	}
	if err := l.restOfBallast(); err != nil {
		l.storeFile.Close()
		l.cur.file.Close()
		return nil, err
	}
	op.o.Logger.Debug("wal: open", "dir", op.o.Dir, "epoch", l.epoch, "file", l.cur.number, "files", op.rec.Files,
		"frames", op.rec.Frames, "records", op.rec.Records, "clean", op.rec.Clean)
	return l, nil
}
