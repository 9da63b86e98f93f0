package checkpoint

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var goldenLines = map[string][]line{
	"v1.snap": {{id: 1, row: []byte("first")}, {id: 2, row: []byte{}}, {id: 200, row: bytes.Repeat([]byte("0123456789"), 20)}, {id: 1<<52 + 1, row: []byte("last")}},
	"v1.delta": {{id: 1, removed: true}, {id: 2, row: []byte("second, changed")},
		{id: 200, removed: true}, {id: 1<<52 + 2, row: []byte("new")}},
}

// The golden files are what version 1 looks like on the medium, for ever. A
// change here means that released stores cannot be read.
func TestGoldenFile(t *testing.T) {
	for name, lines := range goldenLines {
		h := snapshotHeader
		if strings.HasSuffix(name, ".delta") {
			h = deltaHeader
		}
		b := write(t, h, lines)
		var dump bytes.Buffer
		if err := Dump(&dump, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{name: b, name + ".txt": dump.Bytes()} {
			path := filepath.Join("testdata", file)
			if *updateFlag {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content, want) {
				t.Errorf("%s differs from what is written today", file)
			}
		}
		// Reading is tested on the file itself, whatever writing does.
		old, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got, back, _, err := read(old); err != nil || got != h || !sameLines(back, lines) {
			t.Errorf("%s reads as %+v %+v, %v", name, got, back, err)
		}
	}
}

// Dump says where a damaged file is damaged, after all that is whole.
func TestDumpShowsTheFault(t *testing.T) {
	whole, at := smallFile(t)
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   string
		fails  bool
	}{
		{"whole", func(b []byte) []byte { return b }, "5 rows of 131080 bytes, 2 removed, 3 blocks", false},
		{"header", func(b []byte) []byte { b[50] ^= 1; return b }, "header does not match its checksum", true},
		{"block", func(b []byte) []byte { b[at[1]+65] ^= 1; return b }, "stream 4 removed", true},
		{"cut", func(b []byte) []byte { return b[:at[2]] }, "file is cut short", true},
		{"nothing", func([]byte) []byte { return nil }, "cut short", true},
	} {
		var out strings.Builder
		b := c.damage(bytes.Clone(whole))
		err := Dump(&out, bytes.NewReader(b), int64(len(b)))
		if (err != nil) != c.fails || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%.2000s", c.name, err, out.String())
		}
	}
}
