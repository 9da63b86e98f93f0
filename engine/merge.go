package engine

import (
	"errors"
	"fmt"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/segment"
)

// merge makes new segments of older ones: it brings the runs of each stream
// together and leaves out what no stream shows any more. It goes in steps, as a
// flush does. Until its one edit the old segments are live, from then on the
// new ones; readers that began before go on with the old.
type merge struct {
	plan    mergePlan // its inputs are held
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
	plan, ok := e.planMerge()
	if !ok {
		return false
	}
	m := &merge{plan: plan, began: time.Now(), pace: e.newPace()}
	for _, l := range plan.inputs {
		m.sources = append(m.sources, e.newRunSource(l))
	}
	m.next = func() (bool, error) { return true, e.openMerge(m) }
	e.merge = m
	e.meters.merging.begin()
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
// on. An input has several runs of a stream that is larger than a segment.
func (e *Engine) mergeRuns(m *merge, id uint64) (size int64, err error) {
	within, live := e.limitOf(m, stream.ID(id))
	if live {
		for _, s := range m.sources {
			if !s.ok || s.run.Stream != id {
				continue
			}
			n, err := s.bytesOf(id, within)
			if err != nil {
				return 0, err
			}
			size += n
		}
	}
	run := mergedRun{id: id, left: size}
	m.kept += size
	for _, s := range m.sources { // oldest first
		for s.ok && s.run.Stream == id {
			if size > 0 {
				if err := e.mergeRun(m, &run, s, within); err != nil {
					return 0, err
				}
			}
			if err := s.advance(); err != nil {
				return 0, err
			}
		}
	}
	return size, nil
}

// mergedRun is the run of a stream that is being written.
type mergedRun struct {
	id   uint64
	left int64          // bytes that have not begun
	next uint64         // where it goes on, once it has begun
	in   *outputSegment // where the last of it went, or nil
}

// mergeRun adds what is kept of a run to the one that it continues.
func (e *Engine) mergeRun(m *merge, run *mergedRun, from *runSource, within bounds) error {
	first, err := from.begin(within)
	switch {
	case err != nil || first == noAppend:
		return err
	case run.next != 0 && first != run.next:
		return &frame.CorruptError{Path: e.opts.Dir, Reason: fmt.Sprintf("the segments have stream %d up to %d and from %d on", run.id, run.next, first)}
	}
	run.next = from.run.End
	return from.copyTo(within, func(at uint64) (*segment.Writer, error) { return e.outputFor(m, run, from, at) })
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

// outputFor is what the next of a run goes into, which begins at an offset. A
// full segment ends there, also in the middle of a stream.
func (e *Engine) outputFor(m *merge, run *mergedRun, from *runSource, at uint64) (*segment.Writer, error) {
	if m.out != nil && m.out.writer.Bytes() >= e.opts.SegmentBytes {
		if run.in == m.out {
			var err error
			if run.left, err = m.out.writer.CutRun(); err != nil {
				return nil, err
			}
		}
		if err := e.finishOutput(m); err != nil {
			return nil, err
		}
	}
	if run.in != nil && run.in == m.out {
		return m.out.writer, nil
	}
	if m.out == nil {
		files, err := e.manifest.Extend(m.act, manifest.FileSegment)
		if err != nil {
			return nil, err
		}
		m.out = new(outputSegment)
		if err := m.out.open(e, files[0], m.plan.level, m.pace.wrote); err != nil {
			return nil, err
		}
		if run.in != nil || m.plan.divides(run.id) {
			m.out.start = at
		}
	}
	run.in = m.out
	return m.out.writer, m.out.begin(run.id, at, from.run.JSON, run.left)
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
	e.merged(m, len(commit.Remove))
	return false, e.sweepGarbage()
}

func (e *Engine) endMerge(m *merge) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.merge = nil
	e.meters.merging.end()
	for i := range m.plan.inputs {
		e.unhold(m.plan.inputs[i].segments...)
	}
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
	e.meters.mergeError.Inc()
	if ce := new(frame.CorruptError); errors.As(err, &ce) {
		e.damaged(err)
		m.plan.blame(ce.Path, e.clockMS.Load())
	} else if isOfBucket(err) {
		m.plan.blameFar(e.clockMS.Load())
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
