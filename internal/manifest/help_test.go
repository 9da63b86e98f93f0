package manifest

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tailrace/internal/frame"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

var (
	seedFlag   = flag.Uint64("manifest.seed", 0, "seed of the random tests; 0 picks one")
	updateFlag = flag.Bool("update", false, "write the golden files again")
)

// testSeed picks the seed of a random test and says which it was.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed: -manifest.seed=%d", seed)
	return seed
}

const testDir = "data"

var testStore = [16]byte{0xA, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xF}

// testOptions makes files that are soon full.
func testOptions() Options { return Options{LimitBytes: 40 << 10, ChunkBytes: 2 * pageBytes} }

func newStore(t testing.TB) *memfs.FS {
	t.Helper()
	fs := memfs.New()
	if err := fs.MkdirAll(testDir); err != nil {
		t.Fatal(err)
	}
	return fs
}

func open(fs vfs.FS) (*Manifest, error) {
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		return nil, err
	}
	return l.Open(testOptions())
}

func mustOpen(t testing.TB, fs vfs.FS) *Manifest {
	t.Helper()
	m, err := open(fs)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return m
}

func mustAppend(t testing.TB, m *Manifest, edits ...Edit) {
	t.Helper()
	if err := m.Append(edits...); err != nil {
		t.Fatalf("append %+v: %v", edits, err)
	}
}

// encoded is a state as bytes, to compare it by.
func encoded(s State) []byte { return AppendState(nil, &s) }

func sameState(a, b State) bool { return bytes.Equal(encoded(a), encoded(b)) }

// wantCorrupt demands a corruption error of that file. offset < 0 is any place.
func wantCorrupt(t testing.TB, err error, path string, offset int64) {
	t.Helper()
	var ce *frame.CorruptError
	if !errors.As(err, &ce) {
		t.Fatalf("error is %v, want corruption of %s", err, path)
	}
	if ce.Path != path || offset >= 0 && ce.Offset != offset {
		t.Fatalf("error names %s at byte %d (%v), want %s at byte %d", ce.Path, ce.Offset, err, path, offset)
	}
}

// layerOf makes a layer of segments of 100 streams each.
func layerOf(from, to uint64, ids ...uint64) Layer {
	l := Layer{From: from, To: to}
	for i, id := range ids {
		l.Segments = append(l.Segments, segmentOf(id, uint64(100*i)))
	}
	return l
}

func segmentOf(id, firstStream uint64) Segment {
	return Segment{
		ID: id, Level: uint8(id % 3), FirstStream: firstStream, LastStream: firstStream + 99,
		Bytes: int64(id * 1000), RawBytes: int64(id * 7000), Runs: 90, Appends: 900, Created: 1_700_000_000_000 + int64(id),
	}
}

// begun is the next act and its outputs.
func begun(s State, kind ActKind, outputs ...FileKind) Begin {
	return Begin{s.NextID, kind, numbered(s.NextID+1, outputs)}
}

// randomEdit is an edit that follows from s, of any kind there is.
func randomEdit(rng *rand.Rand, s State) Edit {
	kinds := func(n int) []FileKind {
		list := make([]FileKind, n)
		for i := range list {
			list[i] = []FileKind{FileSegment, FileSegment, FileSnapshot, FileDelta}[rng.IntN(4)]
		}
		return list
	}
	if rng.IntN(3) == 0 {
		if e := randomTierEdit(rng, s); e != nil {
			return e
		}
	}
	pick := rng.IntN(12)
	switch {
	case len(s.Acts) == 0 || pick < 2 && len(s.Acts) < 5:
		kind := ActKind(1 + rng.IntN(4))
		switch kind {
		case ActBackup:
			return begun(s, kind)
		case ActEvict:
			return begun(s, kind, slices.Repeat([]FileKind{FileIndex}, rng.IntN(4))...)
		}
		return begun(s, kind, kinds(rng.IntN(6))...)
	case pick < 6:
		free := slices.DeleteFunc(slices.Clone(s.Garbage), func(f File) bool { return s.Pinned(f) || rng.IntN(4) == 0 })
		if len(free) > 0 {
			return Removed{free}
		}
	}
	a := s.Acts[rng.IntN(len(s.Acts))]
	switch {
	case a.Kind == ActBackup:
		return []Edit{Commit{Act: a.ID}, Abort{a.ID}}[rng.IntN(2)]
	case rng.IntN(8) == 0:
		return Abort{a.ID}
	case a.Kind == ActEvict:
		return randomEvict(rng, s, a)
	case rng.IntN(4) == 0:
		return Extend{a.ID, numbered(s.NextID, kinds(1+rng.IntN(3)))}
	case a.Kind == ActFlush:
		return randomFlush(rng, s, a)
	}
	return randomMerge(rng, s, a)
}

func randomFlush(rng *rand.Rand, s State, a Act) Commit {
	c := s.Checkpoint
	c.Deltas = slices.Clone(c.Deltas)
	c.Batch += 1 + rng.Uint64N(10)
	c.Seq += 1 + rng.Uint64N(20)
	c.WALFile += rng.Uint64N(2)
	c.WALOffset += 4096
	c.At += 17
	c.LastStream += rng.Uint64N(100)
	e := Commit{Act: a.ID, Checkpoint: &c}
	l := Layer{From: s.End(), To: c.Batch}
	for i, f := range a.Outputs {
		switch {
		case rng.IntN(6) == 0: // it was not needed
		case f.Kind == FileSegment:
			l.Segments = append(l.Segments, segmentOf(f.ID, uint64(1000*i)))
		case f.Kind == FileSnapshot:
			c.Snapshot, c.Deltas = f.ID, nil
		case f.Kind == FileDelta:
			c.Deltas = append(c.Deltas, f.ID)
		}
	}
	if len(l.Segments) > 0 || rng.IntN(2) == 0 {
		e.Add = []Layer{l}
	}
	return e
}

// randomMerge writes the segments of some adjacent layers again, or one of one
// layer.
func randomMerge(rng *rand.Rand, s State, a Act) Commit {
	e := Commit{Act: a.ID}
	if len(s.Layers) == 0 {
		return e
	}
	first := rng.IntN(len(s.Layers))
	last := first + rng.IntN(min(4, len(s.Layers)-first))
	l := Layer{From: s.Layers[first].From, To: s.Layers[last].To}
	for _, old := range s.Layers[first : last+1] {
		for _, seg := range old.Segments {
			e.Remove = append(e.Remove, seg.ID)
		}
	}
	if first == last && len(e.Remove) > 1 {
		e.Remove = e.Remove[:1]
	}
	stream := uint64(0) // which several segments divide among them
	slices.Sort(e.Remove)
	for i, f := range a.Outputs {
		if f.Kind == FileSegment && (first < last || i == 0) {
			seg := segmentOf(f.ID, uint64(1000*i))
			switch {
			case first == last: // beside those that stay
				seg.FirstStream, seg.LastStream = 1<<20+f.ID, 1<<20+f.ID
			case stream != 0 && rng.IntN(2) == 0:
				seg.FirstStream, seg.Start = stream, f.ID
				if rng.IntN(2) == 0 {
					seg.LastStream = stream
				}
			}
			stream = seg.LastStream
			l.Segments = append(l.Segments, seg)
		}
	}
	if first < last || len(l.Segments) > 0 {
		e.Add = []Layer{l}
	}
	return e
}
