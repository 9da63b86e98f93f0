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
	"tailrace/internal/checkpoint"
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
	defer e.meters.publishing.begin()()
	if t.pending == nil {
		if ours, err := e.owns(ctx); err != nil || !ours {
			return false, err // nothing was announced for it
		}
		objects, err := e.sendCheckpoint(ctx, &s)
		if err != nil || objects == nil {
			return objects == nil && err == nil, err
		}
		if err := e.announceState(s, objects); err != nil {
			return false, err
		}
	}
	p := t.pending
	if err := e.sendState(ctx, p); err != nil {
		return false, err
	}
	head := bucket.Head{
		Store: t.id, Owner: p.state.Tier.Owner, Epoch: t.epoch,
		State: bucket.Object{Kind: bucket.State, ID: p.object.ID, CRC: p.object.CRC}, StateBytes: p.object.Bytes,
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
	return true, e.commitState(p)
}

// commitState has the manifest say what the head says.
func (e *Engine) commitState(p *pendingState) error {
	t := e.tier
	now := e.Now().UnixMilli()
	edit := manifest.Publish{ID: p.object.ID, NotBefore: max(1, now+max(0, t.opts.Grace.Milliseconds()))}
	for _, o := range p.objects {
		edit.Keep = append(edit.Keep, o.ID)
	}
	slices.Sort(edit.Keep)
	for _, d := range p.state.Tier.Doomed {
		if d.NotBefore == 0 {
			edit.Doomed = append(edit.Doomed, d.ID)
		}
	}
	if err := e.manifest.Append(edit); err != nil {
		return err
	}
	t.pending = nil
	t.published = publication{batch: p.state.Checkpoint.Batch, written: now}
	t.covers(p.state.Checkpoint)
	e.published(p)
	return nil
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
	if now := e.manifest.State(); errors.Is(err, iofs.ErrNotExist) && !slices.Contains(now.CheckpointFiles(), f) {
		return manifest.Object{}, nil // a flush has made others
	}
	if err != nil {
		return manifest.Object{}, fmt.Errorf("engine: open %s: %w", name, err)
	}
	defer file.Close()
	if !announced {
		// Damage must not get into the bucket: a restore needs every one of them.
		if err := e.verifyRows(f, file); err != nil {
			e.damaged(err)
			return manifest.Object{}, err
		}
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

// verifyRows verifies every byte of a file of the checkpoint.
func (e *Engine) verifyRows(f manifest.File, file vfs.File) error {
	name := e.filePath(f)
	size, err := file.Size()
	if err != nil {
		return fmt.Errorf("engine: examine %s: %w", name, err)
	}
	header := func(h checkpoint.Header) error {
		if h.Store != e.store || h.ID != f.ID {
			return &frame.CorruptError{Reason: "this is another file than the manifest lists"}
		}
		return nil
	}
	if _, err := checkpoint.Read(file, size, header, func(uint64, bool, []byte) error { return nil }); err != nil {
		return inFile(name, err)
	}
	return nil
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

// pendingState is a state on its way to the bucket. However often that takes, it
// is one object.
type pendingState struct {
	state   manifest.State
	objects []manifest.Object // that it refers to, beside segments
	object  manifest.Object
	body    []byte
}

// announceState makes the object that a restore begins with.
func (e *Engine) announceState(s manifest.State, objects []manifest.Object) error {
	for {
		p := published(&s, objects)
		p.NextID = e.manifest.State().NextID
		state := bucket.PublishedState{Store: e.store, ID: p.NextID, Written: e.Now().UnixMilli(), Payload: manifest.AppendState(nil, &p)}
		b := state.Append(nil)
		o := manifest.Object{File: manifest.File{ID: state.ID, Kind: manifest.FileState}, Bytes: int64(len(b)), CRC: frame.Checksum(b)}
		err := e.manifest.Append(manifest.Send{Object: o})
		if errors.Is(err, manifest.ErrRefused) {
			continue // a flush or a merge took the id
		}
		if err == nil {
			e.tier.pending = &pendingState{s, objects, o, b}
		}
		return err
	}
}

// sendState sends it, if that was not done before.
func (e *Engine) sendState(ctx context.Context, p *pendingState) error {
	if p.object.Sent {
		return nil
	}
	if err := e.sendObject(ctx, p.object, bytes.NewReader(p.body)); err != nil {
		return err
	}
	if err := e.manifest.Append(manifest.Sent{ID: p.object.ID}); err != nil {
		return err
	}
	p.object.Sent = true
	return nil
}

// published is what of a state is in the bucket. The objects that it does not
// refer to, such as the state before it, are doomed in it already: who restores it
// has no other word of them.
func published(s *manifest.State, objects []manifest.Object) manifest.State {
	p := *s
	p.Acts, p.Garbage = nil, nil
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
