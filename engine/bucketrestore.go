package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/vfs"
	"tailrace/segment"
	"tailrace/wal"
)

// BucketRestore says what to restore from a bucket, and where.
type BucketRestore struct {
	FS     vfs.FS // default: the operating system's files
	To     string // a directory that must be empty or missing
	Bucket objstore.Bucket
	Policy objstore.Options
	Store  string        // 32 hex digits; may be empty if the bucket has one store
	Rand   func() uint64 // names the new directory in the bucket
	// Progress is told of objects that are done; nil = nobody is.
	Progress func(done, total int)
}

// BucketReport says what was restored.
type BucketReport struct {
	Report
	Store   string
	State   uint64 // the published state
	Written int64  // when it was published, unix milliseconds
	At      int64  // engine time of the newest batch in it, unix milliseconds
	Objects int    // that it refers to
	Bytes   int64  // in them
}

// restoredIDs keeps the ids that a restored directory gives apart from those that
// the directory before it has given since it published: objects of both may be in
// the bucket.
const restoredIDs = 1 << 32

// RestoreFromBucket makes a store of what was published last: everything up to a
// checkpoint. Appends that the bucket did not have then are lost, and so is what
// producers sent with them; a producer that sends them again is taken at its word.
//
// The disk gets the table of streams and the ends of segments; blocks stay in the
// bucket and are read there. Nothing in the bucket changes: the directory takes
// its part of it over when it is opened with TierOptions.Takeover. Errors, and
// what a crash leaves, are as with Restore.
func RestoreFromBucket(ctx context.Context, r BucketRestore) (BucketReport, error) {
	if r.FS == nil {
		r.FS = vfs.OS
	}
	if r.Progress == nil {
		r.Progress = func(int, int) {}
	}
	if r.Rand == nil {
		r.Rand = rand.Uint64
	}
	report, err := r.run(ctx)
	if err != nil {
		return BucketReport{}, fmt.Errorf("engine: restore from the bucket: %w", err)
	}
	return report, nil
}

func (r *BucketRestore) run(ctx context.Context) (BucketReport, error) {
	from := objstore.New(r.Bucket, r.Policy)
	id, err := r.store(ctx, from)
	if err != nil {
		return BucketReport{}, err
	}
	head, _, err := readHead(ctx, from, id)
	if err != nil {
		return BucketReport{}, err
	}
	state, published, err := readState(ctx, from, &head)
	if err != nil {
		return BucketReport{}, err
	}
	if err := openTarget(r.FS, r.To, restoringName); err != nil {
		return BucketReport{}, err
	}
	report := BucketReport{
		Store: hex.EncodeToString(id[:]), State: published.ID, Written: published.Written, At: state.Checkpoint.At,
	}
	c := bucketCopy{BucketRestore: r, ctx: ctx, from: from, id: id, report: &report}
	if err := c.run(&state, &head); err != nil {
		return BucketReport{}, errors.Join(err, emptyTarget(r.FS, r.To))
	}
	if report.Report, err = checkStore(Options{FS: r.FS, Dir: r.To}.withDefaults()); err != nil {
		return BucketReport{}, err
	}
	return report, unmark(r.FS, r.To, restoringName)
}

// store finds out which store is meant.
func (r *BucketRestore) store(ctx context.Context, from *objstore.Store) ([16]byte, error) {
	name := r.Store
	if name == "" {
		all, err := storesIn(ctx, from)
		switch {
		case err != nil:
			return [16]byte{}, err
		case len(all) == 0:
			return [16]byte{}, errors.New("there is no store under this prefix")
		case len(all) > 1:
			return [16]byte{}, fmt.Errorf("there are several stores under this prefix, one has to be named: %s", strings.Join(all, ", "))
		}
		name = all[0]
	}
	return parseStoreID(name)
}

func parseStoreID(name string) (id [16]byte, err error) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("store %q: want 32 hex digits", name)
	}
	return [16]byte(b), nil
}

// storesIn lists the stores of a bucket, by a look behind each one's names.
func storesIn(ctx context.Context, from *objstore.Store) (all []string, err error) {
	for after := ""; ; {
		found, err := from.List(ctx, "", after, 1)
		if err != nil || len(found) == 0 {
			return all, err
		}
		name, _, _ := strings.Cut(found[0].Key, "/")
		if id, err := parseStoreID(name); err == nil && bucket.Prefix(id) == name+"/" {
			all = append(all, name)
		}
		after = name + "0" // the digit after the slash
	}
}

// readState reads the state that a head names.
func readState(ctx context.Context, from *objstore.Store, h *bucket.Head) (manifest.State, bucket.PublishedState, error) {
	fail := func(err error) (manifest.State, bucket.PublishedState, error) {
		return manifest.State{}, bucket.PublishedState{}, err
	}
	if h.State.ID == 0 {
		return fail(errors.New("nothing was published yet"))
	}
	name := h.State.Name(h.Store)
	b, _, err := from.ReadAll(ctx, name, h.StateBytes)
	if err != nil {
		return fail(err)
	}
	p, err := bucket.ParseState(b)
	if err == nil && (frame.Checksum(b) != h.State.CRC || int64(len(b)) != h.StateBytes || p.Store != h.Store || p.ID != h.State.ID) {
		err = &frame.CorruptError{Reason: "this is another state than the head names"}
	}
	if err != nil {
		return fail(inFile(name, err))
	}
	state, err := manifest.DecodeState(p.Payload)
	if err != nil {
		return fail(&frame.CorruptError{Path: name, Reason: "the state does not decode", Err: err})
	}
	if !allSent(&state) {
		return fail(&frame.CorruptError{Path: name, Reason: "the state has segments that are not in the bucket"})
	}
	return state, p, nil
}

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

// headObject compares what the bucket says of an object with what it should be.
func headObject(ctx context.Context, s *objstore.Store, name string, o manifest.Object) error {
	info, err := s.Head(ctx, name)
	if err != nil {
		return err
	}
	if info.Size != o.Bytes || info.HasCRC && info.CRC != o.CRC {
		return &frame.CorruptError{Path: name, Reason: fmt.Sprintf("the object has %d bytes with checksum %08x, and should have %d with %08x", info.Size, info.CRC, o.Bytes, o.CRC)}
	}
	return nil
}

// nameIn is the name of an object of a store.
func nameIn(id [16]byte, o manifest.Object) string {
	return bucket.Object{Kind: bucket.Kind(o.Kind), ID: o.ID, CRC: o.CRC}.Name(id)
}

// namedObject reads an object.
type namedObject struct {
	ctx  context.Context
	from *objstore.Store
	name string
}

// ReadAt implements io.ReaderAt for ranges that are in the object.
func (r namedObject) ReadAt(p []byte, off int64) (int, error) {
	if err := r.from.ReadAt(r.ctx, r.name, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
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
