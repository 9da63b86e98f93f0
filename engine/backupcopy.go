package engine

import (
	"errors"
	"fmt"
	"io"
	"path"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/vfs"
	"tailrace/wal"
)

// backupFile is a file that a backup takes over.
type backupFile struct {
	name   string // relative to the directory of the store
	link   bool   // it is never written again
	size   int64  // how much of it is taken
	length int64  // what the copy is long: what follows size is zeros

	object *manifest.Object // it is read from the bucket, or nil
}

// copyStepBytes is what one step copies.
const copyStepBytes = 1 << 20

// logHeaderBytes is the header of a log file.
var logHeaderBytes = int64(len(wal.FileHeader{}.Append(nil)))

// planBackup lists the files.
func (e *Engine) planBackup(b *backup) error {
	for _, l := range b.state.Layers {
		for _, seg := range l.Segments {
			if seg.Place == manifest.PlaceRemote {
				o := seg.Object()
				b.files = append(b.files, backupFile{name: seg.File().Path(), size: seg.Bytes, length: seg.Bytes, object: &o})
			}
		}
	}
	for _, f := range b.state.Live() {
		if f.Kind == manifest.FileIndex {
			continue // the copy has the whole segment
		}
		size, err := sizeOf(e.opts.FS, e.filePath(f))
		if err != nil {
			return err
		}
		b.files = append(b.files, backupFile{name: f.Path(), link: true, size: size, length: size})
	}
	for n := b.store.First; n <= b.store.Newest; n++ {
		f, err := e.planLog(b, n)
		if err != nil {
			return err
		}
		b.files = append(b.files, f)
	}
	for i := range b.files {
		b.total += b.files[i].size
	}
	return nil
}

// planLog says what is taken of a log file. All before the last are sealed: they
// do not change. The last ends with the newest batch, and its length is what its
// header says: without that it would look cut short.
func (e *Engine) planLog(b *backup, n uint64) (backupFile, error) {
	pos := wal.Pos{File: n}
	name := path.Join(e.opts.Dir, logDir, pos.FileName())
	file, err := e.opts.FS.Open(name)
	if err != nil {
		return backupFile{}, missingLog(name, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return backupFile{}, fmt.Errorf("engine: examine %s: %w", name, err)
	}
	f := backupFile{name: path.Join(logDir, pos.FileName()), size: size, length: size}
	if n < b.store.Newest || b.end.end == 0 {
		return f, nil // an earlier process sealed the last one, too
	}
	page := make([]byte, logHeaderBytes)
	if _, err := file.ReadAt(page, 0); err != nil && !errors.Is(err, io.EOF) {
		return backupFile{}, fmt.Errorf("engine: read %s: %w", name, err)
	}
	h, err := wal.ParseFileHeader(page)
	if err != nil {
		return backupFile{}, inFile(name, err)
	}
	if h.FileBytes != 0 { // else recovery wrote it, with its seal
		f.size, f.length = b.end.end, h.FileBytes
	}
	return f, nil
}

func missingLog(name string, err error) error {
	return fmt.Errorf("engine: open log file %s: %w", name, err)
}

// copyPart links a file, or copies the next part of it. It reports whether the
// file is done.
func (e *Engine) copyPart(b *backup, f *backupFile) (over bool, err error) {
	from, to := path.Join(e.opts.Dir, f.name), path.Join(b.to, f.name)
	if f.link && b.copy == nil {
		err := e.opts.FS.Link(from, to)
		if err == nil {
			b.report.Linked++
			b.done += f.size
			return true, nil
		}
		if !errors.Is(err, vfs.ErrCannotLink) {
			return false, fmt.Errorf("engine: link %s: %w", to, err)
		}
	}
	if b.copy == nil {
		if f.object != nil {
			b.copy, err = e.newObjectCopy(b, to, f)
		} else {
			b.copy, err = newFileCopy(e.opts.FS, from, to, f, e.newPace().wrote)
		}
		if err != nil {
			return false, err
		}
	}
	n, over, err := b.copy.step()
	b.done += n
	b.report.Copied += n
	if over {
		b.copy.close()
		b.copy = nil
	}
	return over, err
}

// fileCopy is a file on its way to another place.
type fileCopy struct {
	fs   vfs.FS
	path string // of the source
	want *backupFile
	from io.ReaderAt
	done func() // with from
	out  *outFile
	crc  uint32 // of what was copied
	at   int64
	buf  []byte
}

func newFileCopy(fs vfs.FS, from, to string, want *backupFile, pace func()) (*fileCopy, error) {
	source, err := fs.Open(from)
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", from, err)
	}
	out, err := newOutFile(fs, to, pace)
	if err != nil {
		source.Close()
		return nil, err
	}
	done := func() { source.Close() } // it was only read
	return &fileCopy{fs: fs, path: from, want: want, from: source, done: done, out: out, buf: make([]byte, min(copyStepBytes, want.size))}, nil
}

// newObjectCopy copies a segment from the bucket, so that the backup is whole
// without it.
func (e *Engine) newObjectCopy(b *backup, to string, want *backupFile) (*fileCopy, error) {
	if e.tier == nil {
		return nil, ErrNoBucket
	}
	out, err := newOutFile(e.opts.FS, to, e.newPace().wrote)
	if err != nil {
		return nil, err
	}
	name := e.tier.nameOf(*want.object)
	from := namedObject{b.ctx, e.tier.store, name}
	return &fileCopy{fs: e.opts.FS, path: name, want: want, from: from, done: func() {}, out: out, buf: make([]byte, min(copyStepBytes, want.size))}, nil
}

// step copies a part. At the end the content of the copy is durable; its name is
// its directory's matter.
func (c *fileCopy) step() (n int64, over bool, err error) {
	part := c.buf[:min(int64(len(c.buf)), c.want.size-c.at)]
	if m, err := c.from.ReadAt(part, c.at); m < len(part) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, false, fmt.Errorf("engine: read %s at byte %d: %w", c.path, c.at+int64(m), err)
	}
	if _, err := c.out.Write(part); err != nil {
		return 0, false, err
	}
	c.at += int64(len(part))
	if c.want.object != nil {
		c.crc = frame.Update(c.crc, part)
	}
	if c.at < c.want.size {
		return int64(len(part)), false, nil
	}
	if o := c.want.object; o != nil && c.crc != o.CRC {
		return 0, false, &frame.CorruptError{Path: c.path, Reason: "object does not match its checksum"}
	}
	if err := c.out.finish(); err != nil {
		return 0, false, err
	}
	if c.want.length == c.want.size {
		return int64(len(part)), true, nil
	}
	if err := c.out.file.Truncate(c.want.length); err != nil {
		return 0, false, fmt.Errorf("engine: lengthen %s: %w", c.out.path, err)
	}
	if err := c.out.file.Sync(); err != nil {
		return 0, false, fmt.Errorf("engine: sync %s: %w", c.out.path, err)
	}
	return int64(len(part)), true, nil
}

// close gives up both files; what was finished stays.
func (c *fileCopy) close() {
	c.done()
	c.out.file.Close() // synced, or of no use
}
