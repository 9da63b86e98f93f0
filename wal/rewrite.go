package wal

import (
	"fmt"

	"tailrace/internal/vfs"
)

// rewrite replaces the last file by a sealed copy of its valid frames in the
// new epoch. What was read may never have reached the medium; the copy is
// synced before anything is built on it.
//
// The rename fences: an owner that lost its lock without noticing cannot
// acknowledge anything once its file is unlinked. What it acknowledged up to
// then is in the replaced file, which is still open here; so that file is read
// once more, and copied again if it grew. What is left is an owner without lock
// that rotates just between the look for a successor and the rename: then the
// chain of files is broken, and the store refuses to open.
func (op *opening) rewrite() error {
	s := op.last
	for {
		sealed, err := op.writeCopy()
		if err == nil {
			err = op.noSuccessor()
		}
		if err == nil {
			err = op.fs.Rename(op.paths.rewrite(), s.path)
		}
		if err != nil {
			return fmt.Errorf("wal: rewrite %s: %w", s.path, err)
		}
		grown, err := op.reread()
		if err != nil {
			return err
		}
		if grown {
			continue
		}
		if err := op.fs.SyncDir(op.paths.wal()); err != nil {
			return fmt.Errorf("wal: sync %s: %w", op.paths.wal(), err)
		}
		s.close()
		op.last = sealed
		op.rec.LastSeq = sealed.seq
		op.o.Logger.Info("wal: sealed the last file", "path", s.path, "bytes", sealed.pos, "seq", sealed.seq)
		return nil
	}
}

// reread replays frames that were added to the last file after it was scanned.
func (op *opening) reread() (grown bool, err error) {
	s := op.last
	end := s.pos
	op.rec.Frames -= s.frames
	op.rec.Records -= s.records
	s.win.forget()
	err = s.replay(op.replay)
	op.rec.count(s)
	if s.pos != end {
		op.rec.Torn = nil // it was a frame on its way
	}
	return s.pos != end, err
}

// noSuccessor makes sure that the last file still is the last one.
func (op *opening) noSuccessor() error {
	return absent(op.fs, op.paths.file(op.last.header.File+1))
}

// absent returns nil when no file has that name.
func absent(fs vfs.FS, path string) error {
	file, err := fs.Open(path)
	if err == nil {
		file.Close()
		return fmt.Errorf("%w: %s exists", ErrFenced, path)
	}
	if isNotExist(err) {
		return nil
	}
	return err
}

// writeCopy writes rewrite.tmp, synced. The result describes the copy; it has
// no open file. On an error the temporary file is removed.
func (op *opening) writeCopy() (_ *fileScan, err error) {
	path := op.paths.rewrite()
	file, err := op.fs.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			if rerr := op.fs.Remove(path); rerr != nil {
				// No full disk that was cleaned up after.
				err = fmt.Errorf("%v; remove %s: %w", err, path, rerr)
			}
		}
		file.Close()
	}()

	// A second scan of the same file, so that every byte is verified again on
	// its way into the copy, whose checksums would hide a fault.
	s := op.last
	from := &fileScan{file: s.file, path: s.path, win: window{from: s.file, path: s.path, size: s.win.size}}
	if err := from.begin(); err != nil {
		return nil, err
	}
	h := from.header
	h.Epoch, h.Salt, h.FileBytes, h.Reused = op.rec.Epoch, op.o.Rand(), 0, false
	w := copier{file: file, header: h}
	w.buf = h.Append(nil)
	w.chain = headerCRC(w.buf)

	size := s.pos
	if s.seal == 0 {
		size += pageBytes
	}
	// A full disk shows here, before anything was written.
	if err := file.Allocate(size); err != nil {
		return nil, err
	}
	for from.pos < s.pos {
		fh, payload, ok, err := from.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, from.corrupt(from.pos, "frame cannot be read a second time: "+from.invalid)
		}
		// An old seal stays what it is, and keeps its place at the end.
		if err := w.add(fh, payload); err != nil {
			return nil, err
		}
	}
	if from.seal == 0 {
		seal := FrameHeader{Flags: FlagSealClose, Seq: from.seq + 1, Durable: from.seq, At: op.rec.LastAt}
		if err := w.add(seal, nil); err != nil {
			return nil, err
		}
		from.seal = seal.Flags
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	return &fileScan{
		path: s.path, header: h, win: window{size: w.pos()},
		pos: w.pos(), seq: w.seq, chain: w.chain, seal: from.seal,
	}, nil
}

// copier encodes frames again under another header.
type copier struct {
	file    vfs.File
	header  FileHeader
	chain   uint32
	seq     uint64
	written int64
	buf     []byte // not yet written
}

func (w *copier) pos() int64 { return w.written + int64(len(w.buf)) }

func (w *copier) add(h FrameHeader, payload []byte) error {
	h.Epoch, h.File, h.Chain = w.header.Epoch, w.header.File, w.chain
	w.buf = AppendFrame(w.buf, &h, w.header.Salt, payload)
	w.chain, w.seq = h.CRC, h.Seq
	if len(w.buf) < bufferKeepBytes {
		return nil
	}
	return w.flush()
}

func (w *copier) flush() error {
	n, err := w.file.WriteAt(w.buf, w.written)
	w.written += int64(n)
	w.buf = w.buf[:0]
	return err
}
