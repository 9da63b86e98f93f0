package manifest

import (
	"errors"
	"fmt"
)

// check tells what is wrong with a layer by itself.
func (l Layer) check() error {
	if l.From >= l.To {
		return refused("layer of batches %d to %d", l.From, l.To)
	}
	for i, seg := range l.Segments {
		switch {
		case seg.FirstStream > seg.LastStream:
			return refused("segment %d of streams %d to %d", seg.ID, seg.FirstStream, seg.LastStream)
		case i > 0 && seg.FirstStream <= l.Segments[i-1].LastStream:
			return refused("segments %d and %d of one layer overlap, or are not in order", l.Segments[i-1].ID, seg.ID)
		case seg.Bytes < 0 || seg.RawBytes < 0 || seg.Created < 0:
			return refused("segment %d has a negative number", seg.ID)
		}
	}
	return nil
}

func (c Checkpoint) check() error {
	if c.WALOffset < 0 || c.At < 0 {
		return refused("the checkpoint has a negative number")
	}
	return nil
}

// validate checks everything that edits keep true. A state that was read has
// been made by nobody known.
func (s *State) validate() error {
	seen := map[uint64]struct{}{}
	var errs []error
	use := func(what string, id uint64) {
		if _, twice := seen[id]; twice {
			errs = append(errs, fmt.Errorf("id %d of a %s is used twice", id, what))
		}
		if id == 0 || id >= s.NextID {
			errs = append(errs, fmt.Errorf("id %d of a %s was never given", id, what))
		}
		seen[id] = struct{}{}
	}
	growing := func(what string, before *uint64, id uint64) {
		if id <= *before {
			errs = append(errs, fmt.Errorf("%s are not in order of ids", what))
		}
		*before = id
	}

	if s.NextID == 0 {
		errs = append(errs, errors.New("no id is left"))
	}
	end := uint64(0)
	for _, l := range s.Layers {
		if l.From != end {
			errs = append(errs, fmt.Errorf("layer begins at batch %d instead of %d", l.From, end))
		}
		end = l.To
		errs = append(errs, l.check())
		for _, seg := range l.Segments {
			use("segment", seg.ID)
		}
	}
	if end > s.Checkpoint.Batch {
		errs = append(errs, fmt.Errorf("layers end at batch %d, beyond the checkpoint", end))
	}
	errs = append(errs, s.Checkpoint.check())
	for _, f := range s.Checkpoint.files() {
		use("checkpoint", f.ID)
	}
	act := uint64(0)
	for _, a := range s.Acts {
		use("act", a.ID)
		growing("acts", &act, a.ID)
		if !a.Kind.valid() || a.Kind == ActBackup && len(a.Outputs) > 0 {
			errs = append(errs, fmt.Errorf("act of %v with %d outputs", a.Kind, len(a.Outputs)))
		}
		output := a.ID
		for _, f := range a.Outputs {
			use("output", f.ID)
			growing("outputs", &output, f.ID)
		}
	}
	garbage := uint64(0)
	for _, f := range s.Garbage {
		use("garbage file", f.ID)
		growing("garbage files", &garbage, f.ID)
	}
	if s.Clean != 0 && s.Clean < s.Checkpoint.Seq {
		errs = append(errs, errors.New("the log was closed before the checkpoint"))
	}
	return errors.Join(errs...)
}
