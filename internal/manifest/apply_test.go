package manifest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// applied is the state after edits, each of which has to follow.
func applied(t testing.TB, s State, edits ...Edit) State {
	t.Helper()
	for _, e := range edits {
		if err := s.Apply(e); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
	}
	return s
}

// twoLayers is a store of layers (0,10] and (10,20] with segments 2, 3 and 6, a
// snapshot 4 and a delta 7.
func twoLayers(t testing.TB) State {
	return applied(t, newState(),
		Begin{1, ActFlush, []File{{2, FileSegment}, {3, FileSegment}, {4, FileSnapshot}}},
		Commit{Act: 1, Add: []Layer{layerOf(0, 10, 2, 3)}, Checkpoint: &Checkpoint{Batch: 10, Seq: 100, WALFile: 1, WALOffset: 8192, Snapshot: 4}},
		Begin{5, ActFlush, []File{{6, FileSegment}, {7, FileDelta}}},
		Commit{Act: 5, Add: []Layer{layerOf(10, 20, 6)}, Checkpoint: &Checkpoint{Batch: 20, Seq: 200, WALFile: 2, WALOffset: 4096, Snapshot: 4, Deltas: []uint64{7}}},
	)
}

func TestMergeReplacesAdjacentLayers(t *testing.T) {
	s := applied(t, twoLayers(t),
		Begin{8, ActMerge, []File{{9, FileSegment}}},
		Extend{8, []File{{10, FileSegment}, {11, FileSegment}}},
		Commit{Act: 8, Remove: []uint64{2, 3, 6}, Add: []Layer{layerOf(0, 20, 9, 10)}},
	)
	want := State{
		NextID: 12, Layers: []Layer{layerOf(0, 20, 9, 10)},
		Checkpoint: Checkpoint{Batch: 20, Seq: 200, WALFile: 2, WALOffset: 4096, Snapshot: 4, Deltas: []uint64{7}},
		Garbage:    []File{{2, FileSegment}, {3, FileSegment}, {6, FileSegment}, {11, FileSegment}},
	}
	if !sameState(s, want) {
		t.Fatalf("state is\n%+v, want\n%+v", s, want)
	}
	live := []File{{4, FileSnapshot}, {7, FileDelta}, {9, FileSegment}, {10, FileSegment}}
	if got := s.Live(); !reflect.DeepEqual(got, live) {
		t.Errorf("live files are %v, want %v", got, live)
	}
}

func TestCheckpointFilesThatAreReplacedAreGarbage(t *testing.T) {
	s := applied(t, twoLayers(t),
		Begin{8, ActFlush, []File{{9, FileSnapshot}}},
		Commit{Act: 8, Checkpoint: &Checkpoint{Batch: 25, Seq: 250, WALFile: 2, WALOffset: 8192, Snapshot: 9}},
	)
	if want := []File{{4, FileSnapshot}, {7, FileDelta}}; !reflect.DeepEqual(s.Garbage, want) {
		t.Fatalf("garbage is %v, want %v", s.Garbage, want)
	}
	if s.End() != 20 {
		t.Errorf("layers end at %d", s.End())
	}
}

func TestBackupPinsWhatWasThere(t *testing.T) {
	s := applied(t, twoLayers(t),
		Begin{8, ActBackup, nil},
		Begin{9, ActMerge, []File{{10, FileSegment}}},
		Commit{Act: 9, Remove: []uint64{2, 3, 6}, Add: []Layer{{From: 0, To: 20}}},
	)
	if err := s.Apply(Removed{[]File{{2, FileSegment}}}); !errors.Is(err, ErrRefused) {
		t.Fatalf("a pinned file was removed: %v", err)
	}
	// The output of an act that began later is no business of the backup.
	s = applied(t, s, Removed{[]File{{10, FileSegment}}}, Commit{Act: 8}, Removed{[]File{{2, FileSegment}, {3, FileSegment}, {6, FileSegment}}})
	if len(s.Garbage) != 0 || len(s.Acts) != 0 {
		t.Fatalf("state is %+v", s)
	}
}

// Edits that do not follow change nothing and say why.
func TestEditThatDoesNotFollowIsRefused(t *testing.T) {
	s := applied(t, twoLayers(t),
		Begin{8, ActMerge, []File{{9, FileSegment}, {10, FileSnapshot}, {11, FileDelta}}},
		Begin{12, ActFlush, []File{{13, FileSegment}}},
		Begin{14, ActBackup, nil},
		Begin{15, ActFlush, []File{{16, FileSegment}}},
		Abort{15},
	)
	at := s.Checkpoint
	with := func(change func(c *Checkpoint)) *Checkpoint {
		c := at
		change(&c)
		return &c
	}
	wide := segmentOf(9, 0)
	wide.FirstStream, wide.LastStream = 50, 60
	backward, negative := segmentOf(9, 500), segmentOf(9, 500)
	backward.LastStream = 400
	negative.RawBytes = -1
	cases := []struct {
		name string
		edit Edit
		why  string
	}{
		{"begin with an old id", Begin{3, ActFlush, nil}, "id 3 instead of 17"},
		{"begin with a far id", Begin{18, ActFlush, nil}, "id 18 instead of 17"},
		{"begin of unknown kind", Begin{17, 9, nil}, "act of kind 9"},
		{"output with an old id", Begin{17, ActFlush, []File{{2, FileSegment}}}, "id 2 instead of 18"},
		{"output of unknown kind", Begin{17, ActFlush, []File{{18, 7}}}, "file of kind 7"},
		{"backup with outputs", Begin{17, ActBackup, []File{{18, FileSegment}}}, "no outputs"},
		{"extend no act", Extend{1, []File{{17, FileSegment}}}, "no act 1"},
		{"extend a backup", Extend{14, []File{{17, FileSegment}}}, "no outputs"},
		{"extend by nothing", Extend{8, nil}, "no outputs"},
		{"extend with an old id", Extend{8, []File{{16, FileSegment}}}, "id 16 instead of 17"},
		{"abort no act", Abort{2}, "no act 2"},
		{"abort twice", Abort{15}, "no act 15"},
		{"commit no act", Commit{Act: 5}, "no act 5"},
		{"commit of a backup with a change", Commit{Act: 14, Remove: []uint64{2}}, "backup changes nothing"},
		{"remove unknown", Commit{Act: 8, Remove: []uint64{5}}, "segment 5 is not live"},
		{"remove garbage", Commit{Act: 8, Remove: []uint64{16}}, "segment 16 is not live"},
		{"remove twice", Commit{Act: 8, Remove: []uint64{2, 2}}, "segment 2 after 2"},
		{"remove out of order", Commit{Act: 8, Remove: []uint64{3, 2}}, "segment 2 after 3"},
		{"add what was not announced", Commit{Act: 8, Add: []Layer{layerOf(0, 10, 99)}}, "no free output"},
		{"add an output of another act", Commit{Act: 8, Add: []Layer{layerOf(0, 10, 13)}}, "no free output"},
		{"add what is live", Commit{Act: 8, Add: []Layer{layerOf(0, 10, 2)}}, "no free output"},
		{"add one output twice", Commit{Act: 8, Remove: []uint64{2, 3, 6}, Add: []Layer{layerOf(0, 20, 9, 9)}}, "no free output"},
		{"add a segment that is a snapshot", Commit{Act: 8, Add: []Layer{layerOf(0, 10, 10)}}, "no free output"},
		{"add over a stream range", Commit{Act: 8, Add: []Layer{{0, 10, []Segment{wide}}}}, "overlap"},
		{"add streams backward", Commit{Act: 8, Remove: []uint64{2, 3}, Add: []Layer{{0, 10, []Segment{backward}}}}, "streams 500 to 400"},
		{"add negative size", Commit{Act: 8, Remove: []uint64{2, 3}, Add: []Layer{{0, 10, []Segment{negative}}}}, "negative"},
		{"add nothing", Commit{Act: 8, Add: []Layer{{0, 10, nil}}}, "there already"},
		{"layer leaves a hole", Commit{Act: 8, Add: []Layer{layerOf(21, 30, 9)}, Checkpoint: with(func(c *Checkpoint) { c.Batch = 30 })}, "fits in nowhere"},
		{"layer overlaps the newest", Commit{Act: 8, Add: []Layer{layerOf(15, 30, 9)}, Checkpoint: with(func(c *Checkpoint) { c.Batch = 30 })}, "fits in nowhere"},
		{"layer overlaps two", Commit{Act: 8, Add: []Layer{layerOf(5, 15, 9)}}, "fits in nowhere"},
		{"layer is a part of one", Commit{Act: 8, Add: []Layer{layerOf(0, 5, 9)}}, "fits in nowhere"},
		{"layer is backward", Commit{Act: 8, Add: []Layer{layerOf(10, 10, 9)}}, "fits in nowhere"},
		{"empty range at the end", Commit{Act: 8, Add: []Layer{layerOf(20, 20, 9)}}, "batches 20 to 20"},
		{"merge keeps segments", Commit{Act: 8, Remove: []uint64{2, 6}, Add: []Layer{layerOf(0, 20, 9)}}, "still has segments"},
		{"layer beyond the checkpoint", Commit{Act: 8, Add: []Layer{layerOf(20, 30, 9)}}, "beyond the checkpoint"},
		{"checkpoint batch goes back", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Batch = 19 })}, "goes back"},
		{"checkpoint seq goes back", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Seq = 199 })}, "goes back"},
		{"checkpoint file goes back", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.WALFile, c.WALOffset = 1, 1<<20 })}, "goes back"},
		{"checkpoint offset goes back", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.WALOffset = 4095 })}, "goes back"},
		{"checkpoint time is negative", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.At = -1 })}, "negative"},
		{"checkpoint of an unknown snapshot", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Snapshot = 99 })}, "no free output"},
		{"checkpoint of a segment", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Snapshot = 9 })}, "no free output"},
		{"checkpoint with one delta twice", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Deltas = []uint64{7, 7} })}, "no free output"},
		{"checkpoint with delta zero", Commit{Act: 8, Checkpoint: with(func(c *Checkpoint) { c.Deltas = []uint64{0} })}, "no free output"},
		{"removed nothing", Removed{nil}, "no files"},
		{"removed what is live", Removed{[]File{{2, FileSegment}}}, "pinned"},
		{"removed an output", Removed{[]File{{13, FileSegment}}}, "pinned"},
		{"removed what never was", Removed{[]File{{17, FileSegment}}}, "not garbage"},
		{"removed as another kind", Removed{[]File{{16, FileDelta}}}, "not garbage"},
		{"removed twice", Removed{[]File{{16, FileSegment}, {16, FileSegment}}}, "after"},
	}
	before := encoded(s)
	for _, c := range cases {
		err := s.Apply(c.edit)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error is %v, want one about %q", c.name, err, c.why)
		}
		if !bytes.Equal(encoded(s), before) {
			t.Fatalf("%s: a refused edit changed the state", c.name)
		}
	}
}

func TestRemovedNeedsGarbage(t *testing.T) {
	s := twoLayers(t)
	for _, f := range []File{{2, FileSegment}, {4, FileSnapshot}, {1, FileSegment}} {
		if err := s.Apply(Removed{[]File{f}}); !errors.Is(err, ErrRefused) {
			t.Errorf("%v was removed: %v", f, err)
		}
	}
}

// Random histories: every state is whole, survives its encoding, and never
// changes once it was handed out; every edit survives its encoding and does the
// same again.
func TestRandomHistories(t *testing.T) {
	seed := testSeed(t)
	for round := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed+round, 1))
		s := newState()
		var states []State
		var images [][]byte
		layers := 0
		for range 300 {
			e := randomEdit(rng, s)
			again, other := s, s
			if err := s.Apply(e); err != nil {
				t.Fatalf("-manifest.seed=%d: %+v: %v", seed+round, e, err)
			}
			if err := s.validate(); err != nil {
				t.Fatalf("-manifest.seed=%d: after %+v: %v", seed+round, e, err)
			}
			b := AppendEdits(nil, e)
			decoded, err := DecodeEdits(b)
			if err != nil || len(decoded) != 1 || !bytes.Equal(AppendEdits(nil, decoded...), b) {
				t.Fatalf("-manifest.seed=%d: %+v reads back as %+v, %v", seed+round, e, decoded, err)
			}
			if err := again.Apply(decoded[0]); err != nil || !sameState(again, s) {
				t.Fatalf("-manifest.seed=%d: %+v does something else the second time: %v", seed+round, e, err)
			}
			image := encoded(s)
			// Another future of the state before must leave this one alone.
			if err := other.Apply(randomEdit(rng, other)); err != nil {
				t.Fatalf("-manifest.seed=%d: %v", seed+round, err)
			}
			back, err := DecodeState(image)
			if err != nil || !bytes.Equal(encoded(back), image) {
				t.Fatalf("-manifest.seed=%d: the state reads back otherwise: %v", seed+round, err)
			}
			states, images = append(states, s), append(images, image)
			layers = max(layers, len(s.Layers))
		}
		for i := range states {
			if !bytes.Equal(encoded(states[i]), images[i]) {
				t.Fatalf("-manifest.seed=%d: state %d changed after it was handed out", seed+round, i)
			}
		}
		if layers < 2 {
			t.Errorf("-manifest.seed=%d: at most %d layers: the history is too dull", seed+round, layers)
		}
	}
}
