package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/remote"
	"tailrace/segment"
)

// far is what makes a segment readable whose blocks are in the bucket.
type far struct {
	ends      io.ReaderAt // header, index, footer: back to back
	blocksEnd int64       // where in the segment the second of them begins
	size      int64
	file      *remote.File
}

// how says what a read may do.
type how struct {
	ctx  context.Context
	near bool // nothing may be asked of the bucket: remote.ErrNotCached then
	ask  remote.Ask
}

// near is a read that asks nothing of the bucket.
var near = how{near: true}

// after is how a read goes on. One that has something asks the bucket no more: its
// reader would wait for several requests, and has the first byte after one.
func (h how) after(res *ReadResult) how {
	if len(res.Parts) > 0 {
		return near
	}
	return h
}

// in is a reader of the segment.
func (s *segmentFile) in(h how) *segment.Reader {
	if s.far == nil || s.far.file == nil {
		return s.reader
	}
	ask := h.ask
	ask.CachedOnly = h.near
	ctx := h.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	return s.reader.From(&farReader{s.far, s.far.file.Reader(ctx, ask)})
}

// farReader puts a segment together from its ends and its blocks.
type farReader struct {
	*far
	blocks io.ReaderAt // nil: none can be read
}

// ReadAt implements io.ReaderAt for ranges that are in one part, as a segment is
// read.
func (r *farReader) ReadAt(p []byte, off int64) (int, error) {
	switch end := off + int64(len(p)); {
	case end <= segment.HeaderBytes:
		return r.ends.ReadAt(p, off)
	case off >= r.blocksEnd:
		return r.ends.ReadAt(p, off-r.blocksEnd+segment.HeaderBytes)
	case r.blocks == nil:
		return 0, remote.ErrNotCached
	}
	return r.blocks.ReadAt(p, off)
}

// openFar opens a segment whose blocks are in the bucket.
func (e *Engine) openFar(info manifest.Segment) (*segmentFile, error) {
	t := e.tier
	if t == nil && !e.opts.offline {
		return nil, fmt.Errorf("%w (segment %d)", ErrNoBucket, info.ID)
	}
	s := &segmentFile{info: info, path: e.filePath(info.OnDisk())}
	var err error
	if s.file, err = e.opts.FS.Open(s.path); err != nil {
		return nil, missing(s.path, err)
	}
	size, err := s.file.Size()
	if err == nil {
		s.far = &far{ends: s.file, size: info.Bytes, blocksEnd: info.Bytes - size + segment.HeaderBytes}
		err = e.readFarIndex(s)
	}
	if err != nil {
		s.file.Close()
		return nil, inFile(s.path, err)
	}
	if t != nil {
		t.reach(s)
	}
	return s, nil
}

// reach lets a segment read its blocks from the bucket.
func (t *tier) reach(s *segmentFile) {
	t.names.Store(s.info.ID, t.nameOf(s.info.Object()))
	s.far.file = t.cache.File(s.info.ID, s.info.Bytes)
}

// readFarIndex reads what Open of a segment reads, and compares it with what the
// manifest says.
func (e *Engine) readFarIndex(s *segmentFile) (err error) {
	if s.far.blocksEnd < segment.HeaderBytes || s.far.blocksEnd > s.info.Bytes {
		return &frame.CorruptError{Reason: "the file is no end of that segment"}
	}
	if s.reader, err = segment.Open(s.path, &farReader{far: s.far}, s.info.Bytes); err != nil {
		return err
	}
	if s.reader.BlocksEnd() != s.far.blocksEnd {
		return &frame.CorruptError{Reason: "the file is not all of the end of that segment"}
	}
	return e.isListed(s)
}

// fetchEnds reads the ends of a segment from the bucket, into memory.
func (e *Engine) fetchEnds(s *segmentFile) error {
	ctx, cancel := context.WithTimeout(e.ctx, e.tier.opts.ReadTimeout)
	defer cancel()
	from := namedObject{ctx, e.tier.store, e.tier.nameOf(s.info.Object())}
	whole, err := segment.Open(s.path, from, s.info.Bytes)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := copyEnds(&b, from, whole.BlocksEnd(), s.info.Bytes); err != nil {
		return err
	}
	s.far.ends, s.far.blocksEnd = bytes.NewReader(b.Bytes()), whole.BlocksEnd()
	return e.readFarIndex(s)
}
