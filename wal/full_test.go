package wal

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/vfs/memfs"
)

// A full disk: growth is refused while the reserve is untouched, what sets
// space free goes on in the reserve, and when there is space again the log
// goes on without being opened again.
func TestFullDiskRefusesGrowthOnly(t *testing.T) {
	for _, signalled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mem := memfs.New()
			o := testOptions(mem)
			l, _, _ := mustOpen(t, o)
			mem.SetCapacity(mem.Used() + 3*pageBytes) // not enough for a file
			g := NewGroup(l, GroupOptions{WitnessIdle: -1, Failed: func(err error) { t.Error(err) }})
			synctest.Wait() // the first try to allocate is over
			var want []string
			put := func(class Class, record string) error {
				b, _, err := g.Stage(class, nil, []byte(record))
				if err != nil {
					return err
				}
				want = append(want, record)
				<-b.Done()
				return b.Err()
			}
			grown := 0
			var err error
			for ; grown < 100; grown++ {
				if err = put(Growth, "growth"); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed) {
				t.Fatalf("growth on a full disk: %v", err)
			}
			if room := l.Room(); room != l.Reserve() {
				t.Fatalf("growth stopped with %d bytes left of a reserve of %d", room, l.Reserve())
			}
			reclaimed := 0
			for ; reclaimed < 100; reclaimed++ {
				if err = put(Reclaim, "reclaim"); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrNoSpace) || int64(reclaimed)*pageBytes != l.Reserve() {
				t.Fatalf("%d records went into the reserve: %v", reclaimed, err)
			}
			for name := range mem.Snapshot() {
				if name == (paths{testDir}).next() || name == (paths{testDir}).storeTmp() {
					t.Fatalf("%s is left half made", name)
				}
			}
			mem.SetCapacity(-1)
			if signalled {
				g.SpaceFreed()
			} else {
				<-time.After(1100 * time.Millisecond)
			}
			synctest.Wait()
			for range 30 {
				if err := put(Growth, "later"); err != nil {
					t.Fatalf("growth with space again: %v", err)
				}
				synctest.Wait()
			}
			mustClose(t, g)
			_, _, got := mustOpen(t, o)
			wantRecords(t, got, want)
		})
	}
}

func TestFullDiskLeavesAllocateHealthy(t *testing.T) {
	mem := memfs.New()
	l, _, _ := mustOpen(t, testOptions(mem))
	for room := int64(0); room < fileBytesMin+pageBytes; room += pageBytes {
		used := mem.Used()
		mem.SetCapacity(used + room)
		err := l.Allocate()
		if !errors.Is(err, ErrNoSpace) || errors.Is(err, ErrFailed) {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
		if l.Spare() || mem.Used() != used {
			t.Fatalf("with room for %d bytes: spare %v, %d bytes left behind", room, l.Spare(), mem.Used()-used)
		}
	}
	mustAppend(t, l, "a")
	mem.SetCapacity(mem.Used() + fileBytesMin + pageBytes)
	if err := l.Allocate(); err != nil {
		t.Fatal(err)
	}
	// Rotation with a spare needs no space at all.
	mem.SetCapacity(mem.Used())
	for range 20 {
		mustAppend(t, l, "b")
	}
	if l.Spare() {
		t.Fatal("nothing was rotated")
	}
	mustClose(t, l)
}
