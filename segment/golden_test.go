package segment

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The golden file is what version 1 looks like on the medium, for ever. A
// change here means that released stores cannot be read. Only another release
// of the compressor may change what is written, and then v1.seg stays beside
// the new one.
func TestGoldenFile(t *testing.T) {
	b := smallSegment(t)
	var dump bytes.Buffer
	if err := Dump(&dump, bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"v1.seg": b, "v1.txt": dump.Bytes()} {
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
	}
	// Reading is tested on the file itself, whatever writing does.
	old, err := os.ReadFile(filepath.Join("testdata", "v1.seg"))
	if err != nil {
		t.Fatal(err)
	}
	if contents(t, old) != contents(t, b) {
		t.Error("v1.seg reads differently from what is written today")
	}
	p, err := verify(old)
	if err != nil {
		t.Fatal(err)
	}
	if p.Runs != 6 || p.First != 2 || p.Last != 12 || p.ID != 7 || p.Level != 1 || p.Created != 1_700_000_000_123 || p.Store != [16]byte{1, 2, 3} {
		t.Errorf("properties are %+v", p)
	}
}

// Dump says where a damaged file is damaged, and shows what is whole.
func TestDumpShowsTheFault(t *testing.T) {
	pristine := smallSegment(t)
	s := open(t, pristine)
	blocks := blocksOf(t, pristine)
	second := blocks[1].Pos
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		fault  string // "" = none
		shows  string
	}{
		{"whole", func(b []byte) []byte { return b }, "", "end at "},
		{"nothing", func([]byte) []byte { return nil }, "header is cut short", ""},
		{"header", func(b []byte) []byte { b[20] ^= 1; return b }, "header does not match", ""},
		{"cut in a block", func(b []byte) []byte { return b[:blocks[len(blocks)-1].Pos+40] }, "no footer", "block at 64\n"},
		{"payload", func(b []byte) []byte { b[second-1] ^= 1; return b }, "payload does not match", "stream 12, from 1 to"},
		{"block header", func(b []byte) []byte { b[second+8] ^= 1; return b }, "block header does not match", "stream 12, from 1 to"},
		{"page", func(b []byte) []byte { b[s.footer[sectionIndex].pos+20] ^= 1; return b }, "page does not match", "block at 64\n"},
		{"page index", func(b []byte) []byte { b[s.footer[sectionPages].pos] ^= 1; return b }, "page index does not match", "an append of 1200"},
	} {
		b := c.damage(bytes.Clone(pristine))
		var out strings.Builder
		err := Dump(&out, bytes.NewReader(b), int64(len(b)))
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) ||
			!strings.Contains(out.String(), c.fault) || !strings.Contains(out.String(), c.shows) {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
}
