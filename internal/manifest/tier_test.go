package manifest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// randomTierEdit is an edit about the bucket that follows from s, or nil.
func randomTierEdit(rng *rand.Rand, s State) Edit {
	if s.Tier.Owner == [16]byte{} {
		return Claim{testStore}
	}
	var local, sending, files []Object
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			o := Object{File: seg.File(), Bytes: seg.Bytes, CRC: uint32(seg.ID) * 3}
			switch seg.Place {
			case PlaceLocal, PlaceBoth:
				local = append(local, o)
			case PlaceSending:
				sending = append(sending, o)
			}
		}
	}
	for _, f := range s.Checkpoint.files() {
		_, known := s.Tier.findObject(f.ID)
		_, doomed := s.Tier.findDoomed(f.ID)
		if !known && !doomed {
			files = append(files, Object{File: f, Bytes: 7, CRC: 9})
		}
	}
	var keep, undated, dated []uint64
	state := uint64(0)
	for _, o := range s.Tier.Objects {
		switch {
		case !o.Sent:
			sending = append(sending, o)
		case o.Kind == FileState:
			state = o.ID
		case rng.IntN(3) > 0:
			keep = append(keep, o.ID)
		}
	}
	for _, d := range s.Tier.Doomed {
		if d.NotBefore == 0 {
			undated = append(undated, d.ID)
		} else {
			dated = append(dated, d.ID)
		}
	}
	one := func(all []Object) Object { return all[rng.IntN(len(all))] }
	switch pick := rng.IntN(8); {
	case pick < 2 && len(local) > 0:
		return Send{one(local)}
	case pick < 4 && len(sending) > 0:
		return Sent{one(sending).ID}
	case pick == 4 && len(files) > 0:
		return Send{one(files)}
	case pick >= 5 && pick < 7 && state != 0:
		return Publish{state, keep, undated[:rng.IntN(len(undated)+1)], 1 + rng.Int64N(100)}
	case pick == 7 && len(dated) > 0:
		return Collected{dated}
	}
	return Send{Object{File: File{s.NextID, FileState}, Bytes: 5, CRC: rng.Uint32()}}
}

func randomEvict(rng *rand.Rand, s State, a Act) Edit {
	e := Evict{Act: a.ID}
	for _, l := range s.Layers {
		for _, seg := range l.Segments {
			if n := len(e.Segments); seg.Place >= PlaceBoth && n < len(a.Outputs) && rng.IntN(2) == 0 {
				e.Segments = append(e.Segments, Evicted{seg.ID, a.Outputs[n].ID})
			}
		}
	}
	if len(e.Segments) == 0 {
		return Abort{a.ID}
	}
	slices.SortFunc(e.Segments, func(a, b Evicted) int { return compare(a.ID, b.ID) })
	return e
}

// inBucket is twoLayers with segment 2 in the bucket only, its end being file 9,
// 3 there and on the disk, 6 on its way, and the published state 10.
func inBucket(t testing.TB) State {
	return applied(t, twoLayers(t),
		Claim{testStore},
		Send{Object{File: File{2, FileSegment}, Bytes: 2000, CRC: 22}}, Sent{2},
		Send{Object{File: File{3, FileSegment}, Bytes: 3000, CRC: 33}}, Sent{3},
		Begin{8, ActEvict, []File{{9, FileIndex}}}, Evict{8, []Evicted{{2, 9}}},
		Send{Object{File: File{4, FileSnapshot}, Bytes: 400, CRC: 44}}, Sent{4},
		Send{Object{File: File{7, FileDelta}, Bytes: 700, CRC: 77}}, Sent{7},
		Send{Object{File: File{10, FileState}, Bytes: 100, CRC: 10}}, Sent{10},
		Publish{10, []uint64{4, 7}, nil, 50},
		Send{Object{File: File{6, FileSegment}, Bytes: 6000, CRC: 66}},
	)
}

func TestSegmentsLeaveTheDisk(t *testing.T) {
	s := inBucket(t)
	live := []File{{4, FileSnapshot}, {7, FileDelta}, {9, FileIndex}, {3, FileSegment}, {6, FileSegment}}
	if got := s.Live(); !reflect.DeepEqual(got, live) {
		t.Errorf("live files are %v, want %v", got, live)
	}
	if want := []File{{2, FileSegment}}; !reflect.DeepEqual(s.Garbage, want) {
		t.Errorf("garbage is %v, want %v", s.Garbage, want)
	}
	d := s.Detached()
	if err := d.validate(); err != nil || !reflect.DeepEqual(d.Layers, twoLayers(t).Layers) || !d.Tier.zero() {
		t.Errorf("a copy without a bucket is %+v, %v", d, err)
	}
}

// The ends of a segment that left the disk are replaced by evicting it again: the
// old file is garbage, and nothing else changes, whatever place it comes from.
func TestEndsAreReplaced(t *testing.T) {
	s := applied(t, inBucket(t), Begin{11, ActEvict, []File{{12, FileIndex}, {13, FileIndex}, {14, FileIndex}}})
	before, _ := s.Find(2)
	for name, c := range map[string]struct {
		evicted []Evicted
		garbage []File
		live    []File
	}{
		"left before":             {[]Evicted{{2, 13}}, []File{{2, FileSegment}, {9, FileIndex}, {12, FileIndex}, {14, FileIndex}}, []File{{13, FileIndex}, {3, FileSegment}}},
		"on the disk":             {[]Evicted{{3, 12}}, []File{{2, FileSegment}, {3, FileSegment}, {13, FileIndex}, {14, FileIndex}}, []File{{9, FileIndex}, {12, FileIndex}}},
		"one of each, in one act": {[]Evicted{{2, 14}, {3, 12}}, []File{{2, FileSegment}, {3, FileSegment}, {9, FileIndex}, {13, FileIndex}}, []File{{14, FileIndex}, {12, FileIndex}}},
	} {
		after := applied(t, s, Evict{11, c.evicted})
		if !reflect.DeepEqual(after.Garbage, c.garbage) {
			t.Errorf("%s: garbage is %v, want %v", name, after.Garbage, c.garbage)
		}
		if live := append(append([]File{{4, FileSnapshot}, {7, FileDelta}}, c.live...), File{6, FileSegment}); !reflect.DeepEqual(after.Live(), live) {
			t.Errorf("%s: live files are %v, want %v", name, after.Live(), live)
		}
		got, _ := after.Find(2)
		if got.Index = before.Index; got != before {
			t.Errorf("%s: segment 2 is %+v, was %+v", name, got, before)
		}
		if err := after.validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(after.Tier, s.Tier) {
			t.Errorf("%s: the bucket was %+v, is %+v", name, s.Tier, after.Tier)
		}
	}
}

// What a merge replaces leaves the disk and the bucket, wherever it was.
func TestWhatIsReplacedIsDoomed(t *testing.T) {
	s := applied(t, inBucket(t), Removed{[]File{{2, FileSegment}}},
		Begin{11, ActMerge, []File{{12, FileSegment}}},
		Commit{Act: 11, Remove: []uint64{2, 3, 6}, Add: []Layer{layerOf(0, 20, 12)}},
		Send{Object{File: File{13, FileState}, Bytes: 100, CRC: 13}}, Sent{13},
		Publish{13, []uint64{4}, []uint64{2, 6}, 500},
	)
	if want := []File{{3, FileSegment}, {6, FileSegment}, {9, FileIndex}}; !reflect.DeepEqual(s.Garbage, want) {
		t.Errorf("garbage is %v, want %v", s.Garbage, want)
	}
	var doomed []uint64
	for _, d := range s.Tier.Doomed {
		doomed = append(doomed, d.ID)
	}
	if want := []uint64{2, 3, 6, 7, 10}; !slices.Equal(doomed, want) {
		t.Errorf("doomed are %v, want %v", doomed, want)
	}
	s = applied(t, s, Collected{[]uint64{2, 7, 10}})
	if len(s.Tier.Doomed) != 2 || s.Tier.Doomed[0].NotBefore != 0 || s.Tier.Doomed[1].NotBefore != 500 {
		t.Errorf("doomed are %v", s.Tier.Doomed)
	}
}

func TestTierEditThatDoesNotFollowIsRefused(t *testing.T) {
	s := applied(t, inBucket(t), Begin{11, ActEvict, []File{{12, FileIndex}, {13, FileIndex}}}, Begin{14, ActMerge, []File{{15, FileIndex}}})
	object := func(id uint64, kind FileKind, bytes int64) Object {
		return Object{File: File{id, kind}, Bytes: bytes, CRC: 33}
	}
	before := encoded(s)
	for _, c := range []struct {
		name string
		edit Edit
		why  string
	}{
		{"owner of zeros", Claim{}, "without a name"},
		{"send what is sent", Send{Object{File: File{3, FileSegment}, Bytes: 3000, CRC: 33, Sent: true}}, "cannot be sent"},
		{"send nothing", Send{object(3, FileSegment, 0)}, "cannot be sent"},
		{"send another size", Send{object(3, FileSegment, 3001)}, "has 3000 bytes"},
		{"send again otherwise", Send{Object{File: File{3, FileSegment}, Bytes: 3000, CRC: 34}}, "another content"},
		{"send what is not on the disk", Send{object(2, FileSegment, 2000)}, "is remote"},
		{"send what is being sent", Send{object(6, FileSegment, 6000)}, "is sending"},
		{"send an unknown segment", Send{object(99, FileSegment, 1)}, "not live"},
		{"send an old snapshot", Send{object(5, FileSnapshot, 1)}, "not in the checkpoint"},
		{"send a snapshot twice", Send{object(4, FileSnapshot, 1)}, "announced already"},
		{"send an index", Send{object(9, FileIndex, 1)}, "cannot be sent"},
		{"send a state with an old id", Send{object(10, FileState, 1)}, "id 10 instead of 16"},
		{"sent and never announced", Sent{5}, "not being sent"},
		{"sent twice", Sent{10}, "sent already"},
		{"segment sent twice", Sent{3}, "not being sent"},
		{"publish a snapshot", Publish{4, nil, nil, 1}, "no state"},
		{"publish without what it needs", Publish{10, []uint64{4, 5, 7}, nil, 1}, "was not sent"},
		{"publish out of order", Publish{10, []uint64{7, 4}, nil, 1}, "id 4 after 7"},
		{"evict without an act", Evict{5, []Evicted{{3, 12}}}, "no eviction 5"},
		{"evict in a merge", Evict{14, []Evicted{{3, 15}}}, "no eviction 14"},
		{"evict nothing", Evict{11, nil}, "no segments"},
		{"evict to an unknown file", Evict{11, []Evicted{{3, 15}}}, "no free output"},
		{"evict two to one file", Evict{11, []Evicted{{3, 12}, {6, 12}}}, "no free output"},
		{"evict what is being sent", Evict{11, []Evicted{{6, 12}}}, "segment 6 is not in the bucket"},
		{"evict an unknown segment", Evict{11, []Evicted{{99, 12}}}, "segment 99 is not in the bucket"},
		{"evict again to the same file", Evict{11, []Evicted{{2, 9}}}, "no free output"},
		{"evict twice in one", Evict{11, []Evicted{{2, 12}, {2, 13}}}, "segment 2 after 2"},
		{"evict out of order", Evict{11, []Evicted{{3, 12}, {3, 13}}}, "segment 3 after 3"},
		{"doom what is needed", Publish{10, []uint64{4, 7}, []uint64{3}, 1}, "does not wait"},
		{"doom out of order", Publish{10, []uint64{4, 7}, []uint64{3, 2}, 1}, "id 2 after 3"},
		{"doom without a time", Publish{10, []uint64{4, 7}, nil, 0}, "from 0 on"},
		{"collected nothing", Collected{nil}, "no objects"},
		{"collected what is live", Collected{[]uint64{3}}, "not to be deleted"},
		{"segment that is remote from the start", Commit{Act: 14, Add: []Layer{{0, 10, []Segment{{ID: 15, Place: PlaceRemote}}}}}, "no free output"},
	} {
		err := s.Apply(c.edit)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error is %v, want one about %q", c.name, err, c.why)
		}
		if !bytes.Equal(encoded(s), before) {
			t.Fatalf("%s: a refused edit changed the state", c.name)
		}
	}
	undated := applied(t, s, Commit{Act: 14, Remove: []uint64{3}})
	if err := undated.Apply(Collected{[]uint64{3}}); !errors.Is(err, ErrRefused) {
		t.Errorf("an object was deleted that the published state may refer to: %v", err)
	}
}

// A stream that is larger than a segment is in several, in their order.
func TestSegmentsDivideAStream(t *testing.T) {
	seg := func(id, first, last, start uint64) Segment {
		return Segment{ID: id, FirstStream: first, LastStream: last, Start: start}
	}
	for name, c := range map[string]struct {
		segments []Segment
		fine     bool
	}{
		"one after the other": {[]Segment{seg(1, 1, 5, 0), seg(2, 5, 5, 10), seg(3, 5, 5, 20), seg(4, 5, 9, 30)}, true},
		"from a middle":       {[]Segment{seg(1, 5, 5, 10), seg(2, 5, 9, 20)}, true},
		"no start":            {[]Segment{seg(1, 1, 5, 0), seg(2, 5, 9, 0)}, false},
		"the same start":      {[]Segment{seg(1, 5, 5, 10), seg(2, 5, 9, 10)}, false},
		"the wrong order":     {[]Segment{seg(1, 5, 5, 20), seg(2, 5, 9, 10)}, false},
		"an overlap":          {[]Segment{seg(1, 1, 6, 0), seg(2, 5, 9, 10)}, false},
	} {
		if err := (Layer{0, 1, c.segments}).check(); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}
