package engine

import (
	"errors"
	"fmt"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
)

// merge makes new segments of older ones: it brings the runs of each stream
// together and leaves out what no stream shows any more. It goes in steps, as a
// flush does. Until its one edit the old segments are live, from then on the
// new ones; readers that began before go on with the old.
type merge struct {
	plan    mergePlan
	version *version // pinned: has the inputs
	sources []*runSource
	began   time.Time
	next    func() (bool, error)

	act    uint64
	out    *outputSegment // being written, or nil
	done   []manifest.Segment
	opened []*segmentFile
	judged uint64 // newest batch when it was last asked whether a stream lives
	kept   int64  // bytes
	pace   *pace
}

// beginMerge looks for something worth merging. It is false if there is
// nothing.
func (e *Engine) beginMerge() bool {
	if e.merge != nil {
		return false
	}
	plan, v := e.planMerge()
	if v == nil {
		return false
	}
	m := &merge{plan: plan, version: v, began: time.Now(), pace: e.newPace()}
	for _, l := range plan.inputs {
		m.sources = append(m.sources, newRunSource(l))
	}
	m.next = func() (bool, error) { return true, e.openMerge(m) }
	e.merge = m
	return true
}

func (e *Engine) openMerge(m *merge) error {
	act, err := e.manifest.Begin(manifest.ActMerge)
	if err != nil {
		return err
	}
	m.act = act.ID
	for _, s := range m.sources {
		if err := s.advance(); err != nil {
			return err
		}
	}
	m.next = func() (bool, error) { return true, e.stepRuns(m) }
	return nil
}

// stepRuns merges the runs of a few streams.
func (e *Engine) stepRuns(m *merge) error {
	bytes := int64(0)
	for n := 0; n < visitStreamsMax && bytes < outSyncBytes; n++ {
		id, ok := lowest(m.sources)
		if !ok {
			m.next = func() (bool, error) { return true, e.endRuns(m) }
			return nil
		}
		size, err := e.mergeRuns(m, id)
		if err != nil {
			return err
		}
		bytes += size
	}
	return nil
}

// mergeRuns writes what the inputs have of a stream, as one run, and moves them
// on.
func (e *Engine) mergeRuns(m *merge, id uint64) (size int64, err error) {
	within, live := e.limitOf(m, stream.ID(id))
	var runs []*runSource // that have the stream, oldest first
	for _, s := range m.sources {
		if s.ok && s.run.Stream == id {
			runs = append(runs, s)
		}
	}
	if live {
		for _, s := range runs {
			n, err := s.bytesWithin(within)
			if err != nil {
				return 0, err
			}
			size += n
		}
	}
	if size > 0 {
		if err := e.writeMerged(m, runs, size, within); err != nil {
			return 0, err
		}
	}
	for _, s := range runs {
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// limitOf is from where and up to where a stream's appends are still shown.
// Whatever it says may depend on records that are not durable yet.
func (e *Engine) limitOf(m *merge, id stream.ID) (within bounds, live bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.judged = e.newest()
	s := e.table.ByID(id)
	switch {
	case s == nil:
		return bounds{}, false
	case s.Gone:
		return bounds{e.floorOf(s), uint64(e.table.ForkedTo(s))}, true // nobody reads it but its forks
	}
	return bounds{e.floorOf(s), uint64(stream.OffsetMax)}, true
}

func (e *Engine) writeMerged(m *merge, runs []*runSource, size int64, within bounds) error {
	if m.out != nil && m.out.writer.Bytes() >= e.opts.SegmentBytes {
		if err := e.finishOutput(m); err != nil {
			return err
		}
	}
	if m.out == nil {
		files, err := e.manifest.Extend(m.act, manifest.FileSegment)
		if err != nil {
			return err
		}
		m.out = new(outputSegment)
		if err := m.out.open(e, files[0], m.plan.level, m.pace.wrote); err != nil {
			return err
		}
	}
	m.kept += size
	next := uint64(0) // where the run goes on, once it has begun
	for _, s := range runs {
		if s.first == noAppend {
			continue
		}
		if next == 0 {
			if err := m.out.begin(s.run.Stream, s.first, s.run.JSON, size); err != nil {
				return err
			}
		} else if s.first != next {
			return &frame.CorruptError{Path: e.opts.Dir, Reason: fmt.Sprintf("the segments have stream %d up to %d and from %d on", s.run.Stream, next, s.first)}
		}
		if err := s.copyTo(m.out.writer, within); err != nil {
			return err
		}
		next = s.run.End
	}
	return nil
}

func (e *Engine) finishOutput(m *merge) error {
	info, opened, err := m.out.finish(e)
	if err != nil {
		return err
	}
	m.out = nil
	m.done = append(m.done, info)
	m.opened = append(m.opened, opened)
	return nil
}

// endRuns completes the last output and waits until it is durable that what was
// left out is gone.
func (e *Engine) endRuns(m *merge) error {
	if m.out != nil {
		if err := e.finishOutput(m); err != nil {
			return err
		}
	}
	m.next = func() (bool, error) { return e.commitMerge(m) }
	return nil
}

func (e *Engine) commitMerge(m *merge) (bool, error) {
	e.mu.Lock()
	b := e.batch(m.judged)
	e.mu.Unlock()
	if b != nil {
		if e.opts.Manual {
			return false, nil
		}
		<-b.Done()
		return true, b.Err()
	}
	commit := manifest.Commit{Act: m.act, Add: []manifest.Layer{{From: m.plan.from, To: m.plan.to, Segments: m.done}}}
	commit.Remove = m.plan.removes()
	if len(m.plan.inputs) == 1 && len(m.done) == 0 {
		commit.Add = nil // its layer stays, without them
	}
	if err := e.commit(commit, func() {}, m.opened...); err != nil {
		m.opened = nil // they are closed
		return false, err
	}
	e.endMerge(m)
	e.opts.Logger.Debug("merged", "level", m.plan.level, "segments", len(commit.Remove), "into", len(m.done),
		"bytes", m.plan.bytes, "kept", m.kept, "took", time.Since(m.began).Round(time.Millisecond))
	return false, e.sweepGarbage()
}

func (e *Engine) endMerge(m *merge) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.merge = nil
	e.unpin(m.version)
	for _, s := range m.sources {
		s.close()
	}
}

// stepMerge does the next step and reports whether there is more to do. Errors
// end the merge, and only those of the manifest the engine.
func (e *Engine) stepMerge() (more bool, err error) {
	m := e.merge
	more, err = m.next()
	if err == nil || e.merge == nil {
		return more, err
	}
	if err := e.giveUpMerge(m); err != nil {
		return false, err
	}
	if ce := new(frame.CorruptError); errors.As(err, &ce) {
		e.damaged(err)
		m.plan.blame(ce.Path)
	}
	return false, fmt.Errorf("engine: merge: %w", err)
}

// cancelMerge gives up the merge that is under way.
func (e *Engine) cancelMerge() error { return e.giveUpMerge(e.merge) }

func (e *Engine) giveUpMerge(m *merge) error {
	if m.out != nil {
		m.out.discard()
	}
	closeAll(m.opened)
	e.endMerge(m)
	if m.act == 0 {
		return nil
	}
	return e.abort(m.act)
}
