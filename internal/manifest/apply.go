package manifest

import (
	"math"
	"slices"
)

// The methods of this file write into the slices of the state only where clone
// copied them. What is inside layers and acts may be shared with older states
// and is replaced.

func (e Begin) apply(s *State) error {
	switch {
	case !e.Kind.valid():
		return refused("act of %v", e.Kind)
	case e.Kind == ActBackup && len(e.Outputs) > 0:
		return refused("a backup has no outputs")
	}
	if err := s.take(e.Act); err != nil {
		return err
	}
	if err := s.takeAll(e.Outputs); err != nil {
		return err
	}
	s.Acts = append(s.Acts, Act{e.Act, e.Kind, slices.Clone(e.Outputs)})
	return nil
}

func (e Extend) apply(s *State) error {
	i, ok := s.findAct(e.Act)
	switch {
	case !ok:
		return refused("no act %d is open", e.Act)
	case s.Acts[i].Kind == ActBackup:
		return refused("a backup has no outputs")
	case len(e.Outputs) == 0:
		return refused("no outputs")
	}
	if err := s.takeAll(e.Outputs); err != nil {
		return err
	}
	s.Acts[i].Outputs = slices.Concat(s.Acts[i].Outputs, e.Outputs)
	return nil
}

// take uses the next id.
func (s *State) take(id uint64) error {
	if id != s.NextID || id == math.MaxUint64 {
		return refused("id %d instead of %d", id, s.NextID)
	}
	s.NextID++
	return nil
}

func (s *State) takeAll(files []File) error {
	for _, f := range files {
		if !f.Kind.valid() {
			return refused("file of %v", f.Kind)
		}
		if err := s.take(f.ID); err != nil {
			return err
		}
	}
	return nil
}

func (e Abort) apply(s *State) error {
	i, ok := s.findAct(e.Act)
	if !ok {
		return refused("no act %d is open", e.Act)
	}
	s.discard(s.Acts[i].Outputs...)
	s.Acts = slices.Delete(s.Acts, i, i+1)
	return nil
}

// discard makes files garbage.
func (s *State) discard(files ...File) {
	s.Garbage = append(s.Garbage, files...)
	slices.SortFunc(s.Garbage, func(a, b File) int { return compare(a.ID, b.ID) })
}

func (e Removed) apply(s *State) error {
	if len(e.Files) == 0 {
		return refused("no files")
	}
	for i, f := range e.Files {
		if i > 0 && f.ID <= e.Files[i-1].ID {
			return refused("%v after %v", f, e.Files[i-1])
		}
		if s.Pinned(f) {
			return refused("%v is pinned by a backup", f)
		}
	}
	// Both lists are sorted: one pass over the garbage finds all.
	gone := 0
	s.Garbage = slices.DeleteFunc(s.Garbage, func(f File) bool {
		hit := gone < len(e.Files) && e.Files[gone] == f
		if hit {
			gone++
		}
		return hit
	})
	if gone < len(e.Files) {
		return refused("%v is not garbage", e.Files[gone])
	}
	return nil
}

func (shut) apply(*State) error { return nil }
