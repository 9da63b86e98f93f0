package memfs_test

import (
	"testing"

	"tailrace/internal/vfs/memfs"
)

func TestLinkNeedsSyncOfItsDirectory(t *testing.T) {
	fs := memfs.New()
	must(t, fs.MkdirAll("d"))
	durable(t, fs, "a", "content")
	must(t, fs.Link("a", "d/b"))
	must(t, fs.SyncDir("")) // of the other directory
	after := fs.Crash(nil, memfs.KeepNone)
	if _, ok := read(t, after, "d/b"); ok {
		t.Error("a link is there that no SyncDir made durable")
	}
	if got, ok := read(t, after, "a"); !ok || got != "content" {
		t.Errorf("the first name has %q, %t", got, ok)
	}

	fs = memfs.New()
	must(t, fs.MkdirAll("d"))
	durable(t, fs, "a", "content")
	must(t, fs.Link("a", "d/b"))
	must(t, fs.SyncDir("d"))
	after = fs.Crash(nil, memfs.KeepNone)
	if got, ok := read(t, after, "d/b"); !ok || got != "content" {
		t.Errorf("the durable link has %q, %t", got, ok)
	}
}

// TestLinksStayOneFileAfterCrash: what was not synced is kept or lost for both
// names alike, and takes its space once.
func TestLinksStayOneFileAfterCrash(t *testing.T) {
	first := seed(t)
	for i := range uint64(100) {
		fs := memfs.New()
		must(t, fs.MkdirAll("d"))
		f := durable(t, fs, "a", "content")
		must(t, fs.Link("a", "d/b"))
		must(t, fs.SyncDir("d"))
		write(t, f, "CONTENT", 0)
		used := fs.Used()
		after := fs.Crash(newRand(first+i), memfs.KeepSome)
		a, _ := read(t, after, "a")
		b, _ := read(t, after, "d/b")
		if a != b {
			t.Fatalf("-memfs.seed=%d: the names have %q and %q", first+i, a, b)
		}
		if after.Used() != used || after.Clone().Used() != used {
			t.Fatalf("-memfs.seed=%d: %d bytes used before the crash, %d after it, %d in a clone", first+i, used, after.Used(), after.Clone().Used())
		}
		must(t, after.Remove("a"))
		if after.Used() != used {
			t.Fatal("space is free while the file has a name")
		}
		must(t, after.Remove("d/b"))
		if after.Used() != 0 {
			t.Fatalf("%d bytes used by a file without a name", after.Used())
		}
	}
}

// TestLinkNeverCostsTheFirstName: links within a directory, renamed and removed
// again, and no crash takes the name that nobody touched.
func TestLinkNeverCostsTheFirstName(t *testing.T) {
	first := seed(t)
	for i := range uint64(300) {
		fs := memfs.New()
		durable(t, fs, "a", "content")
		must(t, fs.Link("a", "b"))
		must(t, fs.Rename("b", "c"))
		must(t, fs.Link("c", "b"))
		must(t, fs.Remove("c"))
		after := fs.Crash(newRand(first+i), memfs.KeepSome)
		if got, ok := read(t, after, "a"); !ok || got != "content" {
			t.Fatalf("-memfs.seed=%d: the first name has %q, %t", first+i, got, ok)
		}
	}
}
