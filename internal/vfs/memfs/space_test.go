package memfs_test

import (
	"errors"
	"strings"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

const page = 4096

func wantUsed(t *testing.T, fs *memfs.FS, pages int64) {
	t.Helper()
	if got := fs.Used(); got != pages*page {
		t.Fatalf("Used = %d pages, want %d", got/page, pages)
	}
}

func TestFullDiskRefusesGrowth(t *testing.T) {
	fs := memfs.New()
	fs.SetCapacity(4 * page)
	f := create(t, fs, "a", strings.Repeat("x", 2*page))

	if err := f.Allocate(5 * page); !errors.Is(err, vfs.ErrNoSpace) {
		t.Fatalf("Allocate: %v, want ErrNoSpace", err)
	}
	wantUsed(t, fs, 2)
	if size, _ := f.Size(); size != 2*page {
		t.Fatalf("Size = %d after a refused Allocate", size)
	}

	// A write gets as far as there is room, as on a real disk.
	n, err := f.WriteAt(make([]byte, 4*page), page)
	if n != 3*page || !errors.Is(err, vfs.ErrNoSpace) {
		t.Fatalf("WriteAt = %d, %v, want %d, ErrNoSpace", n, err, 3*page)
	}
	wantUsed(t, fs, 4)
	write(t, f, "overwriting needs no room", 0)
	must(t, f.Sync())
	write(t, f, "after a sync neither", 0)
}

func TestAllocatedSpaceIsKept(t *testing.T) {
	fs := memfs.New()
	fs.SetCapacity(4 * page)
	f := create(t, fs, "a", "")
	must(t, f.Allocate(3*page))
	wantUsed(t, fs, 3)
	g := create(t, fs, "b", "x")
	if _, err := g.WriteAt([]byte("x"), page); !errors.Is(err, vfs.ErrNoSpace) {
		t.Fatalf("WriteAt: %v, want ErrNoSpace", err)
	}
	write(t, f, strings.Repeat("x", 3*page), 0)
	wantUsed(t, fs, 4)

	must(t, f.Sync())
	must(t, g.Sync())
	must(t, fs.SyncDir(""))
	after := fs.Crash(nil, memfs.KeepNone)
	wantUsed(t, after, 4)
	if _, err := create(t, after, "c", "").WriteAt([]byte("x"), 0); !errors.Is(err, vfs.ErrNoSpace) {
		t.Fatalf("WriteAt after the crash: %v, want ErrNoSpace", err)
	}
}

func TestFreedSpaceComesBack(t *testing.T) {
	fs := memfs.New()
	fs.SetCapacity(4 * page)
	f := create(t, fs, "a", strings.Repeat("x", 4*page))
	must(t, f.Truncate(page+1))
	wantUsed(t, fs, 2)
	must(t, create(t, fs, "b", "x").Close())
	wantUsed(t, fs, 3)
	must(t, fs.Rename("a", "b"))
	wantUsed(t, fs, 2)

	// An open file without a name holds its space until it is closed.
	must(t, fs.Remove("b"))
	wantUsed(t, fs, 2)
	must(t, f.Close())
	wantUsed(t, fs, 0)
	must(t, create(t, fs, "c", "").Allocate(4*page))
}

func TestHolesNeedNoSpace(t *testing.T) {
	fs := memfs.New()
	fs.SetCapacity(2 * page)
	f := create(t, fs, "a", "x")
	must(t, f.Truncate(1000*page))
	write(t, f, "x", 999*page)
	wantUsed(t, fs, 2)
}

func TestBrokenLockLetsSecondIn(t *testing.T) {
	fs := memfs.New()
	if err := fs.BreakLock("LOCK"); err == nil {
		t.Fatal("BreakLock of a free lock: no error")
	}
	first, err := fs.Lock("LOCK")
	must(t, err)
	must(t, fs.BreakLock("/LOCK"))
	second, err := fs.Lock("LOCK")
	must(t, err)
	// The first holder does not release the second one's lock.
	must(t, first.Close())
	if _, err := fs.Lock("LOCK"); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("Lock: %v, want ErrLocked", err)
	}
	must(t, second.Close())
}

func TestCorruptHitsBothViews(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", "hello")
	write(t, f, "j", 0)
	must(t, fs.Corrupt("a", 1, 0x20))
	wantFile(t, fs, "a", "jEllo")
	for _, off := range []int64{-1, 5} {
		if err := fs.Corrupt("a", off, 1); err == nil {
			t.Errorf("Corrupt at %d: no error", off)
		}
	}
	if err := fs.Corrupt("b", 0, 1); err == nil {
		t.Error("Corrupt of a missing file: no error")
	}
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "hEllo")
}

func TestCorruptPastMediumComesWithItsSector(t *testing.T) {
	seen := outcomes(t, 300, func() *memfs.FS {
		fs := memfs.New()
		f := durable(t, fs, "a", "")
		must(t, f.Truncate(1024))
		must(t, fs.Corrupt("a", 512, 'x'))
		return fs
	}, func(after *memfs.FS) string {
		content, _ := read(t, after, "a")
		return squeeze(content)
	})
	wantExactly(t, seen, "", "00", "0x")
}

func BenchmarkAppendSyncCrash(b *testing.B) {
	record := []byte(strings.Repeat("r", 300))
	for b.Loop() {
		fs := memfs.New()
		f, err := fs.Create("a")
		must(b, err)
		must(b, fs.SyncDir(""))
		for i := range int64(200) {
			_, err := f.WriteAt(record, i*300)
			must(b, err)
			must(b, f.SyncData())
		}
		fs.Crash(nil, memfs.KeepNone)
	}
}

func TestFreeIsWhatIsLeft(t *testing.T) {
	fs := memfs.New()
	wantFree := func(pages uint64) {
		t.Helper()
		if got, err := fs.Free(""); err != nil || got != pages*page {
			t.Fatalf("Free = %d pages, %v; want %d", got/page, err, pages)
		}
	}
	f := create(t, fs, "a", strings.Repeat("x", 2*page))
	if got, err := fs.Free(""); err != nil || got < 1<<60 {
		t.Fatalf("Free = %d, %v without a limit", got, err)
	}
	fs.SetCapacity(5 * page)
	wantFree(3)
	must(t, f.Allocate(5*page))
	wantFree(0)
	fs.SetCapacity(4 * page)
	wantFree(0)
}
