package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// restoreInto restores what was published, elsewhere.
func (f *tierFixture) restoreInto() (*memfs.FS, error) {
	disk := memfs.New()
	_, err := RestoreFromBucket(context.Background(), BucketRestore{FS: disk, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64})
	return disk, err
}

// An old copy of the directory does not know what was published since, and must
// not publish what it knows: the objects of that are gone.
func TestAnOldCopyIsRefused(t *testing.T) {
	f := startTier(t, nil)
	all := f.fill(6, 10, 100)
	f.drain()
	old := f.disk.Clone()
	for i := range 3 {
		path := fmt.Sprintf("s%d", 2*i)
		want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(path) })
		delete(all, path)
	}
	for range 4 {
		f.drain()
	}
	f.same(all)
	f.audited()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.disk = old
	for _, takeover := range []bool{false, true} {
		o := f.options()
		o.Tier.Takeover = takeover
		if e, err := Open(o); !errors.Is(err, ErrOwner) {
			t.Fatalf("open with takeover %t: %v, %v", takeover, e, err)
		}
	}
	if _, err := f.restoreInto(); err != nil {
		t.Errorf("what was published cannot be restored: %v", err)
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

// A damaged file of a checkpoint is not published: what was before still can be
// restored.
func TestDamagedCheckpointsAreNotPublished(t *testing.T) {
	f := startTier(t, nil)
	f.fill(6, 10, 100)
	f.drain()
	if _, err := f.restoreInto(); err != nil {
		t.Fatal(err)
	}
	want(t, f.Engine, stream.Created, create("n", "text/plain", "x"))
	f.Flush()
	state := f.manifest.State()
	files := state.CheckpointFiles()
	last := files[len(files)-1]
	if err := f.disk.Corrupt(f.filePath(last), 300, 1); err != nil {
		f.disk.Corrupt(f.filePath(last), 20, 1)
	}
	f.clock.advance(2 * time.Second)
	if err := f.Tier(); err == nil || f.damage.Load() == 0 {
		t.Errorf("it was published: %v, damage %d", err, f.damage.Load())
	}
	if _, err := f.restoreInto(); err != nil {
		t.Errorf("what was published before cannot be restored: %v", err)
	}
	f.Close()
}

// A head that is lost costs nothing but having to say so: the store opens by
// taking over, and publishes again.
func TestALostHeadIsMadeAgain(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	for _, k := range f.bucket.Keys() {
		if strings.HasSuffix(k, "/head") {
			f.bucket.Drop(k)
		}
	}
	want(t, f.Engine, stream.Created, create("n", "text/plain", "x"))
	f.Flush()
	before := len(f.bucket.Keys())
	for range 50 {
		f.clock.advance(8 * time.Second)
		if err := f.Tier(); err == nil {
			t.Fatal("a state was published without a head")
		}
	}
	if n := len(f.bucket.Keys()) - before; n > 5 {
		t.Errorf("%d objects are left by 50 tries", n)
	}
	f.Close()
	if _, err := Open(f.options()); !errors.Is(err, ErrBucket) {
		t.Errorf("open: %v", err)
	}
	f.set = func(o *Options) { o.Tier.Takeover = true }
	f.open()
	defer f.Close()
	f.drain()
	f.audited()
	if _, err := f.restoreInto(); err != nil {
		t.Error(err)
	}
}

// Who has not claimed the bucket, or finds that it does not have an object, keeps
// what is on the disk.
func TestCopiesStayUntilTheBucketIsOurs(t *testing.T) {
	f := startTier(t, func(o *Options) { withoutCaches(o); o.Tier.LocalBytes = 1 << 40 })
	b := f.faulty()
	f.restart()
	all := f.fill(6, 10, 100)
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, k := range f.bucket.Keys() {
		if !strings.HasSuffix(k, "/head") {
			f.bucket.Drop(k)
		}
	}
	b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
	f.open()
	f.same(all)
	f.tier.opts.LocalBytes = 1
	if err := f.evict(); err != nil {
		t.Error(err)
	}
	b.Heal()
	if err := f.Tier(); err != nil { // claimed now
		t.Error(err)
	}
	if err := f.evict(); err != nil {
		t.Error(err)
	}
	f.same(all)
	f.Close()
}

// However often a process is restarted, it publishes as often as it should.
func TestRestartsDoNotPutOffPublishing(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.PublishEvery = 10 * time.Minute })
	f.fill(3, 5, 50)
	f.clock.advance(11 * time.Minute)
	f.Flush()
	if err := f.Tier(); err != nil {
		t.Fatal(err)
	}
	first := f.manifest.State().Tier.Published
	for i := range 100 {
		f.Allocate()
		want(t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.Flush()
		for range 4 {
			f.clock.advance(time.Minute)
			if err := f.Tier(); err != nil {
				t.Fatal(err)
			}
		}
		f.restart()
	}
	if f.manifest.State().Tier.Published == first {
		t.Error("nothing was published in 400 minutes, PublishEvery is 10")
	}
	f.Close()
}

// A clock that was ahead does not put it off either.
func TestAClockAheadDoesNotPutOffPublishing(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	f.Close()
	f.clock.step(365 * 24 * time.Hour) // RTC wrong at boot
	f.open()                           // claims: head.Written is a year ahead
	f.Close()
	f.clock.step(-365 * 24 * time.Hour)
	f.open()
	first := f.manifest.State().Tier.Published
	for i := range 100 {
		f.Allocate()
		want(t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.Flush()
		f.clock.advance(time.Hour)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
	}
	if f.manifest.State().Tier.Published == first {
		t.Errorf("nothing was published in 100 hours, phase %v", TierPhase(f.tier.phase.Load()))
	}
	f.Close()
}

// Nor does one that is behind that of the directory before.
func TestAClockBehindDoesNotPutOffPublishing(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	f.clock.advance(48 * time.Hour)
	f.restart() // claims
	f.Close()
	disk, err := f.restoreInto()
	if err != nil {
		t.Fatal(err)
	}
	f.disk = disk
	f.clock.step(-24 * time.Hour)
	f.set = func(o *Options) { o.Tier.Takeover = true }
	f.open()
	first := f.manifest.State().Tier.Published
	for i := range 20 {
		f.Allocate()
		want(t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.Flush()
		f.clock.advance(time.Hour)
		if err := f.Tier(); err != nil {
			t.Fatal(err)
		}
	}
	if f.manifest.State().Tier.Published == first {
		t.Errorf("nothing published in 20 h, phase %v", TierPhase(f.tier.phase.Load()))
	}
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

// An object that cannot be deleted keeps no other.
func TestAnObjectThatStaysKeepsNoOther(t *testing.T) {
	f := startTier(t, nil)
	b := f.faulty()
	f.restart()
	f.fill(6, 10, 100)
	f.drain()
	f.drain()
	var locked string
	for _, l := range f.manifest.State().Layers {
		for _, s := range l.Segments {
			if locked == "" {
				locked = f.tier.nameOf(s.Object())
			}
		}
	}
	b.Hook(func(op, key string) error {
		if op == objstore.OpDelete && key == locked {
			return &objstore.Error{Op: op, Key: key, Kind: objstore.KindDenied, Err: errors.New("legal hold")}
		}
		return nil
	}, nil)
	for i := range 5 {
		p := fmt.Sprintf("s%d", i)
		want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete(p) })
	}
	for i := range 40 {
		f.Allocate()
		want(t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.clock.advance(2 * time.Second)
		f.Flush()
		f.Merge()
		f.Tier()
		f.evict()
	}
	state := f.manifest.State()
	if len(state.Tier.Doomed) > 10 {
		t.Error("one object that cannot be deleted keeps all others")
	}
	f.Close()
}

// A file of the checkpoint that is missing is an error, and not a reason to look
// again at once, for ever.
func TestAMissingCheckpointIsAnError(t *testing.T) {
	f := startTier(t, nil)
	f.fill(3, 5, 50)
	f.drain()
	want(t, f.Engine, stream.Created, create("n", "text/plain", "x"))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	state := f.manifest.State()
	files := state.CheckpointFiles()
	if err := f.disk.Remove(f.filePath(files[len(files)-1])); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(2 * time.Second)
	if err := f.Tier(); err == nil {
		t.Error("it was published")
	}
}
