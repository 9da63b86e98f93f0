package memfs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/vfs/memfs"
)

func TestUnsyncedBytesAreLost(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", "hello")
	write(t, f, "J", 0)
	write(t, f, " again", 5)
	wantFile(t, fs, "a", "Jello again")
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "hello")
	wantFile(t, fs.Crash(nil, memfs.KeepAll), "a", "Jello again")
}

func TestSyncedBytesAreKept(t *testing.T) {
	for _, data := range []bool{false, true} {
		fs := memfs.New()
		f := durable(t, fs, "a", "hello")
		write(t, f, " again", 5)
		if data {
			must(t, f.SyncData())
		} else {
			must(t, f.Sync())
		}
		rng := newRand(seed(t))
		for range 50 {
			wantFile(t, fs.Crash(rng, memfs.KeepSome), "a", "hello again")
		}
		wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "hello again")
	}
}

func TestSyncOfFileDoesNotKeepName(t *testing.T) {
	fs := memfs.New()
	must(t, create(t, fs, "a", "hello").Sync())
	wantMissing(t, fs.Crash(nil, memfs.KeepNone), "a")
	wantFile(t, fs.Crash(nil, memfs.KeepAll), "a", "hello")
}

func TestSyncDirDoesNotKeepContent(t *testing.T) {
	fs := memfs.New()
	create(t, fs, "a", "hello")
	must(t, fs.SyncDir(""))
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "")
}

func TestSyncDirIsAboutOneDirectory(t *testing.T) {
	fs := memfs.New()
	must(t, fs.MkdirAll("d/e"))
	must(t, create(t, fs, "d/a", "x").Sync())
	must(t, create(t, fs, "d/e/a", "y").Sync())
	must(t, fs.SyncDir("d/e"))
	after := fs.Crash(nil, memfs.KeepNone)
	wantMissing(t, after, "d/a")
	wantFile(t, after, "d/e/a", "y")
}

func TestMadeDirectoryIsDurable(t *testing.T) {
	fs := memfs.New()
	must(t, fs.MkdirAll("/d/e"))
	after := fs.Crash(nil, memfs.KeepNone)
	names, err := after.ReadDir("d")
	if err != nil || len(names) != 1 || names[0] != "e" {
		t.Fatalf("ReadDir = %q, %v, want e", names, err)
	}
}

func TestMkdirAllSyncsParent(t *testing.T) {
	fs := memfs.New()
	must(t, create(t, fs, "a", "hello").Sync())
	must(t, fs.MkdirAll("d"))
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "hello")
}

func TestUnsyncedRemovalCanComeBack(t *testing.T) {
	seen := outcomes(t, 200, func() *memfs.FS {
		fs := memfs.New()
		must(t, durable(t, fs, "a", "hello").Close())
		must(t, fs.Remove("a"))
		return fs
	}, func(after *memfs.FS) string {
		content, ok := read(t, after, "a")
		return fmt.Sprint(content, ok)
	})
	wantExactly(t, seen, "hellotrue", "false")
}

func TestWritesTearAtSectors(t *testing.T) {
	// One write over three sectors: each is old or new as a whole, and every
	// one of the eight combinations happens.
	const sector = 512
	seen := outcomes(t, 2000, func() *memfs.FS {
		fs := memfs.New()
		f := durable(t, fs, "a", strings.Repeat("o", 4*sector))
		write(t, f, strings.Repeat("n", 3*sector-200), 100)
		return fs
	}, func(after *memfs.FS) string {
		content, _ := read(t, after, "a")
		if len(content) != 4*sector {
			t.Fatalf("length %d", len(content))
		}
		var states string
		for i, want := range []string{
			strings.Repeat("o", 100) + strings.Repeat("n", sector-100),
			strings.Repeat("n", sector),
			strings.Repeat("n", sector-100) + strings.Repeat("o", 100),
			strings.Repeat("o", sector),
		} {
			switch content[i*sector : (i+1)*sector] {
			case want:
				states += "n"
			case strings.Repeat("o", sector):
				states += "o"
			default:
				t.Fatalf("sector %d is neither old nor new", i)
			}
		}
		return states
	})
	wantExactly(t, seen, "ooon", "oonn", "onon", "onnn", "noon", "nonn", "nnon", "nnnn")
}

func TestGrowthAndDataAreApart(t *testing.T) {
	seen := outcomes(t, 500, func() *memfs.FS {
		fs := memfs.New()
		f := durable(t, fs, "a", strings.Repeat("o", 512))
		write(t, f, strings.Repeat("n", 512), 512)
		write(t, f, strings.Repeat("m", 512), 1024)
		return fs
	}, func(after *memfs.FS) string {
		content, _ := read(t, after, "a")
		return squeeze(content)
	})
	// "0" is a sector of zeros: its length got there and its data did not.
	wantExactly(t, seen, "o", "on", "o0", "onm", "on0", "o0m", "o00")
}

// squeeze writes each sector as its first letter.
func squeeze(content string) string {
	var b strings.Builder
	for i := 0; i < len(content); i += 512 {
		if content[i] == 0 {
			b.WriteByte('0')
		} else {
			b.WriteByte(content[i])
		}
	}
	return b.String()
}

func TestCutIsKeptOrLost(t *testing.T) {
	seen := outcomes(t, 500, func() *memfs.FS {
		fs := memfs.New()
		f := durable(t, fs, "a", strings.Repeat("o", 1024))
		must(t, f.Truncate(512))
		must(t, f.Truncate(1536))
		return fs
	}, func(after *memfs.FS) string {
		content, _ := read(t, after, "a")
		return squeeze(content)
	})
	// What was cut never comes back in a file that grew again.
	wantExactly(t, seen, "oo", "o", "o00")
}

func TestTruncateIsDurableAfterSync(t *testing.T) {
	for _, size := range []int64{0, 100, 512, 4096, 5000} {
		fs := memfs.New()
		f := durable(t, fs, "a", strings.Repeat("o", 9000))
		must(t, f.Truncate(size))
		must(t, f.SyncData())
		must(t, f.Truncate(9000))
		must(t, f.Sync())
		want := strings.Repeat("o", int(size)) + strings.Repeat("\x00", 9000-int(size))
		wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", want)
	}
}

func TestAllocatedLengthNeedsSync(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", "hello")
	must(t, f.Allocate(8192))
	wantFile(t, fs.Clone().Crash(nil, memfs.KeepNone), "a", "hello"+strings.Repeat("\x00", 8187))
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", "hello")
}

func TestFailedSyncLosesWhatItShouldWrite(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", strings.Repeat("o", 2048))
	write(t, f, strings.Repeat("n", 1536), 0)
	must(t, fs.FailSync(f))
	if got := readFile(t, f); squeeze(got) != "nnno" {
		t.Fatalf("seen = %q, want the new bytes", squeeze(got))
	}
	// The retry that succeeds is the trap; only what is written again counts.
	must(t, f.Sync())
	write(t, f, "m", 512)
	must(t, f.Sync())
	after := fs.Crash(nil, memfs.KeepNone)
	got, _ := read(t, after, "a")
	if squeeze(got) != "omoo" {
		t.Fatalf("on the medium = %q, want omoo", squeeze(got))
	}
}

func TestFailedSyncOfGrowthLeavesZeros(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", strings.Repeat("o", 512))
	write(t, f, strings.Repeat("n", 512), 512)
	must(t, fs.FailSync(f))
	must(t, f.Sync())
	got, _ := read(t, fs.Crash(nil, memfs.KeepNone), "a")
	if squeeze(got) != "o0" {
		t.Fatalf("on the medium = %q, want o0", squeeze(got))
	}
}

func TestFailedSyncMayHaveWrittenSome(t *testing.T) {
	seen := outcomes(t, 300, func() *memfs.FS {
		fs := memfs.New()
		f := durable(t, fs, "a", strings.Repeat("o", 1024))
		write(t, f, strings.Repeat("n", 1024), 0)
		must(t, fs.FailSync(f))
		must(t, f.Sync())
		return fs
	}, func(after *memfs.FS) string {
		content, _ := read(t, after, "a")
		return squeeze(content)
	})
	wantExactly(t, seen, "oo", "no", "on", "nn")
}

func TestFailSyncRefusesForeignFile(t *testing.T) {
	f := create(t, memfs.New(), "a", "x")
	if err := memfs.New().FailSync(f); err == nil {
		t.Fatal("no error")
	}
}

func TestCrashEndsEverything(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", "hello")
	l, err := fs.Lock("LOCK")
	must(t, err)
	after := fs.Crash(nil, memfs.KeepAll)

	_, createErr := fs.Create("b")
	_, openErr := fs.Open("a")
	_, readDirErr := fs.ReadDir("")
	_, lockErr := fs.Lock("LOCK")
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, writeErr := f.WriteAt([]byte("x"), 0)
	_, sizeErr := f.Size()
	_, linkedErr := f.Linked()
	for what, err := range map[string]error{
		"Create": createErr, "Open": openErr, "ReadDir": readDirErr, "Lock": lockErr,
		"Rename": fs.Rename("a", "b"), "Remove": fs.Remove("a"), "MkdirAll": fs.MkdirAll("d"),
		"SyncDir": fs.SyncDir(""), "BreakLock": fs.BreakLock("LOCK"), "Corrupt": fs.Corrupt("a", 0, 1),
		"FailSync": fs.FailSync(f),
		"ReadAt":   readErr, "WriteAt": writeErr, "Size": sizeErr, "Linked": linkedErr,
		"Truncate": f.Truncate(0), "Allocate": f.Allocate(9), "Sync": f.Sync(), "SyncData": f.SyncData(),
		"Close": f.Close(), "Unlock": l.Close(),
	} {
		if !errors.Is(err, memfs.ErrPowerLoss) {
			t.Errorf("%s: error %v, want ErrPowerLoss", what, err)
		}
	}

	wantFile(t, after, "a", "hello")
	if _, err := after.Lock("LOCK"); err != nil {
		t.Errorf("Lock after the crash: %v", err)
	}
}

func TestSameSeedSameCrash(t *testing.T) {
	s := seed(t)
	snapshot := func() string {
		fs := memfs.New()
		for i := range 20 {
			f := create(t, fs, fmt.Sprintf("f%d", i), strings.Repeat("x", 3000))
			if i%2 == 0 {
				must(t, f.Sync())
			}
			write(t, f, strings.Repeat("y", 2000), 500)
		}
		return fmt.Sprint(fs.Crash(newRand(s), memfs.KeepSome).Snapshot())
	}
	first := snapshot()
	for range 5 {
		if snapshot() != first {
			t.Fatal("another outcome")
		}
	}
}

func TestOutcomesAreApart(t *testing.T) {
	fs := memfs.New()
	f := durable(t, fs, "a", strings.Repeat("o", 5000))
	write(t, f, "unsynced", 0)
	first, second := fs.Crash(nil, memfs.KeepAll), fs.Crash(nil, memfs.KeepAll)
	clone := first.Clone()
	must(t, first.Corrupt("a", 0, 0x20))
	must(t, first.Corrupt("a", 4999, 0x20))
	want := "nsynced" + strings.Repeat("o", 4991)
	wantFile(t, first, "a", "U"+want+"O")
	wantFile(t, second, "a", "u"+want+"o")
	wantFile(t, clone, "a", "u"+want+"o")
	wantFile(t, fs.Crash(nil, memfs.KeepNone), "a", strings.Repeat("o", 5000))
}
