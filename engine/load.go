package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"tailrace/internal/checkpoint"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/segment"
	"tailrace/wal"
)

// filePath is where a file that the manifest lists is.
func (e *Engine) filePath(f manifest.File) string { return path.Join(e.opts.Dir, f.Path()) }

// load reads what the log does not have: the manifest, the stream table as of
// the checkpoint, and the segments. It is called before the log is scanned and
// changes nothing on the disk.
func (e *Engine) load(store wal.Store) (wal.Place, error) {
	e.store = store.ID
	loaded, err := manifest.Load(e.opts.FS, e.opts.Dir, store.ID)
	if err != nil {
		return wal.Place{}, err
	}
	e.loaded = loaded
	if err := e.openTier(); err != nil {
		return wal.Place{}, err
	}
	state := loaded.State()
	c := state.Checkpoint
	e.checkpoint = c
	e.durable = c.Batch
	e.frames.released = c.Batch
	batch := uint64(0)
	for _, f := range state.CheckpointFiles() {
		if batch, err = e.loadRows(f, batch); err != nil {
			return wal.Place{}, err
		}
	}
	if batch != c.Batch {
		return wal.Place{}, &frame.CorruptError{Path: path.Join(e.opts.Dir, manifest.MetaDir), Reason: fmt.Sprintf("the files go up to batch %d, the checkpoint to %d", batch, c.Batch)}
	}
	if err := e.table.Restored(stream.ID(c.LastStream)); err != nil {
		return wal.Place{}, &frame.CorruptError{Path: path.Join(e.opts.Dir, manifest.MetaDir), Reason: "the stream table contradicts itself", Err: err}
	}
	for s := range e.table.All {
		e.text += s.TextBytes() + s.RetentionBytes()
		e.producers += s.Producers()
		e.accounts.add(s.Path, 1, e.table.Kept(s))
		if s.Ends() {
			e.local(s)
		}
	}
	opened, err := e.openSegments(state.Layers)
	if err != nil {
		return wal.Place{}, err
	}
	e.publish(state.Layers, opened...)
	e.warnOfSegments(e.version.segments())
	e.lastMark = logMark{batch: c.Batch, seq: c.Seq, pos: wal.Pos{File: c.WALFile, Offset: c.WALOffset}, at: c.At}
	return wal.Place{Seq: c.Seq, Pos: e.lastMark.pos}, nil
}

// loadRows applies one file of the checkpoint to the table, which is as of a
// batch, and returns the batch as of which it is then.
func (e *Engine) loadRows(f manifest.File, base uint64) (batch uint64, err error) {
	full := f.Kind == manifest.FileSnapshot
	name := e.filePath(f)
	file, err := e.opts.FS.Open(name)
	if err != nil {
		return 0, missing(name, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return 0, fmt.Errorf("engine: examine %s: %w", name, err)
	}
	header := func(h checkpoint.Header) error {
		if h.Store != e.store || h.ID != f.ID || (h.Kind == checkpoint.Snapshot) != full || h.Base != base {
			return &frame.CorruptError{Reason: "this is another file than the manifest lists"}
		}
		batch = h.Batch
		return nil
	}
	totals, err := checkpoint.Read(file, size, header, func(id uint64, removed bool, row []byte) error {
		if removed {
			e.table.Forget(stream.ID(id))
			return nil
		}
		return e.table.Restore(stream.ID(id), row)
	})
	if err != nil {
		return 0, inFile(name, err)
	}
	if !full {
		e.rowsSince += int(totals.Rows + totals.Removed)
	}
	return batch, nil
}

// openSegments opens the segments of all layers, or none.
func (e *Engine) openSegments(layers []manifest.Layer) (opened []*segmentFile, err error) {
	defer func() {
		if err != nil {
			for _, s := range opened {
				s.file.Close()
			}
		}
	}()
	for _, l := range layers {
		for _, info := range l.Segments {
			s, err := e.openSegment(info)
			if err != nil {
				return opened, err
			}
			opened = append(opened, s)
		}
	}
	return opened, nil
}

// openSegment opens a segment and compares it with what the manifest says. One
// that the bucket has too is opened from there if the disk does not have it whole.
func (e *Engine) openSegment(info manifest.Segment) (*segmentFile, error) {
	open := e.openNear
	if info.Place == manifest.PlaceRemote {
		open = e.openFar
	}
	s, err := open(info)
	if isCorrupt(err) && info.Place >= manifest.PlaceBoth && e.tier != nil {
		return e.openInstead(info, err)
	}
	return s, err
}

// openNear opens a segment that is on the disk.
func (e *Engine) openNear(info manifest.Segment) (*segmentFile, error) {
	s := &segmentFile{info: info, path: e.filePath(info.File())}
	var err error
	if s.file, err = e.opts.FS.Open(s.path); err != nil {
		return nil, missing(s.path, err)
	}
	size, err := s.file.Size()
	if err == nil {
		s.reader, err = segment.Open(s.path, s.file, size)
	}
	if err == nil {
		err = e.isListed(s)
	}
	if err != nil {
		s.file.Close()
		return nil, inFile(s.path, err)
	}
	return s, nil
}

// isListed compares what a segment says of itself with what the manifest says.
func (e *Engine) isListed(s *segmentFile) error {
	p := s.reader.Properties()
	if p.Store != e.store || p.ID != s.info.ID || p.Bytes != s.info.Bytes || p.First != s.info.FirstStream || p.Last != s.info.LastStream {
		return &frame.CorruptError{Reason: "this is another segment than the manifest lists"}
	}
	return nil
}

// missing is the error of a file that the store consists of and that cannot be
// opened. Only one that is not there is damage: what else keeps it from being
// opened, such as too many open files, may be over the next time.
func missing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("engine: open %s: %w", name, err)
	}
	return &frame.CorruptError{Path: name, Reason: "the manifest lists this file", Err: err}
}

// inFile puts the name of the file into an error of a decoder.
func inFile(name string, err error) error {
	var ce *frame.CorruptError
	if errors.As(err, &ce) {
		if ce.Path == "" {
			ce.Path = name
		}
		return err
	}
	return fmt.Errorf("engine: read %s: %w", name, err)
}

// closeSegments closes what load opened.
func (e *Engine) closeSegments() {
	defer e.closeTier()
	if e.version == nil {
		return
	}
	for _, l := range e.version.layers {
		for _, s := range l.segments {
			s.file.Close()
		}
	}
	for _, s := range e.unshown {
		s.file.Close()
	}
}
