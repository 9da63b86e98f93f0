package engine

import (
	"fmt"
	"testing"
	"time"

	"tailrace/internal/stream"
)

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

// publishesIn demands that something is published within some hours of use.
func (f *tierFixture) publishesIn(hours int) {
	f.t.Helper()
	first := f.manifest.State().Tier.Published
	for i := range hours {
		f.Allocate()
		want(f.t, f.Engine, stream.Created, create(fmt.Sprint("n", i), "text/plain", "x"))
		f.Flush()
		f.clock.advance(time.Hour)
		if err := f.Tier(); err != nil {
			f.t.Fatal(err)
		}
	}
	if f.manifest.State().Tier.Published == first {
		f.t.Errorf("nothing was published in %d hours, phase %v", hours, TierPhase(f.tier.phase.Load()))
	}
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
	f.publishesIn(100)
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
	f.publishesIn(20)
	f.Close()
}
