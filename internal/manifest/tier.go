package manifest

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Claim gives the directory its name in the bucket, before it is used there.
type Claim struct{ Owner [16]byte }

// Send announces an object, before anything is sent. Of a segment it is one that
// is live, which is sent for the first time or again; of a checkpoint, one of its
// files. An object of kind FileState has the NextID of the state.
type Send struct{ Object Object }

// Sent says that an object is in the bucket and was verified there.
type Sent struct{ ID uint64 }

// Publish says that the bucket's head names a state. Of the objects that are no
// segments, those that it does not refer to are doomed.
type Publish struct {
	ID   uint64   // of the state
	Keep []uint64 // objects that it refers to, ids growing

	// Doomed are objects that were doomed already, and that the state does not
	// refer to: ids growing. They and those that are doomed now may be deleted
	// from NotBefore on, unix milliseconds.
	Doomed    []uint64
	NotBefore int64
}

// Evict ends an act: what the disk has of segments that the bucket has gives way
// to the ends of them, which the act made. That is the whole file of a segment, or
// the file of its ends if it left the disk before: those can rot too, and the
// bucket gives them again. The caller has synced the new files with their names.
type Evict struct {
	Act      uint64
	Segments []Evicted // at least one, ids growing
}

// Evicted is a segment that goes, and the id of the file that stays of it.
type Evicted struct{ ID, Index uint64 }

// Collected says that doomed objects are gone from the bucket.
type Collected struct{ IDs []uint64 } // at least one, growing

func (Claim) kind() editKind     { return editClaim }
func (Send) kind() editKind      { return editSend }
func (Sent) kind() editKind      { return editSent }
func (Publish) kind() editKind   { return editPublish }
func (Evict) kind() editKind     { return editEvict }
func (Collected) kind() editKind { return editCollected }

func (e Claim) apply(s *State) error {
	if e.Owner == [16]byte{} {
		return refused("owner without a name")
	}
	s.Tier.Owner = e.Owner
	return nil
}

func (e Send) apply(s *State) error {
	o := e.Object
	switch {
	case s.Tier.Owner == [16]byte{}:
		return refused("the store has no bucket")
	case o.Sent || o.Bytes <= 0:
		return refused("%v of %d bytes cannot be sent", o.File, o.Bytes)
	}
	switch o.Kind {
	case FileSegment:
		return s.sendSegment(o)
	case FileState:
		if err := s.take(o.ID); err != nil {
			return err
		}
	case FileSnapshot, FileDelta:
		if !slices.Contains(s.Checkpoint.files(), o.File) {
			return refused("%v is not in the checkpoint", o.File)
		}
	default:
		return refused("%v cannot be sent", o.File)
	}
	i, twice := s.Tier.findObject(o.ID)
	if twice {
		return refused("%v is announced already", o.File)
	}
	s.Tier.Objects = slices.Insert(s.Tier.Objects, i, o)
	return nil
}

func (s *State) sendSegment(o Object) error {
	i, j, ok := s.find(o.ID)
	if !ok {
		return refused("segment %d is not live", o.ID)
	}
	switch seg := s.Layers[i].Segments[j]; {
	case seg.Bytes != o.Bytes:
		return refused("segment %d has %d bytes, not %d", o.ID, seg.Bytes, o.Bytes)
	case seg.Place == PlaceSending || seg.Place == PlaceRemote:
		return refused("segment %d is %v", o.ID, seg.Place)
	case seg.Place == PlaceBoth && seg.CRC != o.CRC:
		return refused("segment %d is sent again with another content", o.ID)
	}
	s.change(i, j, func(seg *Segment) { seg.Place, seg.CRC = PlaceSending, o.CRC })
	return nil
}

func (e Sent) apply(s *State) error {
	if i, ok := s.Tier.findObject(e.ID); ok {
		if s.Tier.Objects[i].Sent {
			return refused("object %d was sent already", e.ID)
		}
		s.Tier.Objects[i].Sent = true
		return nil
	}
	i, j, ok := s.find(e.ID)
	if !ok || s.Layers[i].Segments[j].Place != PlaceSending {
		return refused("object %d is not being sent", e.ID)
	}
	s.change(i, j, func(seg *Segment) { seg.Place = PlaceBoth })
	return nil
}

func (e Publish) apply(s *State) error {
	if err := errors.Join(growing(e.Keep), growing(e.Doomed)); err != nil {
		return err
	}
	if e.NotBefore <= 0 {
		return refused("objects may be deleted from %d on", e.NotBefore)
	}
	t := &s.Tier
	for _, id := range e.Doomed {
		i, ok := t.findDoomed(id)
		if !ok || t.Doomed[i].NotBefore != 0 {
			return refused("object %d does not wait for a time", id)
		}
		t.Doomed[i].NotBefore = e.NotBefore
	}
	i, ok := t.findObject(e.ID)
	if !ok || t.Objects[i].Kind != FileState || !t.Objects[i].Sent {
		return refused("object %d is no state in the bucket", e.ID)
	}
	var kept []Object
	for _, o := range t.Objects {
		_, keep := slices.BinarySearch(e.Keep, o.ID)
		switch {
		case o.ID == e.ID:
			kept = append(kept, o)
		case !keep:
			t.doom(o, e.NotBefore)
		case o.Kind == FileState || !o.Sent:
			return refused("%v is kept", o.File)
		default:
			kept = append(kept, o)
		}
	}
	if len(kept) != len(e.Keep)+1 {
		return refused("what is kept was not sent")
	}
	t.Objects, t.Published = kept, e.ID
	return nil
}

func (e Evict) apply(s *State) error {
	i, ok := s.findAct(e.Act)
	switch {
	case !ok || s.Acts[i].Kind != ActEvict:
		return refused("no eviction %d is open", e.Act)
	case len(e.Segments) == 0:
		return refused("no segments")
	}
	outputs := make(map[uint64]struct{}, len(s.Acts[i].Outputs))
	for _, f := range s.Acts[i].Outputs {
		if f.Kind == FileIndex {
			outputs[f.ID] = struct{}{}
		}
	}
	var garbage []File
	for k, moved := range e.Segments {
		if k > 0 && moved.ID <= e.Segments[k-1].ID {
			return refused("segment %d after %d", moved.ID, e.Segments[k-1].ID)
		}
		if _, ok := outputs[moved.Index]; !ok {
			return refused("file %d is no free output of the act", moved.Index)
		}
		delete(outputs, moved.Index)
		l, at, ok := s.find(moved.ID)
		if !ok || s.Layers[l].Segments[at].Place < PlaceBoth {
			return refused("segment %d is not in the bucket", moved.ID)
		}
		s.change(l, at, func(seg *Segment) {
			garbage = append(garbage, seg.OnDisk())
			seg.Place, seg.Index = PlaceRemote, moved.Index
		})
	}
	for _, f := range s.Acts[i].Outputs {
		if _, unused := outputs[f.ID]; unused || f.Kind != FileIndex {
			garbage = append(garbage, f)
		}
	}
	s.discard(garbage...)
	s.Acts = slices.Delete(s.Acts, i, i+1)
	return nil
}

func (e Collected) apply(s *State) error {
	if err := growing(e.IDs); err != nil {
		return err
	}
	if len(e.IDs) == 0 {
		return refused("no objects")
	}
	gone := 0
	t := &s.Tier
	t.Doomed = slices.DeleteFunc(t.Doomed, func(d Doomed) bool {
		hit := gone < len(e.IDs) && e.IDs[gone] == d.ID && d.NotBefore != 0
		if hit {
			gone++
		}
		return hit
	})
	if gone < len(e.IDs) {
		return refused("object %d is not to be deleted", e.IDs[gone])
	}
	return nil
}

func growing(ids []uint64) error {
	for i, id := range ids {
		if i > 0 && id <= ids[i-1] {
			return refused("id %d after %d", id, ids[i-1])
		}
	}
	return nil
}

func (e Claim) encode(dst []byte) []byte { return append(dst, e.Owner[:]...) }
func (e Send) encode(dst []byte) []byte  { return appendObject(dst, e.Object) }
func (e Sent) encode(dst []byte) []byte  { return binary.AppendUvarint(dst, e.ID) }
func (e Publish) encode(dst []byte) []byte {
	dst = appendList(binary.AppendUvarint(dst, e.ID), e.Keep, binary.AppendUvarint)
	return binary.AppendUvarint(appendList(dst, e.Doomed, binary.AppendUvarint), uint64(e.NotBefore))
}
func (e Evict) encode(dst []byte) []byte {
	return appendList(binary.AppendUvarint(dst, e.Act), e.Segments, func(dst []byte, m Evicted) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(dst, m.ID), m.Index)
	})
}
func (e Collected) encode(dst []byte) []byte {
	return appendList(dst, e.IDs, binary.AppendUvarint)
}
