package engine

import (
	"fmt"

	"tailrace/internal/frame"
	"tailrace/internal/stream"
	"tailrace/segment"
	"tailrace/wal"
)

// Report is what Check found in a store without fault.
type Report struct {
	wal.Report
	Streams  int
	Appends  int // in the log alone
	Layers   int
	Segments int
	Remote   int    // of them: whose blocks are only in the bucket, where they are not looked at
	Runs     uint64 // of streams, in segments
	Dead     uint64 // of them: of streams that are gone
	Raw      int64  // bytes of the appends in segments
	Stored   int64  // what the segments take on the disk
}

// Check reads a store and verifies every checksum, every record, and that what
// the parts say of each other is true, without changing anything. The error
// names the place of the first fault. A store that is not there is an error
// too: there is nothing to vouch for.
func Check(o Options) (Report, error) {
	o = o.withDefaults()
	if err := refuseMarked(o.FS, o.Dir, unfinishedName, restoringName); err != nil {
		return Report{}, err
	}
	if err := checkMarker(o.FS, o.Dir); err != nil {
		return Report{}, fmt.Errorf("engine: check %s: %w", o.Dir, err)
	}
	return checkStore(o)
}

func checkStore(o Options) (Report, error) {
	o.Tier = nil // the disk alone: AuditBucket looks at the rest
	o.offline = true
	e := newEngine(o)
	defer e.closeSegments()
	found, err := wal.VerifyReplay(o.FS, o.Dir, e.load, e.replay)
	if err != nil {
		return Report{}, fmt.Errorf("engine: check %s: %w", o.Dir, err)
	}
	if found.Empty && e.durable == 0 { // what a bucket gave back has no log yet
		return Report{}, fmt.Errorf("engine: check %s: there is no store", o.Dir)
	}
	r := Report{Report: found, Streams: e.table.Len(), Appends: e.appends}
	if e.version != nil {
		err = e.checkSegments(&r)
	}
	if err != nil {
		return Report{}, fmt.Errorf("engine: check %s: %w", o.Dir, err)
	}
	return r, nil
}

// checkSegments verifies the segments, and that the runs of each stream follow
// each other without gap or overlap from its base to where the log goes on. Below
// the floor anything may be missing.
func (e *Engine) checkSegments(r *Report) error {
	next := make(map[uint64]uint64) // stream → end of its runs so far
	r.Layers = len(e.version.layers)
	for i := range e.version.layers {
		for _, s := range e.version.layers[i].segments {
			if s.far == nil {
				if _, err := segment.Verify(s.path, s.file, s.info.Bytes); err != nil {
					return err
				}
			} else {
				r.Remote++
			}
			r.Segments++
			r.Raw += s.info.RawBytes
			r.Stored += s.info.Bytes
			for run, err := range s.reader.Runs {
				if err != nil {
					return err
				}
				r.Runs++
				if err := e.checkRun(s, &run, next, r); err != nil {
					return err
				}
			}
		}
	}
	for s := range e.table.All {
		end, ok := next[uint64(s.ID)]
		if !ok {
			end = uint64(s.Base())
		}
		if want := uint64(storedOf(s)); end != want && want > e.floorOf(s) && !s.Gone {
			return &frame.CorruptError{Path: e.opts.Dir, Reason: fmt.Sprintf("the segments have stream %d up to %d, the log goes on at %d", s.ID, end, want)}
		}
	}
	return nil
}

func (e *Engine) checkRun(in *segmentFile, run *segment.Run, next map[uint64]uint64, r *Report) error {
	corrupt := func(format string, args ...any) error {
		return &frame.CorruptError{Path: in.path, Reason: fmt.Sprintf(format, args...)}
	}
	s := e.table.ByID(stream.ID(run.Stream))
	if s == nil {
		r.Dead++
		if run.Stream > uint64(e.table.LastID()) {
			return corrupt("run of stream %d, which there never was", run.Stream)
		}
		return nil
	}
	want, ok := next[run.Stream]
	if !ok {
		want = uint64(s.Base())
	}
	switch {
	case run.JSON != s.JSON:
		return corrupt("run of stream %d: JSON is %t, of the stream %t", run.Stream, run.JSON, s.JSON)
	// Of a stream that only its forks read, a merge may have dropped the end.
	case run.Start != want && (!s.Gone && run.Start > e.floorOf(s) || run.Start < want):
		return corrupt("run of stream %d begins at %d instead of %d", run.Stream, run.Start, want)
	case run.End > uint64(storedOf(s)):
		return corrupt("run of stream %d ends at %d, beyond %d, where the log goes on", run.Stream, run.End, storedOf(s))
	}
	next[run.Stream] = run.End
	return nil
}
