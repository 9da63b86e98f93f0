package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/segment"
	"tailrace/wal"
)

// bucketCopy makes the files of a store that is restored.
type bucketCopy struct {
	*BucketRestore
	ctx    context.Context
	from   *objstore.Store
	id     [16]byte
	report *BucketReport
	total  int
}

func (c *bucketCopy) run(state *manifest.State, head *bucket.Head) error {
	for _, l := range state.Layers {
		c.total += len(l.Segments)
	}
	c.total += len(state.Tier.Objects)
	for _, f := range state.CheckpointFiles() {
		o, ok := knownObject(state, f.ID)
		if !ok || o.File != f {
			return &frame.CorruptError{Path: head.State.Name(c.id), Reason: fmt.Sprintf("the state has no object for %v", f)}
		}
		if err := c.copyWhole(o); err != nil {
			return err
		}
	}
	state.NextID = max(state.NextID, head.State.ID+1) + restoredIDs
	for i := range state.Layers {
		for j := range state.Layers[i].Segments {
			seg := &state.Layers[i].Segments[j]
			seg.Place, seg.Index = manifest.PlaceRemote, state.NextID
			state.NextID++
			if err := c.copyEnds(seg); err != nil {
				return err
			}
		}
	}
	// The log begins anew.
	state.Checkpoint.Seq, state.Checkpoint.WALFile, state.Checkpoint.WALOffset = 0, 0, 0
	t := &state.Tier
	binary.BigEndian.PutUint64(t.Owner[:], c.Rand())
	binary.BigEndian.PutUint64(t.Owner[8:], c.Rand()|1)
	t.Published = head.State.ID
	t.Objects = append(t.Objects, manifest.Object{
		File: manifest.File{ID: head.State.ID, Kind: manifest.FileState}, Bytes: head.StateBytes, CRC: head.State.CRC, Sent: true,
	})
	slices.SortFunc(t.Objects, func(a, b manifest.Object) int { return cmp.Compare(a.ID, b.ID) })
	for _, dir := range targetDirs {
		if err := c.FS.SyncDir(path.Join(c.To, dir)); err != nil {
			return fmt.Errorf("engine: sync %s: %w", path.Join(c.To, dir), err)
		}
	}
	if err := manifest.Create(c.FS, c.To, c.id, *state); err != nil {
		return err
	}
	store := wal.Store{ID: c.id, Created: state.Checkpoint.At, First: 1}
	return writeSmall(c.FS, path.Join(c.To, storeName), store.Append(nil))
}

// done counts an object.
func (c *bucketCopy) done(bytes int64) {
	c.report.Objects++
	c.report.Bytes += bytes
	c.Progress(c.report.Objects, c.total)
}

// copyWhole copies an object, and compares its checksum.
func (c *bucketCopy) copyWhole(o manifest.Object) error {
	name := nameIn(c.id, o)
	out, err := newOutFile(c.FS, path.Join(c.To, o.Path()), nil)
	if err != nil {
		return err
	}
	sum := &sumWriter{to: out}
	from := namedObject{c.ctx, c.from, name}
	if _, err = io.CopyBuffer(sum, io.NewSectionReader(from, 0, o.Bytes), make([]byte, copyStepBytes)); err == nil && sum.crc != o.CRC {
		err = &frame.CorruptError{Path: name, Reason: "object does not match its checksum"}
	}
	if err == nil {
		err = out.settle()
	}
	if err != nil {
		out.discard()
		return fmt.Errorf("copy %s: %w", name, err)
	}
	c.done(o.Bytes)
	return nil
}

// copyEnds makes sure that a segment is in the bucket, and copies its ends.
func (c *bucketCopy) copyEnds(seg *manifest.Segment) error {
	o := seg.Object()
	name := nameIn(c.id, o)
	if err := headObject(c.ctx, c.from, name, o); err != nil {
		return err
	}
	from := namedObject{c.ctx, c.from, name}
	whole, err := segment.Open(name, from, seg.Bytes)
	if err != nil {
		return err
	}
	out, err := newOutFile(c.FS, path.Join(c.To, seg.OnDisk().Path()), nil)
	if err != nil {
		return err
	}
	if err = copyEnds(out, from, whole.BlocksEnd(), seg.Bytes); err == nil {
		err = out.settle()
	}
	if err != nil {
		out.discard()
		return err
	}
	c.done(seg.Bytes)
	return nil
}

// sumWriter sums up what goes through it.
type sumWriter struct {
	to  io.Writer
	crc uint32
}

// Write implements io.Writer.
func (w *sumWriter) Write(p []byte) (int, error) {
	w.crc = frame.Update(w.crc, p)
	return w.to.Write(p)
}
