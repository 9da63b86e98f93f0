package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// filledStore is a store that filled its disk and was killed then, with all of
// its frames needed. The disk has no room at all.
func filledStore(t testing.TB, o Options, keep memfs.Keep) (*memfs.FS, *life) {
	t.Helper()
	mem, w := memfs.New(), &life{frames: o.FrameBytesMax}
	o.FS = mem
	l, err := w.open(o)
	if err != nil {
		t.Fatal(err)
	}
	fillTo(t, l, w, 3)
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	mem.SetCapacity(mem.Used())
	for l.Spare() || l.rest() >= 2*pageBytes {
		if err := w.append(l, 3000); err != nil {
			t.Fatal(err)
		}
		if err := l.Allocate(); err != nil && (!errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed)) {
			t.Fatal(err)
		}
	}
	mem = crashed(mem, keep)
	mem.SetCapacity(mem.Used())
	return mem, w
}

// livesFull checks a log that was opened on a full disk: it takes what sets space
// free, and nothing else; with room again it takes everything, at once.
func livesFull(l *Files, w *life, mem *memfs.FS) error {
	if !l.short {
		return errors.New("the ballast is whole")
	}
	g := NewGroup(l, GroupOptions{Manual: true, FirstBatch: uint64(len(w.sent)) + 1})
	stage := func(class Class, size int) error {
		w.n++
		record := fmt.Sprintf("%d:%s", w.n, strings.Repeat("g", size))
		b, _, err := g.Stage(class, nil, []byte(record))
		if err != nil {
			return err
		}
		w.sent = append(w.sent, record)
		if _, err := g.Commit(); err != nil {
			return err
		}
		w.acked, w.places = len(w.sent), append(w.places, b.place)
		return b.Err()
	}
	for i := range 3 {
		// An Allocate may have had room for the ballast, and none for a file.
		if err := stage(Growth, 10); !errors.Is(err, ErrNoSpace) && (l.short || err != nil) {
			return fmt.Errorf("growth: %v, want ErrNoSpace", err)
		}
		if err := stage(Reclaim, 10); err != nil && (i == 0 || !errors.Is(err, ErrNoSpace)) {
			return fmt.Errorf("reclaim: %w", err)
		}
		err := g.Allocate()
		if err == nil {
			break // in what was left to the rest of the store
		}
		if !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed) {
			return fmt.Errorf("allocate: %w", err)
		}
	}
	capacity := mem.Used()
	mem.SetCapacity(-1)
	defer mem.SetCapacity(capacity)
	if err := g.Allocate(); err != nil {
		return fmt.Errorf("allocate with room: %w", err)
	}
	if size, err := sizeOf(mem, l.paths.ballast()); err != nil || size != l.o.ballastBytes() || l.short {
		return fmt.Errorf("the ballast has %d bytes with room, %w", size, err)
	}
	for _, size := range []int{10, l.FrameBytesMax() - 20} {
		if err := errors.Join(stage(Growth, size), g.Allocate()); err != nil {
			return fmt.Errorf("growth of %d bytes with room: %w", size, err)
		}
	}
	return nil
}

// A store that was killed on a full disk opens there, replays everything, takes
// what sets space free, and is itself again when there is room. So it does with
// less room than it would like.
func TestFullDiskAtOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"smallest files", Options{}},
		{"files of 1 MiB", Options{FileBytes: 1 << 20}},
		{"frames larger than files", Options{FrameBytesMax: 300_000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(nil)
			o.FileBytes, o.FrameBytesMax = max(o.FileBytes, c.o.FileBytes), c.o.FrameBytesMax
			for _, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepAll} {
				mem, w := filledStore(t, o, keep)
				step := max(1, o.withDefaults().capacity()/pageBytes/32) * pageBytes
				full := 0
				for room := int64(0); ; room += step {
					mem, w := mem.Clone(), w.clone()
					mem.SetCapacity(mem.Used() + room)
					o := o
					o.FS = mem
					l, err := w.open(o)
					if err != nil {
						t.Fatalf("room for %d bytes: %v", room, err)
					}
					if !l.short {
						mustClose(t, l)
						break
					}
					full++
					if err := livesFull(l, w, mem); err != nil {
						t.Fatalf("room for %d bytes: %v", room, err)
					}
					mem = crashed(mem, memfs.KeepNone)
					mem.SetCapacity(-1)
					if err := w.aftermath(o, mem); err != nil {
						t.Fatalf("room for %d bytes: %v", room, err)
					}
				}
				if full < 10 {
					t.Fatalf("the disk was full %d times", full)
				}
				t.Logf("keep %v: opened with %d kinds of a full disk", keep, full)
			}
		})
	}
}

// A store that was closed well opens on a disk that others have filled since.
func TestFullDiskAfterACleanEnd(t *testing.T) {
	for _, frames := range []int{0, 300_000} {
		mem, w := memfs.New(), &life{frames: frames}
		o := testOptions(mem)
		l, err := w.open(o)
		if err != nil {
			t.Fatal(err)
		}
		fillTo(t, l, w, 3)
		mustClose(t, l)
		full := mem.Used()
		mem.SetCapacity(full)
		if l, err = w.open(o); err != nil {
			t.Fatal(err)
		}
		if free := full - mem.Used(); free < othersBytes {
			t.Errorf("%d bytes are left for the rest of the store", free)
		}
		if err := livesFull(l, w, mem); err != nil {
			t.Fatal(err)
		}
	}
}

// A store is killed on its full disk and started there, again and again, and
// nothing sets space free. If others take at once what it leaves free, it still
// goes on for a while.
func TestRestartsOnAFullDisk(t *testing.T) {
	for _, c := range []struct {
		files int64
		taken bool // what is left free
		want  int  // restarts
	}{
		{fileBytesMin, false, 40},
		{fileBytesMin, true, 3},
		{4 << 20, false, 100},
		{4 << 20, true, 8},
	} {
		o := testOptions(nil)
		o.FileBytes = c.files
		mem, w := filledStore(t, o, memfs.KeepAll)
		n := 0
		for ; n < c.want; n++ {
			o.FS = mem
			l, err := w.open(o)
			if errors.Is(err, ErrNoSpace) {
				break
			}
			if err != nil {
				t.Fatalf("files of %d: restart %d: %v", c.files, n, err)
			}
			if err := w.append(l, 10); err != nil {
				t.Fatalf("files of %d: restart %d: %v", c.files, n, err)
			}
			if c.taken {
				mem.SetCapacity(mem.Used())
			}
			mem = crashed(mem, memfs.KeepAll)
		}
		if n < c.want {
			t.Errorf("files of %d, others take space %v: %d restarts, want %d", c.files, c.taken, n, c.want)
		}
		t.Logf("files of %d, others take space %v: %d restarts", c.files, c.taken, n)
		mem.SetCapacity(-1)
		if err := w.aftermath(o, mem); err != nil {
			t.Fatal(err)
		}
	}
}

// The process dies at each operation of opening on a full disk. The next one
// opens on that disk too.
func TestCrashAtEveryOperationOnAFullDisk(t *testing.T) {
	for _, saves := range []bool{false, true} {
		base, life := filledStore(t, testOptions(nil), memfs.KeepAll)
		if saves {
			life.save(3) // files are trimmed first
		}
		cuts, after := 0, 0
		for k := 1; ; k++ {
			mem, w := base.Clone(), life.clone()
			mem.SetCapacity(mem.Used())
			f := stopAfter(mem, k)
			if _, err := w.open(testOptions(f)); err == nil {
				break
			}
			if trace := f.Trace(); !trace[len(trace)-1].Kind.Mutates() {
				continue
			}
			cuts++
			err := outcomes(mem, 4, func(name string, mem *memfs.FS) error {
				after++
				w := w.clone()
				l, err := w.open(testOptions(mem))
				if err != nil {
					return fmt.Errorf("%s: open: %w", name, err)
				}
				if err := w.append(l, 10); err != nil {
					return fmt.Errorf("%s: append: %w", name, err)
				}
				mem = crashed(mem, memfs.KeepNone)
				mem.SetCapacity(-1)
				if err := w.aftermath(testOptions(mem), mem); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			})
			if err != nil {
				t.Fatalf("saves %v, after operation %d: %v\n%s", saves, k, err, f.TraceString())
			}
		}
		t.Logf("saves %v: %d operations, %d outcomes", saves, cuts, after)
		if cuts < 10 {
			t.Fatal("too few")
		}
	}
}

// Each call of an open that can meet a full disk meets it once. Where something
// new is made, the open goes on in the ballast; the others do not take space,
// and the next open is as if nothing had happened.
func TestFullDiskAtEveryCallOfOpen(t *testing.T) {
	kinds := []faultfs.Kind{faultfs.Create, faultfs.WriteAt, faultfs.Allocate, faultfs.Sync, faultfs.SyncData, faultfs.SyncDir, faultfs.Rename, faultfs.MkdirAll}
	for _, saves := range []bool{false, true} {
		base, life := filledStore(t, testOptions(nil), memfs.KeepAll)
		if saves {
			life.save(3)
		}
		opened, refused := 0, 0
		for k := 1; ; k++ {
			mem, w := base.Clone(), life.clone()
			mem.SetCapacity(-1)
			f := faultfs.New(mem)
			var struck faultfs.Op
			f.Inject(func(op faultfs.Op) faultfs.Fault {
				if op.N != k {
					return faultfs.Fault{}
				}
				struck = op
				if !slices.Contains(kinds, op.Kind) {
					return faultfs.Fault{}
				}
				return faultfs.Fault{Err: vfs.ErrNoSpace}
			})
			l, err := w.open(testOptions(f))
			if struck.N == 0 {
				break
			}
			if !slices.Contains(kinds, struck.Kind) {
				continue
			}
			p := paths{testDir}
			made := struck.Kind == faultfs.Create || struck.Kind == faultfs.Allocate ||
				struck.Kind == faultfs.WriteAt && (struck.Name != p.next() || struck.Len > pageBytes)
			switch {
			case err == nil:
				opened++
				if err := w.append(l, 10); err != nil {
					t.Fatalf("%v: append: %v", struck, err)
				}
			case made || !errors.Is(err, ErrNoSpace):
				t.Fatalf("%v: %v", struck, err)
			default:
				refused++
			}
			mem = mem.Crash(rand.New(rand.NewPCG(uint64(k), 11)), memfs.KeepSome)
			if err := w.aftermath(testOptions(mem), mem); err != nil {
				t.Fatalf("%v: %v", struck, err)
			}
		}
		t.Logf("saves %v: opened %d times, refused %d times", saves, opened, refused)
		if opened < 5 {
			t.Error("too few")
		}
	}
}

// While nothing happens, a store of files that count takes less than three of
// them.
func TestIdleStoreTakesLessThanThreeFiles(t *testing.T) {
	for _, bytes := range []int64{1 << 20, 4 << 20, 64 << 20} {
		o := testOptions(memfs.New())
		o.FileBytes = bytes
		mem := o.FS.(*memfs.FS)
		l, _, _ := mustOpen(t, o)
		if err := l.Allocate(); err != nil {
			t.Fatal(err)
		}
		if used := mem.Used(); used > 3*bytes-bytes/8 {
			t.Errorf("files of %d: %d bytes are taken", bytes, used)
		}
		mustClose(t, l)
	}
}
