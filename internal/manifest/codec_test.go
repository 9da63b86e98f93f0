package manifest

import (
	"bytes"
	"errors"
	"testing"
)

// Every edit and state has one encoding: a number or list that could be written
// in another way is refused, and so is whatever edits cannot have led to.
func TestOtherEncodingsAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"no edits":                nil,
		"unknown kind":            {14, 1},
		"kind alone":              {byte(editAbort)},
		"parted without parts":    {byte(editParted), 1, 0, 0, 0, 0},
		"owner cut short":         {byte(editClaim), 1, 2, 3},
		"object of an index":      {byte(editSend), byte(FileIndex), 1, 1, 0, 0, 0, 0, 0},
		"object neither sent nor": {byte(editSend), byte(FileState), 1, 1, 0, 0, 0, 0, 2},
		"long number":             {byte(editAbort), 0x81, 0},
		"endless number":          bytes.Repeat([]byte{0xff}, 12),
		"list beyond the end":     {byte(editRemoved), 200, 1, 1},
		"huge list":               append([]byte{byte(editRemoved)}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"file of unknown kind":    {byte(editRemoved), 1, 5, 1},
		"extend by none":          {byte(editExtend), 1, 48, 0},
		"extend beyond all ids":   append([]byte{byte(editExtend), 1}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1),
		"checkpoint of kind 2":    {byte(editCommit), 1, 0, 0, 2},
		"edit cut short":          {byte(editCommit), 1, 0, 0, 1, 5},
		"something after an edit": {byte(editAbort), 1, 0},
	} {
		if edits, err := DecodeEdits(b); !errors.Is(err, errPayload) {
			t.Errorf("%s: read as %+v, %v", name, edits, err)
		}
	}
	whole := func(change func(s *State)) []byte {
		s := applied(t, twoLayers(t), Begin{8, ActMerge, []File{{9, FileSegment}}}, Begin{10, ActFlush, nil}, Abort{10},
			Begin{11, ActMerge, []File{{12, FileDelta}}}, Abort{11})
		change(&s)
		return encoded(s)
	}
	if _, err := DecodeState(whole(func(*State) {})); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"cut short":               whole(func(*State) {})[:20],
		"grown":                   append(whole(func(*State) {}), 0),
		"no ids":                  whole(func(s *State) { s.NextID = 0 }),
		"id never given":          whole(func(s *State) { s.NextID = 12 }),
		"layers from nowhere":     whole(func(s *State) { s.Layers = s.Layers[1:] }),
		"layer beyond checkpoint": whole(func(s *State) { s.Checkpoint.Batch = 19 }),
		"streams overlap":         whole(func(s *State) { s.Layers[0] = layerOf(0, 10, 2, 3); s.Layers[0].Segments[1].FirstStream = 99 }),
		"segment twice":           whole(func(s *State) { s.Layers[0] = layerOf(0, 10, 2, 6) }),
		"live and garbage":        whole(func(s *State) { s.Garbage = []File{{2, FileSegment}} }),
		"garbage out of order":    whole(func(s *State) { s.Garbage = []File{{12, FileDelta}, {11, FileDelta}} }),
		"act out of order":        whole(func(s *State) { s.Acts = append([]Act{{ID: 11, Kind: ActFlush}}, s.Acts...) }),
		"act of unknown kind":     whole(func(s *State) { s.Acts = []Act{{ID: 8}} }),
		"backup with outputs":     whole(func(s *State) { s.Acts = []Act{{8, ActBackup, []File{{9, FileSegment}}}} }),
		"output before its act":   whole(func(s *State) { s.Acts = []Act{{8, ActMerge, []File{{5, FileSegment}}}} }),
		"negative offset":         whole(func(s *State) { s.Checkpoint.WALOffset = -1 }),
		"delta twice":             whole(func(s *State) { s.Checkpoint.Deltas = []uint64{7, 7} }),
		"reserved byte":           append(bytes.TrimSuffix(whole(func(*State) {}), []byte{0}), 1),
		"empty extension":         append(whole(func(*State) {}), make([]byte, 21)...),
		"place without owner":     whole(func(s *State) { s.change(0, 0, func(g *Segment) { g.Place = PlaceBoth }) }),
		"unknown place":           whole(func(s *State) { s.Tier.Owner[0] = 1; s.change(0, 0, func(g *Segment) { g.Place = 4 }) }),
		"remote without index":    whole(func(s *State) { s.Tier.Owner[0] = 1; s.change(0, 0, func(g *Segment) { g.Place = PlaceRemote }) }),
		"objects without owner":   whole(func(s *State) { s.Tier.Objects = []Object{{File{4, FileSnapshot}, 1, 2, true}} }),
		"segment among objects":   whole(func(s *State) { s.Tier = Tier{Owner: testStore, Objects: []Object{{File{2, FileSegment}, 1, 2, true}}} }),
		"published and not sent": whole(func(s *State) {
			s.Tier = Tier{Owner: testStore, Objects: []Object{{File{8, FileState}, 1, 2, false}}, Published: 8}
		}),
		"doomed and live": whole(func(s *State) {
			s.Tier = Tier{Owner: testStore, Doomed: []Doomed{{Object{File{2, FileSegment}, 1, 2, true}, 0}}}
		}),
	} {
		if s, err := DecodeState(b); !errors.Is(err, errPayload) {
			t.Errorf("%s: read as %+v, %v", name, s, err)
		}
	}
}
