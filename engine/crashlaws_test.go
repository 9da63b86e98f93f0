package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"tailrace/internal/manifest"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
)

// checkDisk lets Check look at the disk as it is. It must find no fault and
// change nothing.
func (r *crashes) checkDisk(when string) error {
	r.tally.checks.Add(1)
	before := r.disk.Snapshot()
	empty := len(before) == 0
	_, err := Check(r.options(r.disk))
	if err != nil && !empty && before["store/STORE"] != nil {
		return fmt.Errorf("%w: check %s: %w", errLaw, when, err)
	}
	after := r.disk.Snapshot()
	delete(before, "store/LOCK")
	delete(after, "store/LOCK")
	if !maps.EqualFunc(before, after, bytes.Equal) {
		return fmt.Errorf("%w: check %s changed the store", errLaw, when)
	}
	return nil
}

// check compares a store that was just opened with the records.
func (r *crashes) check(e *Engine) error {
	staged := uint64(len(r.oracle.batches) - 1)
	if e.durable < r.acked || e.durable > staged {
		return fmt.Errorf("%w: %d batches recovered, %d acknowledged, %d staged", errLaw, e.durable, r.acked, staged)
	}
	if err := r.same(e); err != nil {
		return err
	}
	if err := r.onlyLiveFiles(e); err != nil {
		return err
	}
	// What was recovered is from now on what everybody sees.
	r.oracle.cut(e.durable)
	r.acked = e.durable
	for path, was := range r.shown {
		s := e.table.Lookup(path)
		if s == nil || s.ID != was.id {
			continue // deleted or expired later; the records say so
		}
		if s.Tail < was.tail || was.closed && !s.Closed {
			return fmt.Errorf("%w: %s was shown with tail %d (closed %t), now %d (closed %t)", errLaw, path, was.tail, was.closed, s.Tail, s.Closed)
		}
	}
	r.shown = map[string]shown{}
	return nil
}

// onlyLiveFiles: a store that was opened with room on the disk has the files
// that the manifest lists, and no others.
func (r *crashes) onlyLiveFiles(e *Engine) error {
	if r.full || r.faults.Stopped() {
		return nil
	}
	state := e.manifest.State()
	var want, got []string
	for _, f := range state.Live() {
		want = append(want, f.Path())
	}
	for _, dir := range []string{manifest.SegmentDir, manifest.MetaDir} {
		names, err := e.opts.FS.ReadDir(path.Join(e.opts.Dir, dir))
		if err != nil {
			return err
		}
		for _, name := range names {
			got = append(got, dir+"/"+name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%w: files %q, the manifest has %q", errLaw, got, want)
	}
	return nil
}

// compare commits what is staged and compares the store with the records.
func (r *crashes) compare(e *Engine) error {
	r.settle(e)
	if e.Err() != nil {
		return nil
	}
	err := r.same(e)
	if errors.Is(err, faultfs.ErrStopped) || r.faults.Stopped() && errors.Is(err, errInjected) {
		return nil // power is lost already
	}
	return err
}

// same compares the store with the records that are durable.
func (r *crashes) same(e *Engine) error {
	want, err := r.oracle.state(e.durable)
	if err != nil {
		return err
	}
	var got bytes.Buffer
	if err := dump(e, &got); err != nil {
		return err
	}
	if got.String() != want {
		return fmt.Errorf("%w: after %d batches\ngot:\n%s\nwant:\n%s", errLaw, e.durable, got.String(), want)
	}
	return nil
}

// retry sends again what producers got no answer for: each request must land
// exactly once.
func (r *crashes) retry(e *Engine) error {
	for _, again := range r.retries {
		for range 3 {
			t := e.Append(&again)
			if t.Retry {
				e.Commit()
				continue
			}
			if t.Code == stream.Appended {
				if dup := e.Append(&again); !dup.Retry && dup.Code != stream.Duplicate {
					return fmt.Errorf("%w: a repeated request of producer %s seq %d is %s", errLaw, again.Producer.ID, again.Producer.Seq, dup.Code)
				}
			}
			break
		}
	}
	return nil
}
