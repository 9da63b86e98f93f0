package engine

import (
	"tailrace/internal/checkpoint"
	"tailrace/internal/manifest"
	"tailrace/segment"
)

// outputSegment is a segment on its way to the disk.
type outputSegment struct {
	file   manifest.File
	level  uint8
	out    *outFile
	writer *segment.Writer
	runs   int
	start  uint64 // see manifest.Segment
	bytes  int64
}

func (o *outputSegment) open(e *Engine, file manifest.File, level uint8, pace func()) (err error) {
	o.file, o.level = file, level
	if o.out, err = newOutFile(e.opts.FS, e.filePath(file), pace); err != nil {
		return err
	}
	o.writer = segment.NewWriter(o.out, segment.WriterOptions{
		Info:         segment.Info{Store: e.store, ID: file.ID, Level: level, Created: e.clockMS.Load()},
		Better:       level > 1,
		SoloMinBytes: e.opts.SoloMinBytes,
	})
	return nil
}

// begin begins the run of a stream.
func (o *outputSegment) begin(id, start uint64, json bool, size int64) error {
	o.runs++
	return o.writer.BeginRun(id, start, json, size)
}

// finish makes the segment durable and opens it, so that nothing can be wrong
// with it once it is live. The result is nil when it has no runs, and there is
// no file then.
func (o *outputSegment) finish(e *Engine) (manifest.Segment, *segmentFile, error) {
	if o.runs == 0 {
		o.discard()
		return manifest.Segment{}, nil, nil
	}
	p, err := o.writer.Finish()
	if err != nil {
		return manifest.Segment{}, nil, err
	}
	if err := o.out.settle(); err != nil {
		return manifest.Segment{}, nil, err
	}
	o.out = nil
	o.bytes = p.Bytes
	info := manifest.Segment{
		ID: o.file.ID, Level: o.level, FirstStream: p.First, LastStream: p.Last,
		Bytes: p.Bytes, RawBytes: p.RawBytes, Runs: p.Runs, Appends: p.Appends, Created: p.Created,
		Start: o.start,
	}
	opened, err := e.openSegment(info)
	return info, opened, err
}

// discard gives the file up if it is not finished.
func (o *outputSegment) discard() {
	if o.out != nil {
		o.out.discard()
		o.out = nil
	}
}

// outputRows is the metadata of a checkpoint on its way to the disk.
type outputRows struct {
	file   manifest.File
	full   bool
	out    *outFile
	writer *checkpoint.Writer
	count  int
}

func (o *outputRows) open(e *Engine, file manifest.File, f *flush) (err error) {
	o.file, o.full = file, f.full
	if o.out, err = newOutFile(e.opts.FS, e.filePath(file), nil); err != nil {
		return err
	}
	h := checkpoint.Header{Kind: checkpoint.Snapshot, Store: e.store, ID: file.ID, Batch: f.freeze.batch}
	if !f.full {
		h.Kind, h.Base = checkpoint.Delta, e.checkpoint.Batch
	}
	o.writer = checkpoint.NewWriter(o.out, h)
	return nil
}

// put writes the row of a stream, or that it is gone.
func (o *outputRows) put(t *taken) error {
	o.count++
	switch {
	case t.row != nil:
		return o.writer.Row(uint64(t.id), t.row)
	case o.full:
		return nil // a snapshot has just what there is
	}
	return o.writer.Removed(uint64(t.id))
}

func (o *outputRows) finish() error {
	if _, err := o.writer.Finish(); err != nil {
		return err
	}
	if err := o.out.settle(); err != nil {
		return err
	}
	o.out = nil
	return nil
}

func (o *outputRows) discard() {
	if o.out != nil {
		o.out.discard()
		o.out = nil
	}
}
