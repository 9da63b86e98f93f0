package engine

import (
	"context"
	"errors"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
)

// scrubObject compares what the bucket says of a segment's object with what it
// should be, which costs one small request, and mends one copy by the other:
// local is what was found wrong with the one on the disk, or nil.
func (e *Engine) scrubObject(s *segmentFile, local error) {
	e.tiering.Lock()
	defer e.tiering.Unlock()
	t := e.tier
	state := e.manifest.State()
	seg, ok := state.Find(s.info.ID)
	if !ok || seg.Place < manifest.PlaceBoth || !t.owned() {
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, t.opts.ReadTimeout)
	defer cancel()
	err := headObject(ctx, t.store, t.nameOf(seg.Object()), seg.Object())
	wrong := new(frame.CorruptError)
	switch lost := errors.Is(err, objstore.ErrNotFound) || errors.As(err, &wrong); {
	case lost && seg.Place == manifest.PlaceBoth && local == nil && s.far == nil:
		t.lost.Add(1)
		e.opts.Logger.Error("an object is not what was sent, and is sent again from the disk", "err", err)
		if err := ignoreRefused(e.manifest.Append(manifest.Send{Object: manifest.Object{File: seg.File(), Bytes: seg.Bytes, CRC: seg.CRC}})); err != nil {
			e.survives(err)
		}
		signal(e.tierNow)
	case lost:
		t.lost.Add(1)
		e.damaged(err)
	case err == nil && isCorrupt(local):
		if err := e.evictDamaged(ctx, seg); err != nil {
			e.survives(err)
		}
	}
}
