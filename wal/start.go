package wal

import (
	"fmt"

	"tailrace/internal/frame"
)

// start asks Prepare, if there is one, for the newest frame that is not needed.
func (o Options) start(s Store) (Place, error) {
	if o.Prepare == nil {
		return Place{}, nil
	}
	start, err := o.Prepare(s)
	if err != nil {
		return Place{}, fmt.Errorf("wal: prepare for the log of store %v: %w", s.ID, err)
	}
	return start, nil
}

// after is replay, which may be nil, for the frames after the start only. The
// frame at the start has to be where it was.
func (start Place) after(p paths, replay func(Replayed) error) func(Replayed) error {
	return func(r Replayed) error {
		switch {
		case r.Seq > start.Seq && replay != nil:
			return replay(r)
		case r.Seq == start.Seq && start.Pos != Pos{} && r.Pos != start.Pos:
			return &frame.CorruptError{Path: p.file(r.Pos.File), Offset: r.Pos.Offset,
				Reason: fmt.Sprintf("frame %d is here, and was at %v when its content was made durable elsewhere", r.Seq, start.Pos)}
		}
		return nil
	}
}

// reaches verifies that the log, whose first file this is, holds all frames
// after the start.
func (start Place) reaches(first *fileScan) error {
	if begin := first.header.FirstSeq; begin > start.Seq+1 {
		return first.corrupt(56, fmt.Sprintf("the log begins with frame %d, and is needed from frame %d on", begin, start.Seq+1))
	}
	return nil
}

// covered verifies that the log, whose last file this is, does not end before
// the start. The frame there was durable: without it, the end of the log is no
// torn tail.
func (start Place) covered(p paths, s survey, last *fileScan) error {
	switch {
	case last == nil && start.Seq > 0:
		return &frame.CorruptError{Path: p.file(s.store.First), Reason: fmt.Sprintf("log file is missing: the log went up to frame %d", start.Seq)}
	case last != nil && last.seq < start.Seq:
		reason := last.invalid
		if reason == "" {
			reason = "the file is sealed"
		}
		return last.corrupt(last.pos, fmt.Sprintf("the log ends with frame %d, and went up to frame %d: %s", last.seq, start.Seq, reason))
	}
	return nil
}
