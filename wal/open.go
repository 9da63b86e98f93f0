package wal

import (
	"errors"
	"fmt"
	"io"

	"tailrace/internal/vfs"
)

// Open takes the log of the store in o.Dir over, hands every frame with
// records to replay in order, and returns the log for appending. replay may be
// nil. A directory without a store gets a new one.
//
// Open reads and verifies everything before it changes anything: when it
// fails because of what it read or because replay failed, the directory is as
// it was, and the caller throws away what replay built. Bytes that do not
// verify are a *frame.CorruptError, another format a *VersionError, a store in
// use an error that matches vfs.ErrLocked, a disk without room for the next
// log file one that matches ErrNoSpace.
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
	op := opening{o: o, fs: o.FS, paths: p, replay: replay}
	l, err := op.run(lock)
	op.last.close()
	if err != nil {
		lock.Close()
		return nil, Recovery{}, err
	}
	return l, op.rec, nil
}

// opening is the state of one Open: first all reading, then all writing.
type opening struct {
	o      Options
	fs     vfs.FS
	paths  paths
	replay func(Replayed) error

	survey survey
	last   *fileScan // the last file, still open; nil when there is none
	rec    Recovery
}

func (op *opening) run(lock io.Closer) (*Files, error) {
	var err error
	if op.survey, err = look(op.fs, op.paths); err != nil {
		return nil, err
	}
	if op.last, err = scan(op.fs, op.paths, op.survey, op.replay, &op.rec); err != nil {
		return nil, err
	}

	// From here on the directory changes.
	if err := op.clean(); err != nil {
		return nil, err
	}
	if !op.survey.found {
		if err := op.create(); err != nil {
			return nil, err
		}
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
	file, err := makeStoreTmp(op.fs, op.paths, op.survey.store)
	if err == nil {
		err = commitStoreTmp(op.fs, op.paths)
	}
	if file != nil {
		file.Close()
	}
	if err != nil {
		return fmt.Errorf("wal: create %s: %w", op.paths.store(), err)
	}
	return nil
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
	return op.rewrite()
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
	}
	if s := op.last; s != nil {
		l.cur = current{number: s.header.File, pos: s.pos, seq: s.seq, chain: s.chain}
	}
	s, err := l.makeSpare(never)
	if err != nil {
		return nil, err
	}
	if err := l.install(s); err != nil {
		s.close()
		return nil, err
	}
	op.o.Logger.Debug("wal: open", "dir", op.o.Dir, "epoch", l.epoch, "file", l.cur.number, "files", op.rec.Files,
		"frames", op.rec.Frames, "records", op.rec.Records, "clean", op.rec.Clean)
	return l, nil
}
