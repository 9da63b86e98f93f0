package engine

import (
	"errors"
	"io"
	"time"

	"tailrace/segment"
)

// Bounds of how often the scrubber looks for a segment that is due.
const (
	scrubLookMin = time.Second
	scrubLookMax = time.Minute
)

// scrubber reads every segment once in Options.ScrubEvery, so that damage shows
// while there still is a backup without it, and not when somebody reads.
func (e *Engine) scrubber() {
	tick := time.NewTicker(min(scrubLookMax, max(scrubLookMin, e.opts.ScrubEvery/8)))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.stop:
			return
		}
		for e.scrub() {
		}
	}
}

// scrub verifies the segment that waits longest for it, and reports whether
// there was one. It is a step of a Manual engine.
//
// When a segment was read last is not kept across restarts: then its age counts.
func (e *Engine) scrub() bool {
	began := time.Now()
	s, err := e.verifyOnDisk()
	if s == nil || errors.Is(err, errScrubEnds) {
		return false
	}
	if e.tier != nil {
		e.scrubObject(s, err)
	}
	e.mu.Lock()
	e.scrubbed[s.info.ID] = e.now()
	e.mu.Unlock()
	if err != nil {
		e.meters.scrubDamaged.Inc()
		e.damaged(err)
	} else {
		e.verified(s, began)
	}
	return true
}

// verifyOnDisk verifies what the disk has of the segment that waits longest for
// it, or gives nil if none is due. The segment is held no longer than that: what
// comes after needs no file, and may wait long for the tierer.
func (e *Engine) verifyOnDisk() (*segmentFile, error) {
	e.mu.Lock()
	s, since := e.oldestUnread()
	if s == nil || e.now()-since < e.opts.ScrubEvery.Milliseconds() || e.stopping() {
		e.mu.Unlock()
		return nil, nil
	}
	e.hold(s)
	e.mu.Unlock()
	defer e.unholdSegment(s)
	defer e.meters.scrubbing.begin()()
	r := &scrubReader{engine: e, from: s.file, began: time.Now()}
	if s.far != nil {
		r.from = &farReader{far: s.far} // its blocks are the bucket's to keep
		return s, verifyEnds(s.path, r, s.info.Bytes)
	}
	_, err := segment.Verify(s.path, r, s.info.Bytes)
	return s, err
}

// oldestUnread is the segment that was not read for the longest time, and since
// when. Engine.mu is held.
func (e *Engine) oldestUnread() (oldest *segmentFile, since int64) {
	known := make(map[uint64]int64)
	for i := range e.version.layers {
		for _, s := range e.version.layers[i].segments {
			at := s.info.Created
			if read, ok := e.scrubbed[s.info.ID]; ok {
				known[s.info.ID] = read
				at = read
			}
			if oldest == nil || at < since {
				oldest, since = s, at
			}
		}
	}
	e.scrubbed = known // without segments that are gone
	e.meters.scrubSince.Store(since)
	return oldest, since
}

// errScrubEnds stops the reading of a segment when the engine is closed. It
// says nothing about the segment.
var errScrubEnds = errors.New("engine: scrub ends")

// scrubReader reads at no more than Options.ScrubRate.
type scrubReader struct {
	engine *Engine
	from   io.ReaderAt
	began  time.Time
	bytes  int64
}

// ReadAt implements io.ReaderAt. A Manual engine does not rest.
func (r *scrubReader) ReadAt(p []byte, off int64) (int, error) {
	e := r.engine
	if e.stopping() {
		return 0, errScrubEnds
	}
	n, err := r.from.ReadAt(p, off)
	r.bytes += int64(n)
	e.meters.scrubBytes.Add(n)
	if e.opts.Manual {
		return n, err
	}
	ahead := time.Duration(float64(r.bytes)/float64(e.opts.ScrubRate)*float64(time.Second)) - time.Since(r.began)
	if ahead < scrubRestMin {
		return n, err
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return n, err
	case <-e.stop:
		return 0, errScrubEnds
	}
}

// scrubRestMin keeps the scrubber from resting for each block by itself.
const scrubRestMin = 10 * time.Millisecond
