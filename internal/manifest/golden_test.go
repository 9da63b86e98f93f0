package manifest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenImage is a store with a bucket, whose edits are of every kind there.
func goldenImage(t testing.TB) (m image, last State) {
	fs := newStore(t)
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		t.Fatal(err)
	}
	l.contents.State = inBucket(t)
	one, err := l.Open(testOptions())
	if err != nil {
		t.Fatal(err)
	}
	parted := layerOf(0, 20, 14, 15)
	parted.Segments[1].FirstStream, parted.Segments[1].Start = 99, 4711
	mustAppend(t, one, Claim{[16]byte{7}}, Begin{11, ActEvict, []File{{12, FileIndex}}}, Evict{11, []Evicted{{3, 12}}}, Sent{6},
		Begin{13, ActMerge, []File{{14, FileSegment}, {15, FileSegment}}},
		Commit{Act: 13, Remove: []uint64{2, 3, 6}, Add: []Layer{parted}},
		Send{Object{File: File{16, FileState}, Bytes: 160, CRC: 0x16161616}}, Sent{16}, Publish{16, []uint64{4, 7}, []uint64{2, 3}, 1_800_000_000_000},
		Collected{[]uint64{3}}, shut{300})
	return fs.Snapshot(), one.State()
}

// The golden files are what version 2 looks like on the medium, for ever. A
// change here means that released stores cannot be read.
func TestGoldenFile(t *testing.T) {
	const filePath = "data/manifest/00000000000000000001.manifest"
	m, state := goldenImage(t)
	var dump bytes.Buffer
	if err := Dump(&dump, m[filePath]); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{"v2.CURRENT": m[currentPath], "v2.manifest": m[filePath], "v2.manifest.txt": dump.Bytes()}
	old := map[string][]byte{}
	for name, b := range contents {
		path := filepath.Join("testdata", name)
		if *updateFlag {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s differs from what is written today", name)
		}
		old[name] = want
	}
	// Reading is tested on the files themselves, whatever writing does.
	fs := image{currentPath: old["v2.CURRENT"], filePath: old["v2.manifest"]}.mount(t)
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		t.Fatal(err)
	}
	if !sameState(l.State(), state) || l.Torn != nil {
		t.Errorf("state is %+v, torn %v", l.State(), l.Torn)
	}
}

// Version 1 had no buckets. Its files are read for ever, and taken over as
// version 2.
func TestVersion1IsRead(t *testing.T) {
	_, states := storeImage(t)
	m := image{}
	for name, at := range map[string]string{"v1.CURRENT": currentPath, "v1.manifest": filePath} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		m[at] = b
	}
	fs := m.mount(t)
	l, err := Load(fs, testDir, testStore)
	if err != nil || !sameState(l.State(), states[3]) {
		t.Fatalf("state is %+v, %v", l, err)
	}
	mustAppend(t, mustOpen(t, fs), Claim{testStore})
	if got := mustOpen(t, fs).State(); got.Tier.Owner != testStore || len(got.Layers) != len(states[3].Layers) {
		t.Errorf("taken over, it is %+v", got)
	}
}

// Dump says where a damaged file is damaged, after all that is whole.
func TestDumpShowsTheFault(t *testing.T) {
	m, _ := storeImage(t)
	frames := m.frames(t)
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   string
		fails  bool
	}{
		{"whole", func(b []byte) []byte { return b }, "zeros up to", false},
		{"header", func(b []byte) []byte { b[50] ^= 1; return b }, "header does not match its checksum", true},
		{"group", func(b []byte) []byte { b[frames[2].at+65] ^= 1; return b }, "proves that one was here", true},
		{"tail", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "torn tail", false},
		{"no confirm", func(b []byte) []byte { clear(b[frames[7].at:]); return b }, "has no confirm", false},
		{"cut", func(b []byte) []byte { return b[:len(b)-pageBytes] }, "file is cut short", true},
		{"nothing", func([]byte) []byte { return nil }, "cut short", true},
	} {
		var out strings.Builder
		err := Dump(&out, c.damage(bytes.Clone(m[filePath])))
		if (err != nil) != c.fails || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
}
