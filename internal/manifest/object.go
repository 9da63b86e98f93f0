package manifest

import (
	"fmt"
	"slices"
)

// Place says where the bytes of a segment are.
type Place uint8

const (
	PlaceLocal   Place = 0 // in its file
	PlaceSending Place = 1 // in its file; the object may be there, whole or not at all
	PlaceBoth    Place = 2 // in its file and in its object
	PlaceRemote  Place = 3 // in its object; the disk has the end of it, see Segment.Index
)

func (p Place) String() string {
	switch p {
	case PlaceLocal:
		return "local"
	case PlaceSending:
		return "sending"
	case PlaceBoth:
		return "both"
	case PlaceRemote:
		return "remote"
	}
	return fmt.Sprintf("place %d", uint8(p))
}

// Tier is what the store has in a bucket, beside its segments. The zero value is
// a store that never had one.
type Tier struct {
	// Owner is what this directory calls itself in the bucket, so that of two
	// directories of one store one notices the other. All zeros: no bucket yet.
	Owner [16]byte

	// Objects are files of checkpoints and published states, in the bucket or on
	// their way to it; by id.
	Objects []Object

	// Published is the object of kind FileState that the bucket's head names; 0:
	// none. It and the objects it refers to are enough to restore the store.
	Published uint64

	// Doomed are objects that nothing here refers to any more, by id.
	Doomed []Doomed
}

// Object is an immutable object of the bucket. Its name follows from all of it,
// so that one name never has two contents.
type Object struct {
	File
	Bytes int64
	CRC   uint32 // CRC-32C of all bytes
	Sent  bool   // it is in the bucket, whole
}

// Doomed is an object that is to be deleted.
type Doomed struct {
	Object
	// NotBefore is the earliest time to delete it, unix milliseconds. 0: the
	// published state may still refer to it.
	NotBefore int64
}

func (t *Tier) zero() bool {
	return t.Owner == [16]byte{} && len(t.Objects) == 0 && t.Published == 0 && len(t.Doomed) == 0
}

// Object is the object of the segment, if its place has one.
func (s Segment) Object() Object {
	return Object{File: s.File(), Bytes: s.Bytes, CRC: s.CRC, Sent: s.Place >= PlaceBoth}
}

// OnDisk is the file that the disk has of the segment.
func (s Segment) OnDisk() File {
	if s.Place == PlaceRemote {
		return File{s.Index, FileIndex}
	}
	return s.File()
}

// Detached is the state of a copy of the store that has all live files on its own
// disk, and no bucket.
func (s State) Detached() State {
	s.Tier, s.Garbage, s.Acts = Tier{}, nil, nil
	s.Layers = slices.Clone(s.Layers)
	for i := range s.Layers {
		l := &s.Layers[i]
		l.Segments = slices.Clone(l.Segments)
		for j := range l.Segments {
			seg := &l.Segments[j]
			seg.Place, seg.CRC, seg.Index = PlaceLocal, 0, 0
		}
	}
	return s
}

// findObject is where an object is among those of the tier, or would be.
func (t *Tier) findObject(id uint64) (int, bool) {
	return slices.BinarySearchFunc(t.Objects, id, func(o Object, id uint64) int { return compare(o.ID, id) })
}

func (t *Tier) findDoomed(id uint64) (int, bool) {
	return slices.BinarySearchFunc(t.Doomed, id, func(d Doomed, id uint64) int { return compare(d.ID, id) })
}

// doom notes that nothing refers to an object any more.
func (t *Tier) doom(o Object, notBefore int64) {
	i, _ := t.findDoomed(o.ID)
	t.Doomed = slices.Insert(t.Doomed, i, Doomed{o, notBefore})
}

// Find is the live segment of that id.
func (s *State) Find(id uint64) (Segment, bool) {
	if i, j, ok := s.find(id); ok {
		return s.Layers[i].Segments[j], true
	}
	return Segment{}, false
}

func (s *State) find(id uint64) (layer, at int, ok bool) {
	for i := range s.Layers {
		for j := range s.Layers[i].Segments {
			if s.Layers[i].Segments[j].ID == id {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// change changes a segment in place of its layer, which may be shared.
func (s *State) change(layer, at int, f func(*Segment)) {
	l := &s.Layers[layer]
	l.Segments = slices.Clone(l.Segments)
	f(&l.Segments[at])
}
