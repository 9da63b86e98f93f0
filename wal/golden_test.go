package wal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailrace/internal/vfs/memfs"
)

// The store that the golden files hold: every kind of frame that one file can
// end with, and a payload of more than one page.
func goldenStore(t *testing.T) (image, []string) {
	fs := memfs.New()
	l, _, _ := mustOpen(t, testOptions(fs))
	big := strings.Repeat("0123456789abcdef", 300)
	put := func(at int64, records ...string) {
		f := frameOf(records...)
		f.At = at
		if _, err := l.Append(f); err != nil {
			t.Fatal(err)
		}
	}
	put(1_700_000_000_100, "first")
	put(1_700_000_000_200, "second", "", "fourth of this log")
	if err := l.Witness(); err != nil {
		t.Fatal(err)
	}
	put(1_700_000_000_300, big, "after the big one")
	mustClose(t, l)
	return fs.Snapshot(), []string{"first", "second", "", "fourth of this log", big, "after the big one"}
}

// The golden files are what version 1 looks like on the medium, for ever. A
// change here means that released stores cannot be read.
func TestGoldenFile(t *testing.T) {
	m, records := goldenStore(t)
	golden := func(name string) string { return filepath.Join("testdata", name) }
	var dump bytes.Buffer
	file := m[filePath(1)]
	if err := Dump(&dump, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{
		"v1.STORE":   m[paths{testDir}.store()],
		"v1.wal":     file,
		"v1.wal.txt": dump.Bytes(),
	}
	for name, b := range contents {
		if *updateFlag {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden(name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden(name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s differs from what is written today", name)
		}
	}
	// Reading is tested on the files themselves, whatever writing does.
	old := image{}
	for name, path := range map[string]string{"v1.STORE": paths{testDir}.store(), "v1.wal": filePath(1)} {
		b, err := os.ReadFile(golden(name))
		if err != nil {
			t.Fatal(err)
		}
		old[path] = b
	}
	fs := old.mount(t)
	if err := fs.MkdirAll(paths{testDir}.wal()); err != nil {
		t.Fatal(err)
	}
	_, rec, got := mustOpen(t, testOptions(fs))
	wantRecords(t, got, records)
	if !rec.Clean || rec.LastSeq != 5 {
		t.Errorf("recovery is %+v", rec)
	}
}

// Dump says where a damaged file is damaged, after all that is whole.
func TestDumpShowsTheFault(t *testing.T) {
	m, _ := storeImage(t, "witness")
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   string
		fails  bool
	}{
		{"whole", func(b []byte) []byte { return b }, "no seal, zeros up to 65536", false},
		{"header", func(b []byte) []byte { b[50] ^= 1; return b }, "file header does not match its checksum", true},
		{"first frame", func(b []byte) []byte { b[headerBytes+65] ^= 1; return b }, "was acknowledged", true},
		{"tail", func(b []byte) []byte { b[60000] ^= 1; return b }, "torn tail", false},
		{"cut", func(b []byte) []byte { return b[:50000] }, "50000 bytes long instead of 65536", true},
		{"nothing", func([]byte) []byte { return nil }, "cut short", true},
	} {
		b := c.damage(bytes.Clone(m[filePath(3)]))
		var out strings.Builder
		err := Dump(&out, bytes.NewReader(b), int64(len(b)))
		if (err != nil) != c.fails || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
}
