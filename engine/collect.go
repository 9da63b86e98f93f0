package engine

import (
	"context"
	"fmt"

	"tailrace/internal/manifest"
)

// collectMax bounds the deletions of one round.
const collectMax = 64

// collectable are the objects whose time has come.
func (e *Engine) collectable(s *manifest.State) (due []manifest.Doomed) {
	now := e.Now().UnixMilli()
	for _, d := range s.Tier.Doomed {
		if d.NotBefore != 0 && d.NotBefore <= now && len(due) < collectMax {
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
		if err = e.tier.store.Delete(ctx, e.tier.nameOf(d.Object)); err != nil {
			err = fmt.Errorf("engine: delete object: %w", err)
			break
		}
		gone = append(gone, d.ID)
	}
	if len(gone) > 0 {
		if err := e.manifest.Append(manifest.Collected{IDs: gone}); err != nil {
			return err
		}
		e.opts.Logger.Debug("objects deleted", "objects", len(gone))
	}
	return err
}
