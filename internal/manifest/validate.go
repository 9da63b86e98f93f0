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
		case i > 0 && !seg.follows(l.Segments[i-1]):
			return refused("segments %d and %d of one layer overlap, or are not in order", l.Segments[i-1].ID, seg.ID)
		case seg.Bytes < 0 || seg.RawBytes < 0 || seg.Created < 0:
			return refused("segment %d has a negative number", seg.ID)
		}
	}
	return nil
}

// follows tells that a segment may come after another of its layer: it has later
// streams, or goes on with the last stream of the other.
func (s Segment) follows(before Segment) bool {
	if s.FirstStream != before.LastStream || s.Start == 0 {
		return s.FirstStream > before.LastStream
	}
	return before.FirstStream < before.LastStream || before.Start < s.Start
}

// checkPlace tells what is wrong with where a segment is.
func (s Segment) checkPlace() error {
	switch {
	case s.Place > PlaceRemote:
		return refused("segment %d is at %v", s.ID, s.Place)
	case s.Place == PlaceLocal && s.CRC != 0, (s.Place == PlaceRemote) != (s.Index != 0):
		return refused("segment %d is %v, with checksum %08x and index %d", s.ID, s.Place, s.CRC, s.Index)
	}
	return nil
}

// check tells what is wrong with what the store has in the bucket.
func (t *Tier) check(next uint64, segments map[uint64]struct{}) error {
	id := uint64(0)
	published := t.Published == 0
	for _, o := range t.Objects {
		if o.ID <= id || o.ID >= next || o.Bytes <= 0 || o.Kind != FileSnapshot && o.Kind != FileDelta && o.Kind != FileState {
			return refused("object %v of %d bytes", o.File, o.Bytes)
		}
		id = o.ID
		published = published || o.ID == t.Published && o.Kind == FileState && o.Sent
	}
	id = 0
	for _, d := range t.Doomed {
		_, object := t.findObject(d.ID)
		_, live := segments[d.ID]
		if d.ID <= id || d.ID >= next || d.Bytes <= 0 || d.NotBefore < 0 || d.Kind == FileIndex || object || live && d.Kind == FileSegment {
			return refused("doomed object %v of %d bytes, not before %d", d.File, d.Bytes, d.NotBefore)
		}
		id = d.ID
	}
	switch {
	case !published:
		return refused("the published state %d is not in the bucket", t.Published)
	case t.Owner == [16]byte{} && !t.zero():
		return refused("objects without an owner")
	}
	return nil
}

func (c Checkpoint) check() error {
	if c.WALOffset < 0 || c.At < 0 {
		return refused("the checkpoint has a negative number")
	}
	return nil
}

// remote tells that a live segment is only in the bucket.
func (s *State) remote(id uint64) bool {
	seg, ok := s.Find(id)
	return ok && seg.Place == PlaceRemote
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
	segments := map[uint64]struct{}{}
	for _, l := range s.Layers {
		if l.From != end {
			errs = append(errs, fmt.Errorf("layer begins at batch %d instead of %d", l.From, end))
		}
		end = l.To
		errs = append(errs, l.check())
		for _, seg := range l.Segments {
			use("segment", seg.ID)
			segments[seg.ID] = struct{}{}
			errs = append(errs, seg.checkPlace())
			if seg.Index != 0 {
				use("index", seg.Index)
			}
			if seg.Place != PlaceLocal && s.Tier.Owner == [16]byte{} {
				errs = append(errs, fmt.Errorf("segment %d is %v, and nobody owns a bucket", seg.ID, seg.Place))
			}
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
	errs = append(errs, s.Tier.check(s.NextID, segments))
	for _, f := range s.Garbage {
		if _, ok := segments[f.ID]; ok && f.Kind == FileSegment && s.remote(f.ID) {
			delete(seen, f.ID) // its file is on its way out, and it stays
		}
		use("garbage file", f.ID)
		growing("garbage files", &garbage, f.ID)
	}
	return errors.Join(errs...)
}
