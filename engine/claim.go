package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
)

// claim makes this process the one that writes the store's part of the bucket,
// by a greater epoch in its head. An error that matches ErrBucket will not go
// away by itself.
func (e *Engine) claim(ctx context.Context) error {
	t := e.tier
	err := e.tryClaim(ctx)
	switch {
	case err == nil:
		t.phase.Store(int32(TierReady))
		t.probed()
		e.opts.Logger.Info("bucket claimed", "epoch", t.epoch)
	case errors.Is(err, ErrBucket):
		t.phase.Store(int32(TierRefused))
	}
	return err
}

// probeDir is where the objects of a probe are, below the prefix of the store.
const probeDir = "probe/"

func (e *Engine) tryClaim(ctx context.Context) error {
	t := e.tier
	state := e.manifest.State()
	if state.Tier.Owner == [16]byte{} {
		var owner [16]byte
		binary.BigEndian.PutUint64(owner[:], e.opts.Rand())
		binary.BigEndian.PutUint64(owner[8:], e.opts.Rand()|1)
		if err := e.manifest.Append(manifest.Claim{Owner: owner}); err != nil {
			return err
		}
		state = e.manifest.State()
	}
	if err := objstore.Probe(ctx, t.store, fmt.Sprintf("%s%s%x/", bucket.Prefix(t.id), probeDir, state.Tier.Owner)); err != nil {
		return e.bucketError("probe", err)
	}
	head, etag, err := readHead(ctx, t.store, t.id)
	switch {
	case errors.Is(err, objstore.ErrNotFound):
		if (state.Tier.Published != 0 || inBucket(&state)) && !t.opts.Takeover {
			return fmt.Errorf("%w: it has no head of this store, which has sent something to one: is it the right bucket and prefix? (if the head was lost, take over)", ErrBucket)
		}
		head = bucket.Head{Store: t.id}
	case err != nil:
		return e.bucketError("read head", err)
	case head.Owner != state.Tier.Owner && !t.opts.Takeover:
		return fmt.Errorf("%w: %w, as %x since epoch %d: only one directory of a store may use it, unless that one is given up (take over)",
			ErrBucket, ErrOwner, head.Owner, head.Epoch)
	case !knowsState(&state, head.State.ID):
		// Another directory, or this one in a later life: this is an old copy of it.
		return fmt.Errorf("%w: %w, and has published state %d, which this directory does not know (it knows %d): restore from the bucket, or use another prefix",
			ErrBucket, ErrOwner, head.State.ID, state.Tier.Published)
	}
	written := e.learnCovered(ctx, &head)
	head.Owner = state.Tier.Owner
	head.Epoch++
	t.epoch = head.Epoch
	t.published.written = min(written, e.Now().UnixMilli()) // by another clock, perhaps
	if t.etag, err = e.writeHead(ctx, head, etag); err != nil {
		return e.bucketError("claim head", err)
	}
	return nil
}

// knowsState reports whether a state that the head names is one that this
// directory has published, or was about to: what came after it in the bucket is
// its own.
func knowsState(s *manifest.State, id uint64) bool {
	if id == 0 || id == s.Tier.Published {
		return true
	}
	o, ok := knownObject(s, id)
	return ok && o.Kind == manifest.FileState
}

// inBucket reports whether a segment is in the bucket, or may be.
func inBucket(s *manifest.State) bool {
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place != manifest.PlaceLocal {
				return true
			}
		}
	}
	return false
}

// bucketError tells what will not go away by itself from what may.
func (e *Engine) bucketError(what string, err error) error {
	var unfit *objstore.UnfitError
	switch kind := objstore.KindOf(err); {
	case errors.As(err, &unfit), kind == objstore.KindDenied, kind == objstore.KindNoBucket, kind == objstore.KindSkewed, kind == objstore.KindInvalid:
		return fmt.Errorf("%w: %s: %w", ErrBucket, what, err)
	}
	return fmt.Errorf("engine: %s: %w", what, err)
}

// headBytesMax is more than a head of any version.
const headBytesMax = 64 << 10

// readHead reads the head of a store.
func readHead(ctx context.Context, s *objstore.Store, id [16]byte) (bucket.Head, string, error) {
	name := bucket.HeadName(id)
	b, info, err := s.ReadAll(ctx, name, headBytesMax)
	if err != nil {
		return bucket.Head{}, "", err
	}
	head, err := bucket.ParseHead(b)
	if err == nil && head.Store != id {
		err = &frame.CorruptError{Offset: 16, Reason: fmt.Sprintf("head of another store, %x", head.Store)}
	}
	if err != nil {
		return bucket.Head{}, "", fmt.Errorf("%w: %w", ErrBucket, inFile(name, err))
	}
	return head, info.ETag, nil
}

// writeHead replaces the head that has a tag.
func (e *Engine) writeHead(ctx context.Context, h bucket.Head, etag string) (string, error) {
	h.Written, h.Nonce = e.Now().UnixMilli(), e.opts.Rand()
	b := h.Append(nil)
	return e.tier.store.Swap(ctx, bucket.HeadName(h.Store), objstore.Bytes(b), etag)
}

// owns asks the bucket whether its head is still ours, and stops using it if not.
func (e *Engine) owns(ctx context.Context) (bool, error) {
	t := e.tier
	head, etag, err := readHead(ctx, t.store, t.id)
	if err != nil {
		return false, err
	}
	if head.Owner == e.manifest.State().Tier.Owner && head.Epoch == t.epoch {
		t.etag = etag
		return true, nil
	}
	t.phase.Store(int32(TierFenced))
	e.opts.Logger.Error("another process has taken over the store's part of the bucket: nothing is sent or deleted any more",
		"owner", fmt.Sprintf("%x", head.Owner), "epoch", head.Epoch, "own_epoch", t.epoch)
	return false, nil
}
