package wal

import (
	"errors"
	"strings"
	"testing"

	"tailrace/internal/vfs/memfs"
)

// largeFrames is larger than a test store's FileBytes.
const largeFrames = 160_000

// Without larger frames a file is as long as it ever was, and takes what it
// ever took.
func TestCapacityIsFileBytesByDefault(t *testing.T) {
	for _, c := range []struct {
		files    int64
		frames   int
		capacity int64
		largest  int
	}{
		{64 << 10, 0, 64 << 10, 64<<10 - 3*pageBytes - 8<<10 - frameHeaderBytes},
		{64 << 20, 0, 64 << 20, 32 << 20},
		{64 << 20, 1000, 64 << 20, 32 << 20},
		{64 << 20, 32<<20 + 16<<10, 64 << 20, 32<<20 + 16<<10},
		{64 << 10, 32<<20 - frameHeaderBytes, 32<<20 + 3*pageBytes + 8<<10, 32<<20 - frameHeaderBytes},
		{16 << 20, 16 << 20, 16<<20 + pageBytes + 3*pageBytes + 1<<20, 16 << 20},
	} {
		o := Options{FileBytes: c.files, FrameBytesMax: c.frames}.withDefaults()
		if o.capacity() != c.capacity || o.FrameBytesMax != c.largest {
			t.Errorf("files of %d, frames of %d: capacity %d, want %d; largest frame %d, want %d",
				c.files, c.frames, o.capacity(), c.capacity, o.FrameBytesMax, c.largest)
		}
		if o.firstBytes() > o.capacity() || o.leastBytes() > o.firstBytes() {
			t.Errorf("files of %d: %d, the first of an epoch %d, at least %d", c.files, o.capacity(), o.firstBytes(), o.leastBytes())
		}
	}
	o := Options{FS: memfs.New(), Dir: testDir, FrameBytesMax: FrameBytesLimit}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	if o.FrameBytesMax++; o.Validate() == nil {
		t.Error("a frame beyond the limit is valid")
	}
}

// A file ends at FileBytes, or with the large frame that went over it, as soon
// as there is a spare; without one it goes on.
func TestFilesEndAtFileBytes(t *testing.T) {
	mem, w := memfs.New(), &life{frames: largeFrames}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	put := func(size int, file uint64) {
		t.Helper()
		if err := w.append(l, size); err != nil {
			t.Fatal(err)
		}
		if l.cur.number != file {
			t.Fatalf("the record of %d bytes went into file %d, want %d", size, l.cur.number, file)
		}
	}
	allocate := func() {
		t.Helper()
		if err := l.Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	for l.cur.pos < fileBytesMin {
		put(50, 1)
	}
	put(50, 1) // there is no spare
	allocate()
	put(50, 2)
	allocate()
	put(140_000, 2)
	put(50, 3)
	allocate()
	put(140_000, 3)
	put(140_000, 4)
	// Those that are full have nothing allocated behind what was written.
	for n, want := range map[uint64]int{1: fileBytesMin + 2*pageBytes, 2: 3*pageBytes + 35*pageBytes, 3: 3*pageBytes + 35*pageBytes} {
		if got := len(readAll(t, mem, filePath(n))); got != want {
			t.Errorf("file %d has %d bytes, want %d", n, got, want)
		}
	}
	mem = crashed(mem, memfs.KeepNone)
	if err := w.aftermath(testOptions(mem), mem); err != nil {
		t.Fatal(err)
	}
}

// A file that a large frame made long is used again, at the length of a new
// one, and takes large frames on a disk that is full by then.
func TestLongFilesAreUsedAgain(t *testing.T) {
	mem, w := memfs.New(), &life{frames: largeFrames}
	l, err := w.open(testOptions(mem))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		if err := errors.Join(w.append(l, 3000), w.append(l, largeFrames-20)); err != nil {
			t.Fatal(err)
		}
		w.save(0)
		if err := l.Trim(w.start().Pos); err != nil {
			t.Fatal(err)
		}
		for _, f := range l.recycled {
			if size, err := f.file.Size(); err != nil || size != fileBytesMin {
				t.Fatalf("a file that waits has %d bytes, %v", size, err)
			}
		}
		if err := l.Allocate(); err != nil {
			t.Fatal(err)
		}
		if n > 3 && !l.spare.reused {
			t.Fatal("no file is used again")
		}
		mem.SetCapacity(mem.Used())
		if err := errors.Join(w.append(l, 3000), w.append(l, largeFrames-20)); err != nil {
			t.Fatalf("round %d, full disk: %v", n, err)
		}
		mem.SetCapacity(-1)
		if n%4 == 3 {
			mem = crashed(mem, memfs.KeepAll)
			if l, err = w.open(testOptions(mem)); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, l)
}

// Room is a promise with large frames too, whatever was there before.
func TestRoomIsCertainForLargeFrames(t *testing.T) {
	for _, size := range []int64{pageBytes, 5 * pageBytes, 17 * pageBytes, 38 * pageBytes} {
		for before := range 40 {
			for _, spare := range []bool{false, true} {
				fs := memfs.New()
				o := testOptions(fs)
				o.FrameBytesMax = largeFrames
				l, _, _ := mustOpen(t, o)
				if before%2 == 1 {
					if err := l.Allocate(); err != nil {
						t.Fatal(err)
					}
				}
				for range before {
					mustAppend(t, l, strings.Repeat("x", 2000))
				}
				if spare {
					if err := l.Allocate(); err != nil {
						t.Fatal(err)
					}
				}
				fs.SetCapacity(fs.Used())
				n := int(size) - frameHeaderBytes
				record := strings.Repeat("y", n-RecordSize(n)+n)
				for room := l.Room(); room >= size; room -= size {
					mustAppend(t, l, record)
				}
				if err := l.Witness(); err != nil {
					t.Fatalf("witness on a full disk: %v", err)
				}
				mustClose(t, l)
			}
		}
	}
}

func TestCrashAtEveryOperationOfLargeFrames(t *testing.T) {
	for name, spare := range map[string]bool{"spare": true, "no spare": false} {
		t.Run(name, func(t *testing.T) {
			prepare := func(o Options, w *life) error {
				w.frames = largeFrames
				l, err := w.open(o)
				if err == nil {
					err = errors.Join(w.append(l, 50), w.append(l, 70_000))
				}
				abandon(o)
				return err
			}
			everyOperation(t, crashSeeds/2, prepare, func(o Options, w *life) error {
				l, err := w.open(o)
				for i := 0; err == nil && i < 3; i++ {
					if spare {
						err = l.Allocate()
					}
					for _, size := range []int{3000, 100_000, 50} {
						if err == nil {
							err = w.append(l, size)
						}
					}
					if err == nil {
						w.save(2)
						err = l.Trim(w.start().Pos)
					}
				}
				if err == nil {
					err = l.Close()
				}
				return err
			})
		})
	}
}
