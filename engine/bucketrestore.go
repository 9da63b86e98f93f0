package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/vfs"
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
