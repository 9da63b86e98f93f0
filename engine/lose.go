package engine

import (
	"errors"
	"fmt"
	"path"
	"time"

	"tailrace/internal/stream"
)

// LoseStreamsIn deletes the streams that may miss something because a segment,
// given by the path of its file, is damaged, and makes a new segment of the rest
// of it: what verifies of other streams is kept. It returns the paths of the
// streams that are gone. Forks that show nothing of the damage stay.
//
// A store with other damage is refused, and so is a segment whose index does not
// tell what is lost, or that the bucket has too; nothing is changed then.
func LoseStreamsIn(o Options, segmentPath string) (lost []string, after Report, err error) {
	o = o.withDefaults()
	if lost, after, err = loseStreamsIn(o, path.Clean(segmentPath)); err != nil {
		return lost, after, fmt.Errorf("engine: drop what is lost of %s: %w", o.Dir, err)
	}
	return lost, after, nil
}

func loseStreamsIn(o Options, segmentPath string) (lost []string, after Report, err error) {
	if err := refuseMarked(o.FS, o.Dir, backupName, unfinishedName, restoringName); err != nil {
		return nil, Report{}, err
	}
	store, err := readStore(o.FS, o.Dir)
	if err != nil {
		return nil, Report{}, err
	}
	switch _, err := checkAlone(o); {
	case err == nil:
		return nil, Report{}, errors.New("there is no fault in it")
	case errors.Is(err, errInUse):
		return nil, Report{}, err
	}
	faults := diagnose(o, store)
	for i := range faults {
		if f := &faults[i]; f.Bucket && path.Clean(f.Path) == segmentPath {
			return nil, Report{}, fmt.Errorf("%s: %w", segmentPath, errBucketHasIt)
		}
	}
	if len(faults) != 1 || faults[0].segment == 0 || path.Clean(faults[0].Path) != segmentPath {
		if len(faults) == 0 {
			return nil, Report{}, errors.New("its fault is in no segment")
		}
		return nil, Report{}, fmt.Errorf("%s is not all that is damaged, or does not tell what is lost: %w", segmentPath, &DamageError{Faults: faults})
	}
	o.Manual, o.offline, o.Tier = true, true, nil
	e, err := Open(o)
	if err != nil {
		return nil, Report{}, err
	}
	err = e.dropStreams(faults[0].Streams)
	if err == nil {
		err = e.rewriteSegment(faults[0].segment)
	}
	if err = errors.Join(err, e.Close()); err != nil {
		return nil, Report{}, err
	}
	after, err = Check(o)
	return faults[0].Streams, after, err
}

// dropStreams deletes streams, durably.
func (e *Engine) dropStreams(paths []string) error {
	for _, name := range paths {
		for {
			t := e.Delete(name)
			for more := true; more; {
				var err error
				if more, err = e.Commit(); err != nil {
					return err
				}
			}
			if t.Retry {
				continue
			}
			if err := t.Err(); err != nil {
				return err
			}
			// One that its lifetime ended at this very moment is gone as well.
			if t.Code != stream.Deleted && t.Code != stream.NotFound {
				return fmt.Errorf("delete stream %s: %v", name, t.Code)
			}
			break
		}
	}
	return nil
}

// rewriteSegment merges one segment with nothing, which leaves out what no
// stream shows.
func (e *Engine) rewriteSegment(id uint64) error {
	m := &merge{began: time.Now(), pace: e.newPace()}
	e.mu.Lock()
	for _, l := range e.version.layers {
		for _, s := range l.segments {
			if s.info.ID == id {
				level := l.level()
				l.segments = []*segmentFile{s}
				e.hold(s)
				m.plan = planOf([]layer{l}, level)
				m.sources = append(m.sources, e.newRunSource(l))
				break
			}
		}
	}
	e.mu.Unlock()
	m.next = func() (bool, error) { return true, e.openMerge(m) }
	e.merge = m
	for {
		more, err := e.stepMerge()
		if err != nil {
			return err
		}
		if !more {
			return e.sweepGarbage()
		}
	}
}
