package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"tailrace/internal/manifest"
	"tailrace/internal/vfs"
	"tailrace/segment"
)

// noFile is the file of a segment of which the disk has nothing that is of use.
type noFile struct{ vfs.File }

// Close implements io.Closer.
func (noFile) Close() error { return nil }

// openInstead opens a segment that is damaged on the disk by its ends in the bucket,
// which stay in memory until the evicter has put them where they belong: opening
// changes nothing. The file stays as it is until then. If the bucket does not have
// them, or cannot be asked, the damage stands.
func (e *Engine) openInstead(info manifest.Segment, why error) (*segmentFile, error) {
	s := &segmentFile{info: info, path: e.filePath(info.OnDisk()), file: noFile{}, far: &far{size: info.Bytes}}
	if err := e.fetchEnds(s); err != nil {
		return nil, fmt.Errorf("%w; the bucket has it too, and could not help: %w", why, err)
	}
	e.damaged(why)
	e.tier.reach(s)
	e.tier.rotten.Store(info.ID, int64(0))
	return s, nil
}

// mend gives segments that were opened from the bucket their ends on the disk, so
// that the next start needs no request for them. It waits until the bucket is known
// to be ours. One that it does not mend waits: others can leave the disk.
func (e *Engine) mend() error {
	t := e.tier
	if TierPhase(t.phase.Load()) != TierReady {
		return nil
	}
	now := e.clockMS.Load()
	var ids []uint64
	for id, at := range t.rotten.Range {
		if at.(int64) <= now {
			ids = append(ids, id.(uint64))
		}
	}
	for _, id := range ids {
		t.rotten.Delete(id)
		state := e.manifest.State()
		seg, ok := state.Find(id)
		if !ok || seg.Place < manifest.PlaceBoth {
			continue // a merge took it
		}
		err := e.withReserve(func() error {
			ctx, cancel := context.WithTimeout(e.ctx, t.opts.ReadTimeout)
			defer cancel()
			// What the disk has goes for good, so the object has to be all there.
			if err := headObject(ctx, t.store, t.nameOf(seg.Object()), seg.Object()); err != nil {
				return err
			}
			return e.evictDamaged(ctx, seg)
		})
		if errors.Is(err, manifest.ErrFailed) {
			return err
		}
		if err != nil {
			t.rotten.Store(id, now+asideTime.Milliseconds())
			e.opts.Logger.Warn("a damaged segment could not be mended by the bucket, and is tried again", "segment", id, "err", err)
		}
	}
	return nil
}

// verifyEnds verifies what is kept of a segment that left the disk: all but its
// blocks.
func verifyEnds(path string, r io.ReaderAt, size int64) error {
	s, err := segment.Open(path, r, size)
	if err != nil {
		return err
	}
	return wholeRuns(s)
}

// wholeRuns verifies the run index of a segment, which opening it does not read.
func wholeRuns(s *segment.Reader) error {
	for _, err := range s.Runs {
		if err != nil {
			return err
		}
	}
	return nil
}
