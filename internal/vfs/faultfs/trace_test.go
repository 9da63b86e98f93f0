package faultfs_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"tailrace/internal/vfs/faultfs"
)

func TestTraceShowsCallsAndFailures(t *testing.T) {
	fs, _ := newFS()
	f := create(t, fs, "a")
	_, err := f.WriteAt([]byte("hello"), 512)
	must(t, err)
	must(t, f.Allocate(4096))
	fs.FailNth(faultfs.SyncData, 1, errTest)
	wantError(t, "SyncData", f.SyncData(), errTest)
	must(t, fs.Rename("a", "b"))
	want := strings.Join([]string{
		`1 create a`,
		`2 write a off=512 len=5`,
		`3 allocate a size=4096`,
		`4 syncdata a error="test failure"`,
		`5 rename a to=b`,
	}, "\n") + "\n"
	if got := fs.TraceString(); got != want {
		t.Errorf("trace:\n%swant:\n%s", got, want)
	}
	fs.ResetTrace()
	must(t, f.Close())
	if got := fs.TraceString(); got != "6 close a\n" {
		t.Errorf("trace after a reset: %q", got)
	}
}

func TestSitesNameTheCallingLine(t *testing.T) {
	fs, _ := newFS()
	outer := faultfs.New(fs) // not a caller of its own
	f := create(t, outer, "a")
	_, err := io.Copy(io.NewOffsetWriter(f, 0), bytes.NewReader([]byte("hello")))
	must(t, err)
	for i := range 3 {
		if i == 2 {
			fs.FailNth(faultfs.Sync, 1, errTest)
		}
		err = f.Sync()
	}
	wantError(t, "Sync", err, errTest)

	for _, layer := range []*faultfs.FS{fs, outer} {
		seen := layer.Seen()
		if len(seen) != 3 {
			t.Errorf("sites seen: %v, want 3", seen)
		}
		counts := map[string]int{}
		for site, n := range seen {
			kind, place, _ := strings.Cut(site, " ")
			file, line, _ := strings.Cut(place, ":")
			if want := "_test.go"; !strings.HasSuffix(file, want) || line == "" ||
				!strings.HasPrefix(file, "tailrace/internal/vfs/faultfs_test/") {
				t.Errorf("site %q is not a line of the test", site)
			}
			counts[kind] += n
		}
		if counts["create"] != 1 || counts["write"] != 1 || counts["sync"] != 3 {
			t.Errorf("calls by kind: %v", counts)
		}
	}
	failed := fs.Sites()
	if len(failed) != 1 {
		t.Fatalf("failed sites: %v, want one", failed)
	}
	for site, n := range failed {
		if !strings.HasPrefix(site, "sync ") || n != 1 || fs.Seen()[site] != 3 {
			t.Errorf("failed site %q, %d of %d times", site, n, fs.Seen()[site])
		}
	}
	// The inner file system failed; the outer one passed that on.
	if got := outer.Sites(); len(got) != 0 {
		t.Errorf("failed sites of the outer file system: %v", got)
	}
}

func BenchmarkGate(b *testing.B) {
	fs, _ := newFS()
	f, err := fs.Create("a")
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 300)
	for b.Loop() {
		if _, err := f.WriteAt(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
