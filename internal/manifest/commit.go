package manifest

import "slices"

// commit is a Commit while it is applied.
type commit struct {
	*State
	outputs map[uint64]FileKind // of the act, those that nothing refers to yet
}

func (e Commit) apply(s *State) error {
	i, ok := s.findAct(e.Act)
	if !ok {
		return refused("no act %d is open", e.Act)
	}
	act := s.Acts[i]
	if act.Kind == ActBackup && (len(e.Remove) > 0 || len(e.Add) > 0 || e.Checkpoint != nil) {
		return refused("a backup changes nothing")
	}
	c := commit{s, make(map[uint64]FileKind, len(act.Outputs))}
	for _, f := range act.Outputs {
		c.outputs[f.ID] = f.Kind
	}
	if err := c.remove(e.Remove); err != nil {
		return err
	}
	for _, l := range e.Add {
		if err := c.add(l); err != nil {
			return err
		}
	}
	if e.Checkpoint != nil {
		if err := c.move(*e.Checkpoint); err != nil {
			return err
		}
	}
	if s.End() > s.Checkpoint.Batch {
		return refused("a layer ends at batch %d, beyond the checkpoint at %d", s.End(), s.Checkpoint.Batch)
	}
	for id, kind := range c.outputs {
		s.Garbage = append(s.Garbage, File{id, kind})
	}
	s.discard() // sorts: the order of a map must not show
	s.Acts = slices.Delete(s.Acts, i, i+1)
	return nil
}

// remove takes segments out of their layers.
func (c commit) remove(ids []uint64) error {
	for i, id := range ids {
		if i > 0 && id <= ids[i-1] {
			return refused("segment %d after %d", id, ids[i-1])
		}
	}
	gone := make([]bool, len(ids))
	for i := range c.Layers {
		l := &c.Layers[i]
		var rest []Segment
		for j, seg := range l.Segments {
			k, hit := slices.BinarySearch(ids, seg.ID)
			switch {
			case hit:
				if rest == nil {
					rest = append(make([]Segment, 0, len(l.Segments)), l.Segments[:j]...)
				}
				gone[k] = true
				c.Garbage = append(c.Garbage, seg.OnDisk())
				if seg.Place != PlaceLocal {
					c.Tier.doom(seg.Object(), 0)
				}
			case rest != nil:
				rest = append(rest, seg)
			}
		}
		if rest != nil {
			l.Segments = rest
		}
	}
	if i := slices.Index(gone, false); i >= 0 {
		return refused("segment %d is not live", ids[i])
	}
	return nil
}

// add puts new segments in their place.
func (c commit) add(l Layer) error {
	for _, seg := range l.Segments {
		if err := c.use(seg.File()); err != nil {
			return err
		}
		if seg.Place != PlaceLocal || seg.CRC != 0 || seg.Index != 0 {
			return refused("segment %d is new and %v", seg.ID, seg.Place)
		}
	}
	if l.From == c.End() {
		if err := l.check(); err != nil {
			return err
		}
		l.Segments = slices.Clone(l.Segments)
		c.Layers = append(c.Layers, l)
		return nil
	}
	first := slices.IndexFunc(c.Layers, func(old Layer) bool { return old.From == l.From })
	last := slices.IndexFunc(c.Layers, func(old Layer) bool { return old.To == l.To })
	switch {
	case first < 0 || last < first:
		return refused("layer of batches %d to %d fits in nowhere", l.From, l.To)
	case first == last && len(l.Segments) == 0:
		return refused("layer of batches %d to %d is there already", l.From, l.To)
	case first == last:
		l.Segments = slices.Concat(c.Layers[first].Segments, l.Segments)
		slices.SortFunc(l.Segments, func(a, b Segment) int {
			if c := compare(a.FirstStream, b.FirstStream); c != 0 {
				return c
			}
			return compare(a.Start, b.Start)
		})
	default:
		for _, old := range c.Layers[first : last+1] {
			if len(old.Segments) > 0 {
				return refused("layer of batches %d to %d still has segments", old.From, old.To)
			}
		}
	}
	if err := l.check(); err != nil {
		return err
	}
	c.Layers = slices.Replace(c.Layers, first, last+1, l)
	return nil
}

// use makes an output live.
func (c commit) use(f File) error {
	if kind, ok := c.outputs[f.ID]; !ok || kind != f.Kind {
		return refused("%v is no free output of the act", f)
	}
	delete(c.outputs, f.ID)
	return nil
}

// move sets the checkpoint.
func (c commit) move(to Checkpoint) error {
	old := c.Checkpoint
	if to.Batch < old.Batch || to.Seq < old.Seq || to.LastStream < old.LastStream ||
		to.WALFile < old.WALFile || to.WALFile == old.WALFile && to.WALOffset < old.WALOffset {
		return refused("the checkpoint goes back")
	}
	before := old.files()
	for _, f := range to.files() {
		if i := slices.Index(before, f); i >= 0 {
			before = slices.Delete(before, i, i+1)
		} else if err := c.use(f); err != nil {
			return err
		}
	}
	to.Deltas = slices.Clone(to.Deltas)
	c.Checkpoint = to
	if err := to.check(); err != nil {
		return err
	}
	c.discard(before...)
	return nil
}
