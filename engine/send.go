package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/segment"
)

// asideTime is how long a segment waits that could not be sent for a reason of
// its own.
const asideTime = 10 * time.Minute

// nextToSend is the segment to be sent next. Small ones are not worth a request
// of their own: they will be merged, unless everything has to be in the bucket.
func (e *Engine) nextToSend(s *manifest.State, all bool) (manifest.Segment, bool) {
	t := e.tier
	now := e.clockMS.Load()
	all = all || e.crowded(s)
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if t.aside[seg.ID] > now {
				continue
			}
			if seg.Place == manifest.PlaceSending || seg.Place == manifest.PlaceLocal && (all || e.settled(&seg)) {
				return seg, true
			}
		}
	}
	return manifest.Segment{}, false
}

// settled tells that no merge will soon take the segment up.
func (e *Engine) settled(seg *manifest.Segment) bool {
	return seg.Level > 1 || seg.Level == 1 && seg.Bytes >= e.tier.opts.SendBytes || seg.Bytes*int64(e.opts.MergeFanIn) > e.mergeBytesMax()
}

// allSent tells that the bucket has all segments.
func allSent(s *manifest.State) bool {
	_, some := unsent(s)
	return !some
}

// unsent is a segment that the bucket does not have.
func unsent(s *manifest.State) (id uint64, ok bool) {
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if seg.Place < manifest.PlaceBoth {
				return seg.ID, true
			}
		}
	}
	return 0, false
}

// sendSegment sends a segment in steps, each durable before the next:
//
//	intent  the manifest announces the object, with its checksum
//	put     the object is made, if none has its name
//	verify  the bucket says that it has so many bytes with that checksum
//	commit  the manifest says that it is there
//
// A crash in between leaves an object that the manifest knows as one that may be
// there, and the next start sends it again, which finds it.
func (e *Engine) sendSegment(ctx context.Context, seg manifest.Segment) error {
	began := time.Now()
	defer e.meters.sending.begin()()
	s := e.holdSegment(seg.ID)
	if s == nil {
		return nil // a merge took it
	}
	defer e.unholdSegment(s)
	crc := seg.CRC
	if seg.Place == manifest.PlaceLocal {
		var err error
		if crc, err = e.verifyToSend(s); err != nil {
			e.setAside(seg.ID)
			e.damaged(err)
			return nil // others can be sent
		}
	}
	o := manifest.Object{File: seg.File(), Bytes: seg.Bytes, CRC: crc}
	if seg.Place != manifest.PlaceSending {
		if err := e.manifest.Append(manifest.Send{Object: o}); err != nil {
			return ignoreRefused(err)
		}
	}
	switch err := e.sendObject(ctx, o, s.file); {
	case objstore.KindOf(err) == objstore.KindBadDigest:
		// The file has changed since it was announced. Others can be sent.
		e.setAside(seg.ID)
		e.damaged(err)
		return nil
	case err != nil:
		return err
	}
	if err := e.manifest.Append(manifest.Sent{ID: seg.ID}); err != nil {
		return ignoreRefused(err)
	}
	e.segmentSent(&seg, began)
	signal(e.evictNow)
	return nil
}

// ignoreRefused makes nothing of an edit that came too late: what it was about is
// gone.
func ignoreRefused(err error) error {
	if errors.Is(err, manifest.ErrRefused) {
		return nil
	}
	return err
}

func (e *Engine) setAside(id uint64) {
	e.tier.aside[id] = e.clockMS.Load() + asideTime.Milliseconds()
}

// sendObject makes an object of a file, certainly. What has its name and another
// content is damaged, because the name says what it should be and the disk has
// it: it is replaced, if the bucket is still ours.
func (e *Engine) sendObject(ctx context.Context, o manifest.Object, from io.ReaderAt) error {
	t := e.tier
	name, body := t.nameOf(o), objstore.Body{R: from, Size: o.Bytes, CRC: o.CRC}
	err := t.store.Create(ctx, name, body)
	if errors.Is(err, objstore.ErrForeign) {
		t.lost.Add(1)
		e.opts.Logger.Error("an object is not what its name says, and is replaced", "err", err)
		var ours bool
		if ours, err = e.owns(ctx); err == nil && !ours {
			return ErrOwner
		}
		if err == nil {
			err = t.store.Delete(ctx, name)
		}
		if err == nil {
			err = t.store.Create(ctx, name, body)
		}
	}
	if err != nil {
		return fmt.Errorf("engine: send object: %w", err)
	}
	return nil
}

// holdSegment finds a segment in the current version that is on the disk, and
// keeps it there.
func (e *Engine) holdSegment(id uint64) *segmentFile {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.version.has(id)
	if !ok || s.far != nil {
		return nil
	}
	e.hold(s)
	return s
}

func (e *Engine) unholdSegment(s *segmentFile) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unhold(s)
}

// verifyToSend verifies every byte of a segment, so that damage does not get into
// the bucket and from there to others, and returns the checksum of the file.
func (e *Engine) verifyToSend(s *segmentFile) (uint32, error) {
	if _, err := segment.Verify(s.path, s.file, s.info.Bytes); err != nil {
		return 0, err
	}
	return checksumOf(s.path, s.file, s.info.Bytes)
}

// checksumOf is the CRC-32C of a file.
func checksumOf(name string, r io.ReaderAt, size int64) (crc uint32, err error) {
	buf := make([]byte, min(size, outBufferBytes))
	for at := int64(0); at < size; {
		part := buf[:min(int64(len(buf)), size-at)]
		if n, err := r.ReadAt(part, at); n < len(part) {
			return 0, fmt.Errorf("engine: read %s at byte %d: %w", name, at+int64(n), err)
		}
		crc = frame.Update(crc, part)
		at += int64(len(part))
	}
	return crc, nil
}
