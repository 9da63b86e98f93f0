package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
)

// Two copies mend each other: damage on the disk is read around in the bucket and
// leaves the disk, damage in the bucket is replaced from the disk.
func TestCopiesMendEachOther(t *testing.T) {
	both := func(t *testing.T) (*tierFixture, map[string]string, manifest.Segment) {
		f := startTier(t, func(o *Options) {
			withoutCaches(o)
			o.Tier.LocalBytes, o.ScrubEvery = 1<<40, time.Second
		})
		all := f.fill(3, 5, 100)
		settle(t, f.Engine)
		f.clock.advance(2 * time.Second)
		for _, step := range []func() error{f.Flush, f.Merge, f.Tier} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		state := f.manifest.State()
		for _, l := range state.Layers {
			for _, seg := range l.Segments {
				if seg.Place == manifest.PlaceBoth {
					return f, all, seg
				}
			}
		}
		t.Fatalf("no segment has two copies: %+v", state)
		return nil, nil, manifest.Segment{}
	}
	scrubbed := func(f *tierFixture) {
		f.clock.advance(time.Minute)
		for f.scrub() {
		}
	}
	t.Run("disk", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.disk.Corrupt(f.filePath(seg.File()), 150, 1)
		f.same(all)
		scrubbed(f)
		state := f.manifest.State()
		if got, _ := state.Find(seg.ID); got.Place != manifest.PlaceRemote {
			t.Errorf("the damaged file is kept: %v", got.Place)
		}
		f.same(all)
		f.audited()
	})
	t.Run("bucket", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.bucket.Truncate(f.tier.nameOf(seg.Object()), 10)
		scrubbed(f)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
		f.same(all)
		f.audited()
		if f.tier.lost.Load() == 0 {
			t.Error("the loss is not counted")
		}
	})
	t.Run("lost", func(t *testing.T) {
		f, all, seg := both(t)
		defer f.Close()
		f.bucket.Drop(f.tier.nameOf(seg.Object()))
		scrubbed(f)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
		f.same(all)
		f.audited()
	})
}

// A segment that is damaged on the disk after it was announced is not sent, and
// does not keep others from it.
func TestADamagedSegmentKeepsNoOther(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.LocalBytes, o.MergeFanIn, o.Tier.PublishEvery = 1<<20, 100, 1 })
	defer func() { f.Close() }()
	b := f.faulty()
	f.restart()
	f.fill(6, 3, 100)
	f.clock.advance(time.Second)
	b.Fail(objstore.OpPut, faultobj.Internal, 100)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Tier(); err == nil {
		t.Fatal("nothing failed")
	}
	state := f.manifest.State()
	var announced manifest.Segment
	others := 0
	for _, l := range state.Layers {
		for _, seg := range l.Segments {
			if others++; seg.Place == manifest.PlaceSending {
				announced = seg
			}
		}
	}
	if announced.ID == 0 || others < 2 {
		t.Fatalf("announced is %d of %d segments", announced.ID, others)
	}
	b.Heal()
	f.disk.Corrupt(f.filePath(announced.File()), 150, 1)
	if err := f.Tier(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("segment %d cannot be sent", announced.ID)) {
		t.Errorf("that nothing can be published is not said: %v", err)
	}
	state = f.manifest.State()
	for _, l := range state.Layers {
		for _, seg := range l.Segments {
			if (seg.Place == manifest.PlaceBoth) != (seg.ID != announced.ID) {
				t.Errorf("segment %d is %v", seg.ID, seg.Place)
			}
		}
	}
	if f.damage.Load() == 0 {
		t.Error("the damage is not counted")
	}
}

// What cannot be read in the bucket keeps no other merge from being made.
func TestMergesGoOnBesideALostObject(t *testing.T) {
	for _, what := range []string{"lost", "bucket down"} {
		t.Run(what, func(t *testing.T) {
			f := startTier(t, func(o *Options) { o.Tier.LocalBytes = 1 })
			b := f.faulty()
			f.restart()
			f.fill(6, 10, 100)
			f.drain()
			state := f.manifest.State()
			if what == "lost" {
				for _, l := range state.Layers {
					for _, s := range l.Segments {
						f.bucket.Drop(f.tier.nameOf(s.Object()))
					}
				}
			} else {
				b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
			}
			for i := range 5 {
				p := fmt.Sprintf("s%d", i)
				want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(p) })
			}
			f.tier.opts.LocalBytes = 1 << 40 // what comes stays on the disk
			before := len(f.manifest.State().Layers)
			for i := range 30 {
				f.Allocate()
				want(t, f.Engine, stream.Created, create(fmt.Sprintf("n%d", i), "text/plain", "x"))
				if err := f.Flush(); err != nil {
					t.Fatal(err)
				}
				for range 3 { // the first may try what cannot be read
					f.Merge()
				}
				f.clock.advance(10 * time.Minute)
			}
			if n := len(f.manifest.State().Layers); n > before+10 {
				t.Errorf("%d layers, %d before 30 flushes (fan-in 2)", n, before)
			}
			b.Heal()
			f.Close()
		})
	}
}

// A backup has everything itself, also what was only in the bucket.
func TestBackupOfATieredStoreIsWhole(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(6, 5, 200)
	f.drain()
	if _, err := f.Backup(context.Background(), "backup", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(context.Background(), f.disk, "backup", "copy", nil); err != nil {
		t.Fatal(err)
	}
	o := manualOptions(f.disk, f.clock, f.rng)
	o.Dir = "copy"
	f.Engine = mustOpen(t, o)
	f.same(all)
	f.Close()
}

// No object goes that a backup under way may want.
func TestBackupsMayTakeLongerThanTheGrace(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.Grace = time.Hour })
	b := f.faulty()
	f.restart()
	f.fill(6, 10, 100)
	f.drain()
	done := false
	b.Hook(func(op, key string) error {
		if op == objstore.OpReadAt && !done && strings.Contains(key, "/seg/") {
			done = true
			for i := range 5 {
				p := fmt.Sprintf("s%d", i)
				want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(p) })
			}
			f.drain()
			f.clock.advance(2 * time.Hour)
			f.drain()
			f.drain()
		}
		return nil
	}, nil)
	_, err := f.Backup(context.Background(), "backup", nil)
	if err != nil {
		t.Errorf("backup: %v", err)
	}
	f.Close()
}
