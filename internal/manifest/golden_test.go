package manifest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The golden files are what version 1 looks like on the medium, for ever. A
// change here means that released stores cannot be read.
func TestGoldenFile(t *testing.T) {
	m, states := storeImage(t)
	var dump bytes.Buffer
	if err := Dump(&dump, m[filePath]); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{"v1.CURRENT": m[currentPath], "v1.manifest": m[filePath], "v1.manifest.txt": dump.Bytes()}
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
	fs := image{currentPath: old["v1.CURRENT"], filePath: old["v1.manifest"]}.mount(t)
	l, err := Load(fs, testDir, testStore)
	if err != nil {
		t.Fatal(err)
	}
	if !sameState(l.State(), states[3]) || l.Torn != nil {
		t.Errorf("state is %+v, torn %v", l.State(), l.Torn)
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
		{"whole", func(b []byte) []byte { return b }, "closed, log ends at seq 300", false},
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
