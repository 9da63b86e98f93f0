package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
)

// collectMax bounds the deletions of one round.
const collectMax = 64

// collectable are the objects whose time has come.
func (e *Engine) collectable(s *manifest.State) (due []manifest.Doomed) {
	now := e.Now().UnixMilli()
	if slices.ContainsFunc(s.Acts, func(a manifest.Act) bool { return a.Kind == manifest.ActBackup }) {
		return nil // it may be on its way to one of them
	}
	for _, d := range s.Tier.Doomed {
		if d.NotBefore != 0 && d.NotBefore <= now && e.tier.aside[d.ID] <= now && len(due) < collectMax {
			due = append(due, d)
		}
	}
	return due
}

// deleteObjects deletes objects. The manifest forgets each after the bucket has: a crash
// in between deletes it again, which does no harm. Only the owner deletes: what
// nothing refers to here, a directory that took over may need.
func (e *Engine) deleteObjects(ctx context.Context, due []manifest.Doomed) error {
	ours, err := e.owns(ctx)
	if err != nil || !ours {
		return err
	}
	var gone []uint64
	for _, d := range due {
		if derr := e.tier.store.Delete(ctx, e.tier.nameOf(d.Object)); derr != nil {
			err = errors.Join(err, fmt.Errorf("engine: delete object: %w", derr))
			if !objstore.KindOf(derr).Retryable() {
				e.setAside(d.ID) // the others may go
				continue
			}
			break
		}
		delete(e.tier.aside, d.ID)
		gone = append(gone, d.ID)
	}
	if len(gone) > 0 {
		if err := e.manifest.Append(manifest.Collected{IDs: gone}); err != nil {
			return err
		}
		e.objectsDeleted(len(gone))
	}
	return err
}
