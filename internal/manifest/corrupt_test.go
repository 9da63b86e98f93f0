package manifest

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/frame"
	"tailrace/internal/vfs/memfs"
)

// image is the content of all files of a store, by path.
type image map[string][]byte

func (m image) clone() image {
	c := image{}
	for name, b := range m {
		c[name] = slices.Clone(b)
	}
	return c
}

// mount puts an image on a new file system.
func (m image) mount(t testing.TB) *memfs.FS {
	t.Helper()
	fs := newStore(t)
	if err := fs.MkdirAll(paths{testDir}.manifest()); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		file, err := fs.Create(name)
		if err == nil {
			_, err = file.WriteAt(m[name], 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	return fs.Clone()
}

var (
	currentPath = paths{testDir}.current()
	filePath    = paths{testDir}.file(2)
)

// storeImage is a store of three groups after a snapshot with segments: file 2,
// since it was opened twice. states are the ones after 0 to 3 groups.
func storeImage(t testing.TB) (m image, states []State) {
	t.Helper()
	fs := newStore(t)
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		t.Fatal(err)
	}
	l.contents.State = twoLayers(t)
	one, err := l.Open(testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two := mustOpen(t, fs)
	states = append(states, two.State())
	for _, group := range [][]Edit{
		{Begin{8, ActMerge, []File{{9, FileSegment}}}, Begin{10, ActBackup, nil}},
		{Commit{Act: 8, Remove: []uint64{2, 3, 6}, Add: []Layer{layerOf(0, 20, 9)}}},
		{Commit{Act: 10}, Removed{[]File{{2, FileSegment}, {3, FileSegment}}}},
	} {
		mustAppend(t, two, group...)
		states = append(states, two.State())
	}
	return fs.Snapshot(), states
}

// placed is a frame and where it is.
type placed struct {
	FrameHeader
	at int64
}

func (m image) frames(t testing.TB) []placed {
	t.Helper()
	var all []placed
	if _, err := scan(m[filePath], func(f scanned) { all = append(all, placed{f.FrameHeader, f.at}) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// reframe puts another frame, with the right checksum, where one is.
func (m image) reframe(t testing.TB, i int, change func(h *FrameHeader, payload *[]byte)) {
	t.Helper()
	b, at := m[filePath], m.frames(t)[i].at
	h, payload, err := ParseFrame(b[at:], testStore)
	if err != nil {
		t.Fatal(err)
	}
	payload = slices.Clone(payload)
	change(&h, &payload)
	copy(b[at:], AppendFrame(nil, &h, testStore, payload))
}

// rechecksum makes the checksum of a changed header right.
func rechecksum(b []byte) {
	end := min(len(b), headerBytes) - 4
	binary.LittleEndian.PutUint32(b[end:], frame.Checksum(b[:end]))
}

// Frames of storeImage: snapshot, a confirm for the length that the first group
// needs, groups at 2, 4 and 6, and the confirm of each.
func TestCorruptionTable(t *testing.T) {
	at := func(m image, i int) int64 { return m.frames(t)[i].at }
	frameAt := func(i int, in int64) func(image) int64 { return func(m image) int64 { return at(m, i) + in } }
	page := func(m image, i int) []byte { return m[filePath][at(m, i):][:pageBytes] }
	reframe := func(i int, change func(h *FrameHeader, payload *[]byte)) func(image) {
		return func(m image) { m.reframe(t, i, change) }
	}
	cases := []struct {
		name    string
		damage  func(m image)
		path    string              // of the fault; empty: it loads
		offset  func(m image) int64 // of the fault, in the undamaged image; nil: 0
		groups  int                 // that are there when it loads
		torn    bool
		version bool
	}{
		{name: "nothing", damage: func(image) {}, groups: 3},
		{name: "files of others", damage: func(m image) {
			m[testDir+"/manifest/.DS_Store"], m[testDir+"/x"] = []byte("x"), []byte("x")
		}, groups: 3},

		{name: "no CURRENT", damage: func(m image) { delete(m, currentPath) }, path: currentPath},
		{name: "CURRENT empty", damage: func(m image) { m[currentPath] = []byte{} }, path: currentPath},
		{name: "CURRENT cut", damage: func(m image) { m[currentPath] = m[currentPath][:63] }, path: currentPath, offset: func(image) int64 { return 63 }},
		{name: "CURRENT too long", damage: func(m image) { m[currentPath] = append(m[currentPath], 0) }, path: currentPath, offset: func(image) int64 { return 64 }},
		{name: "CURRENT flipped", damage: func(m image) { m[currentPath][33] ^= 1 }, path: currentPath},
		{name: "CURRENT of another version", damage: func(m image) { m[currentPath][8] = 2 }, path: currentPath, version: true},
		{name: "CURRENT of another store", damage: func(m image) { m[currentPath][16] ^= 1; rechecksum(m[currentPath]) }, path: currentPath, offset: func(image) int64 { return 16 }},
		{name: "CURRENT names nothing", damage: func(m image) { m[currentPath][32] = 0; rechecksum(m[currentPath]) }, path: currentPath, offset: func(image) int64 { return 32 }},
		{name: "CURRENT names another file", damage: func(m image) { m[currentPath][32] = 3; rechecksum(m[currentPath]) }, path: paths{testDir}.file(3)},
		{name: "CURRENT reserved", damage: func(m image) { m[currentPath][53] = 1; rechecksum(m[currentPath]) }, path: currentPath, offset: func(image) int64 { return 53 }},
		{name: "CURRENT names another snapshot", damage: func(m image) { m[currentPath][48]++; rechecksum(m[currentPath]) }, path: filePath, offset: func(image) int64 { return headerBytes }},

		{name: "no file", damage: func(m image) { delete(m, filePath) }, path: filePath},
		{name: "file empty", damage: func(m image) { m[filePath] = []byte{} }, path: filePath},
		{name: "file of another version", damage: func(m image) { m[filePath][8] = 7 }, path: filePath, version: true},
		{name: "header magic", damage: func(m image) { m[filePath][0] = 'X' }, path: filePath},
		{name: "header flipped", damage: func(m image) { m[filePath][3000] = 1 }, path: filePath},
		{name: "header of another store", damage: func(m image) { m[filePath][16] ^= 1; rechecksum(m[filePath]) }, path: filePath, offset: func(image) int64 { return 16 }},
		{name: "header of another file", damage: func(m image) { m[filePath][32] = 7; rechecksum(m[filePath]) }, path: filePath, offset: func(image) int64 { return 32 }},
		{name: "header reserved", damage: func(m image) { m[filePath][3000] = 1; rechecksum(m[filePath]) }, path: filePath, offset: func(image) int64 { return 3000 }},
		{name: "header first seq", damage: func(m image) { m[filePath][40]++; rechecksum(m[filePath]) }, path: filePath, offset: frameAt(0, 24)},

		{name: "snapshot zeroed", damage: func(m image) { clear(page(m, 0)) }, path: filePath, offset: frameAt(0, 0)},
		{name: "snapshot flipped", damage: func(m image) { page(m, 0)[60] ^= 1 }, path: filePath, offset: frameAt(0, 0)},
		{name: "group flipped", damage: func(m image) { page(m, 2)[50] ^= 1 }, path: filePath, offset: frameAt(2, 0)},
		{name: "group zeroed", damage: func(m image) { clear(page(m, 2)) }, path: filePath, offset: frameAt(2, 0)},
		{name: "padding flipped", damage: func(m image) { page(m, 2)[4000] ^= 1 }, path: filePath, offset: frameAt(2, 0)},
		{name: "length grown", damage: func(m image) { page(m, 2)[10] ^= 1 }, path: filePath, offset: frameAt(2, 0)},
		{name: "length beyond the file", damage: func(m image) { page(m, 2)[11] = 1 }, path: filePath, offset: frameAt(2, 0)},
		{name: "length beyond the limit", damage: func(m image) { page(m, 2)[11] = 0xff }, path: filePath, offset: frameAt(2, 0)},
		{name: "last group flipped", damage: func(m image) { page(m, 6)[50] ^= 1 }, path: filePath, offset: frameAt(6, 0)},
		{name: "last group zeroed", damage: func(m image) { clear(page(m, 6)) }, path: filePath, offset: frameAt(6, 0)},
		{name: "confirm in the middle flipped", damage: func(m image) { page(m, 3)[20] ^= 1 }, path: filePath, offset: frameAt(3, 0)},
		{name: "confirm in the middle zeroed", damage: func(m image) { clear(page(m, 5)) }, path: filePath, offset: frameAt(5, 0)},
		{name: "group written twice", damage: func(m image) { copy(page(m, 4), page(m, 2)) }, path: filePath, offset: frameAt(4, 24)},
		{name: "groups swapped", damage: func(m image) {
			one, two := page(m, 2), page(m, 4)
			kept := slices.Clone(one)
			copy(one, two)
			copy(two, kept)
		}, path: filePath, offset: frameAt(2, 24)},
		{name: "file cut after a group", damage: func(m image) { m[filePath] = m[filePath][:at(m, 4)] }, path: filePath, offset: frameAt(4, 0)},
		{name: "file cut by one byte", damage: func(m image) { m[filePath] = m[filePath][:len(m[filePath])-1] }, path: filePath, offset: func(m image) int64 { return int64(len(m[filePath]) - 1) }},

		{name: "last confirm flipped", damage: func(m image) { page(m, 7)[20] ^= 1 }, groups: 3, torn: true},
		{name: "last confirm zeroed", damage: func(m image) { clear(page(m, 7)) }, groups: 3},
		{name: "last group and confirm flipped", damage: func(m image) { g, c := page(m, 6), page(m, 7); g[50] ^= 1; c[20] ^= 1 }, groups: 2, torn: true},
		{name: "last group and confirm zeroed", damage: func(m image) { g, c := page(m, 6), page(m, 7); clear(g); clear(c) }, groups: 2},
		{name: "garbage after the end", damage: func(m image) { m[filePath][at(m, 7)+pageBytes+9] = 1 }, groups: 3, torn: true},
		{name: "file grown by zeros", damage: func(m image) { m[filePath] = append(m[filePath], make([]byte, 9000)...) }, groups: 3},
		{name: "a frame of another file after the end", damage: func(m image) {
			h := FrameHeader{Kind: FrameConfirm, File: 1, Seq: 99, Size: 1 << 20}
			m[filePath] = append(m[filePath][:at(m, 7)+2*pageBytes], AppendFrame(nil, &h, testStore, nil)...)
			m[filePath] = append(m[filePath], make([]byte, 1<<16)...)
		}, groups: 3, torn: true},

		// Right checksums: a faulty program wrote these, or somebody forged them.
		{name: "unknown kind", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Kind = 4 }), path: filePath, offset: frameAt(2, 4)},
		{name: "second snapshot", damage: reframe(2, func(h *FrameHeader, p *[]byte) { h.Kind, h.Edits = FrameSnapshot, 0 }), path: filePath, offset: frameAt(2, 4)},
		{name: "group without confirm before it", damage: reframe(3, func(h *FrameHeader, p *[]byte) { h.Kind = FrameEdits }), path: filePath, offset: frameAt(3, 4)},
		{name: "first frame no snapshot", damage: reframe(0, func(h *FrameHeader, p *[]byte) { h.Kind, *p = FrameConfirm, nil }), path: filePath, offset: frameAt(0, 4)},
		{name: "confirm with a payload", damage: reframe(3, func(h *FrameHeader, p *[]byte) { *p = []byte{1} }), path: filePath, offset: frameAt(3, 8)},
		{name: "confirm with edits", damage: reframe(3, func(h *FrameHeader, p *[]byte) { h.Edits = 1 }), path: filePath, offset: frameAt(3, 12)},
		{name: "wrong count", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Edits++ }), path: filePath, offset: frameAt(2, 12)},
		{name: "frame of another file", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.File++ }), path: filePath, offset: frameAt(2, 16)},
		{name: "gap in the sequence", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Seq++ }), path: filePath, offset: frameAt(2, 24)},
		{name: "size goes back", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Size = headerBytes }), path: filePath, offset: frameAt(2, 32)},
		{name: "size is negative", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Size = -1 }), path: filePath, offset: frameAt(2, 32)},
		{name: "broken chain", damage: reframe(2, func(h *FrameHeader, _ *[]byte) { h.Chain++ }), path: filePath, offset: frameAt(2, 40)},
		{name: "another group", damage: reframe(2, func(h *FrameHeader, p *[]byte) { *p = AppendEdits(nil, Begin{8, ActMerge, nil}); h.Edits = 1 }), path: filePath, offset: frameAt(3, 40)},
		{name: "malformed edits", damage: reframe(2, func(_ *FrameHeader, p *[]byte) { *p = []byte{77} }), path: filePath, offset: frameAt(2, frameHeaderBytes)},
		{name: "no edits", damage: reframe(2, func(h *FrameHeader, p *[]byte) { *p, h.Edits = nil, 0 }), path: filePath, offset: frameAt(2, frameHeaderBytes)},
		{name: "edit that does not follow", damage: reframe(2, func(h *FrameHeader, p *[]byte) { *p, h.Edits = AppendEdits(nil, Abort{5}), 1 }), path: filePath, offset: frameAt(2, frameHeaderBytes)},
		{name: "malformed state", damage: reframe(0, func(_ *FrameHeader, p *[]byte) { *p = append(*p, 0) }), path: filePath, offset: frameAt(0, frameHeaderBytes)},
		{name: "state with a hole", damage: reframe(0, func(_ *FrameHeader, p *[]byte) {
			s := twoLayers(t)
			s.Layers = s.Layers[1:]
			*p = encoded(s)
		}), path: filePath, offset: frameAt(0, frameHeaderBytes)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			whole, states := storeImage(t)
			var offset int64
			if c.offset != nil {
				offset = c.offset(whole)
			}
			m := whole.clone()
			c.damage(m)
			fs := m.mount(t)
			before := fs.Snapshot()
			l, err := Load(fs, testDir, testStore)
			if !maps.EqualFunc(before, fs.Snapshot(), slices.Equal) {
				t.Fatal("loading changed something")
			}
			var ve *VersionError
			switch {
			case c.version:
				if !errors.As(err, &ve) || ve.Path != c.path || ve.Found <= ve.Want {
					t.Fatalf("error is %v, want a fault of version", err)
				}
			case c.path != "":
				wantCorrupt(t, err, c.path, offset)
			case err != nil:
				t.Fatal(err)
			default:
				if !l.Found || !sameState(l.State(), states[c.groups]) {
					t.Fatalf("found %v %+v, want the state after %d groups", l.Found, l.State(), c.groups)
				}
				if (l.Torn != nil) != c.torn {
					t.Fatalf("torn tail: %+v", l.Torn)
				}
				if l.Torn != nil && (l.Torn.Path != filePath || l.Torn.Reason == "") {
					t.Fatalf("torn tail: %+v", l.Torn)
				}
			}
		})
	}
}

func TestAnotherStoreIsRefused(t *testing.T) {
	m, _ := storeImage(t)
	_, err := Load(m.mount(t), testDir, [16]byte{1})
	wantCorrupt(t, err, currentPath, 16)
}

// CURRENT is made after the first manifest file: without it, an empty first file
// is a store that was not made to the end, and anything else is damage.
func TestMissingCurrentIsNoticed(t *testing.T) {
	fs := newStore(t)
	m := mustOpen(t, fs)
	if err := fs.Remove(currentPath); err != nil {
		t.Fatal(err)
	}
	l, err := Load(fs, testDir, testStore)
	if err != nil || l.Found {
		t.Fatalf("an unfinished store: found %v, %v", l != nil && l.Found, err)
	}
	mustAppend(t, m, begun(m.State(), ActFlush))
	_, err = Load(fs, testDir, testStore)
	wantCorrupt(t, err, currentPath, 0)
}

// A flip is detected, or it is in zeros that are no frame, or it hits the last
// confirm, and then the state is what it was.
func TestEveryFlipIsDetectedOrHarmless(t *testing.T) {
	seed := testSeed(t)
	rng := rand.New(rand.NewPCG(seed, 8))
	m, states := storeImage(t)
	frames := m.frames(t)
	last := frames[len(frames)-1].at
	fs := m.mount(t)
	kinds := map[string]int{}
	for _, name := range []string{currentPath, filePath} {
		for off := int64(0); off < int64(len(m[name])); off++ {
			if name == filePath && off > last+pageBytes {
				off = min(off+rng.Int64N(50), int64(len(m[name]))-1) // zeros are all the same
			}
			mask := byte(1) << rng.IntN(8)
			if err := fs.Corrupt(name, off, mask); err != nil {
				t.Fatal(err)
			}
			l, err := Load(fs, testDir, testStore)
			if err := fs.Corrupt(name, off, mask); err != nil {
				t.Fatal(err)
			}
			var ce *frame.CorruptError
			var ve *VersionError
			kind := "frames"
			if name == filePath && off >= last {
				kind = "last confirm"
				if off >= last+pageBytes {
					kind = "zeros"
				}
			}
			switch {
			case errors.As(err, &ce) && strings.HasPrefix(ce.Path, testDir) || errors.As(err, &ve):
				kind += " detected"
			case err != nil:
				t.Fatalf("%s byte %d: %v", name, off, err)
			case kind == "frames":
				t.Fatalf("-manifest.seed=%d: %s byte %d: bit %#x was flipped and nobody noticed", seed, name, off, mask)
			case !sameState(l.State(), states[3]):
				t.Fatalf("-manifest.seed=%d: %s byte %d: bit %#x changed the state", seed, name, off, mask)
			}
			kinds[kind]++
		}
	}
	t.Logf("%v", kinds)
	if kinds["zeros detected"] != 0 || kinds["zeros"] == 0 || kinds["last confirm"] != pageBytes {
		t.Errorf("implausible: %v", kinds)
	}
}

func TestEveryTruncationIsDetected(t *testing.T) {
	m, _ := storeImage(t)
	b := m[filePath]
	for n := range b {
		if n%512 > 2 && n%512 < 510 && n > 200 {
			continue // not beside a border of anything
		}
		if _, err := Parse(b[:n]); err == nil {
			t.Fatalf("a file of %d bytes cut to %d is read", len(b), n)
		}
	}
}
