package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"

	"tailrace/internal/bucket"
	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/vfs"
)

// publicationDue reports whether a state has to be published: there is something
// new since the last, or objects wait to be deleted that the last refers to.
func (e *Engine) publicationDue(s *manifest.State) bool {
	p := &e.tier.published
	if e.Now().UnixMilli()-p.written < e.tier.opts.PublishEvery.Milliseconds() {
		return false
	}
	return s.Checkpoint.Batch != p.batch || s.Tier.Published == 0 ||
		slices.ContainsFunc(s.Tier.Doomed, func(d manifest.Doomed) bool { return d.NotBefore == 0 })
}

// publishState makes a restore find a state all of whose segments are in the
// bucket. In order, each durable before the next:
//
//	files   those of the checkpoint are sent, as segments are
//	state   an object that says what of all this the state is
//	head    it names that object, if it still is ours: the step that counts
//	commit  the manifest says so, and what the state before had alone is doomed
//
// A crash in between leaves objects that the manifest knows; the next publication
// dooms them.
func (e *Engine) publishState(ctx context.Context, s manifest.State) (more bool, err error) {
	t := e.tier
	objects, err := e.sendCheckpoint(ctx, &s)
	if err != nil || objects == nil {
		return objects == nil && err == nil, err
	}
	state, err := e.sendState(ctx, &s, objects)
	if err != nil {
		return false, err
	}
	head := bucket.Head{
		Store: t.id, Owner: s.Tier.Owner, Epoch: t.epoch,
		State: bucket.Object{Kind: bucket.State, ID: state.ID, CRC: state.CRC}, StateBytes: state.Bytes,
	}
	etag, err := e.writeHead(ctx, head, t.etag)
	switch {
	case errors.Is(err, objstore.ErrExists) || errors.Is(err, objstore.ErrNotFound):
		if ours, err := e.owns(ctx); err != nil || !ours {
			return false, err
		}
		return true, nil // again, with the tag that it has now
	case err != nil:
		return false, fmt.Errorf("engine: publish: %w", err)
	}
	t.etag = etag
	now := e.Now().UnixMilli()
	edit := manifest.Publish{ID: state.ID, NotBefore: max(1, now+max(0, t.opts.Grace.Milliseconds()))}
	for _, o := range objects {
		edit.Keep = append(edit.Keep, o.ID)
	}
	slices.Sort(edit.Keep)
	for _, d := range s.Tier.Doomed {
		if d.NotBefore == 0 {
			edit.Doomed = append(edit.Doomed, d.ID)
		}
	}
	if err := e.manifest.Append(edit); err != nil {
		return false, err
	}
	t.published = publication{batch: s.Checkpoint.Batch, written: now}
	t.covers(s.Checkpoint)
	e.opts.Logger.Debug("state published", "state", state.ID, "batch", s.Checkpoint.Batch)
	return true, nil
}

// sendCheckpoint sends the files of the checkpoint that the bucket does not have.
// It is nil if they are not there any more: a flush has made others.
func (e *Engine) sendCheckpoint(ctx context.Context, s *manifest.State) ([]manifest.Object, error) {
	objects := []manifest.Object{}
	for _, f := range s.CheckpointFiles() {
		o, known := knownObject(s, f.ID)
		if !known || !o.Sent {
			var err error
			if o, err = e.sendMeta(ctx, f, o, known); err != nil || o.ID == 0 {
				return nil, err
			}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func knownObject(s *manifest.State, id uint64) (manifest.Object, bool) {
	i := slices.IndexFunc(s.Tier.Objects, func(o manifest.Object) bool { return o.ID == id })
	if i < 0 {
		return manifest.Object{}, false
	}
	return s.Tier.Objects[i], true
}

// sendMeta sends a file of the checkpoint. The zero value says that it is not
// there any more.
func (e *Engine) sendMeta(ctx context.Context, f manifest.File, o manifest.Object, announced bool) (manifest.Object, error) {
	name := e.filePath(f)
	file, err := e.opts.FS.Open(name)
	if errors.Is(err, iofs.ErrNotExist) {
		return manifest.Object{}, nil
	}
	if err != nil {
		return manifest.Object{}, fmt.Errorf("engine: open %s: %w", name, err)
	}
	defer file.Close()
	if !announced {
		if o, err = objectOf(name, f, file); err != nil {
			return manifest.Object{}, err
		}
		if err := e.manifest.Append(manifest.Send{Object: o}); err != nil {
			return manifest.Object{}, ignoreRefused(err)
		}
	}
	if err := e.sendObject(ctx, o, file); err != nil {
		return manifest.Object{}, err
	}
	o.Sent = true
	return o, e.manifest.Append(manifest.Sent{ID: f.ID})
}

// objectOf is the object that a file becomes.
func objectOf(name string, f manifest.File, file vfs.File) (manifest.Object, error) {
	size, err := file.Size()
	if err != nil {
		return manifest.Object{}, fmt.Errorf("engine: examine %s: %w", name, err)
	}
	crc, err := checksumOf(name, file, size)
	return manifest.Object{File: f, Bytes: size, CRC: crc}, err
}

// sendState sends the object that a restore begins with.
func (e *Engine) sendState(ctx context.Context, s *manifest.State, objects []manifest.Object) (manifest.Object, error) {
	for {
		p := published(s, objects)
		p.NextID = e.manifest.State().NextID
		state := bucket.PublishedState{Store: e.store, ID: p.NextID, Written: e.Now().UnixMilli(), Payload: manifest.AppendState(nil, &p)}
		b := state.Append(nil)
		o := manifest.Object{File: manifest.File{ID: state.ID, Kind: manifest.FileState}, Bytes: int64(len(b)), CRC: frame.Checksum(b)}
		err := e.manifest.Append(manifest.Send{Object: o})
		if errors.Is(err, manifest.ErrRefused) {
			continue // a flush or a merge took the id
		}
		if err != nil {
			return o, err
		}
		if err := e.sendObject(ctx, o, bytes.NewReader(b)); err != nil {
			return o, err
		}
		return o, e.manifest.Append(manifest.Sent{ID: o.ID})
	}
}

// published is what of a state is in the bucket. The objects that it does not
// refer to, such as the state before it, are doomed in it already: who restores it
// has no other word of them.
func published(s *manifest.State, objects []manifest.Object) manifest.State {
	p := *s
	p.Acts, p.Garbage, p.Clean = nil, nil, 0
	slices.SortFunc(objects, func(a, b manifest.Object) int { return cmp.Compare(a.ID, b.ID) })
	p.Tier = manifest.Tier{Owner: s.Tier.Owner, Objects: objects, Doomed: slices.Clone(s.Tier.Doomed)}
	for _, o := range s.Tier.Objects {
		if !slices.ContainsFunc(objects, func(kept manifest.Object) bool { return kept.ID == o.ID }) {
			p.Tier.Doomed = append(p.Tier.Doomed, manifest.Doomed{Object: o})
		}
	}
	slices.SortFunc(p.Tier.Doomed, func(a, b manifest.Doomed) int { return cmp.Compare(a.ID, b.ID) })
	return p
}
