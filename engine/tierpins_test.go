package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/internal/manifest"
	"tailrace/internal/objstore"
	"tailrace/internal/stream"
)

// evictAll lets everything that the bucket has leave the disk.
func (f *tierFixture) evictAll() {
	f.t.Helper()
	was := f.tier.opts.LocalBytes
	f.tier.opts.LocalBytes = 1
	defer func() { f.tier.opts.LocalBytes = was }()
	if err := f.evict(); err != nil {
		f.t.Fatal(err)
	}
}

// leftOver is how many files of segments are on the disk that the store does not
// need any more.
func (f *tierFixture) leftOver() (n int) {
	f.t.Helper()
	if err := f.sweepGarbage(); err != nil {
		f.t.Fatal(err)
	}
	for _, g := range f.manifest.State().Garbage {
		if g.Kind == manifest.FileSegment {
			n++
		}
	}
	return n
}

// startFull is a store that has several segments in the bucket and on the disk.
func startFull(t *testing.T, fanIn int) (*tierFixture, map[string]string) {
	f := startTier(t, func(o *Options) {
		withoutCaches(o)
		o.Tier.LocalBytes, o.MergeFanIn, o.ScrubEvery = 1<<40, fanIn, time.Second
	})
	all := f.fill(12, 10, 200)
	f.drain()
	return f, all
}

// What leaves the disk leaves it at once, whatever goes on with other segments: the
// disk has a budget, and a merge, an upload or a scrub may take hours.

func TestEvictedFilesGoDuringAnUpload(t *testing.T) {
	f, all := startFull(t, 100)
	b := f.faulty()
	f.restart()
	want(t, f.Engine, stream.Created, create("n", "text/plain", "x"))
	all["n"] = "x"
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(2 * time.Second)
	seen := false
	b.Hook(func(op, key string) error {
		if op == objstore.OpPut && !seen {
			seen = true
			f.evictAll()
			if n := f.leftOver(); n > 0 {
				t.Errorf("%d evicted files stay while another segment is sent", n)
			}
		}
		return nil
	}, nil)
	if err := f.Tier(); err != nil {
		t.Fatal(err)
	}
	if state := f.manifest.State(); !seen || localBytes(&state) == 0 {
		t.Fatal("no segment was sent meanwhile")
	}
	f.same(all)
	f.evictAll()
	if n := f.leftOver(); n > 0 {
		t.Errorf("%d files are held for good", n)
	}
	f.same(all)
	f.Close()
}

func TestEvictedFilesGoDuringAMerge(t *testing.T) {
	for _, how := range []string{"completed", "canceled"} {
		t.Run(how, func(t *testing.T) {
			f, all := startFull(t, 3)
			for _, path := range []string{"n0", "n1", "n2"} {
				want(t, f.Engine, stream.Created, create(path, "text/plain", path))
				all[path] = path
				if err := f.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if !f.beginMerge() {
				t.Fatal("nothing to merge")
			}
			f.evictAll()
			if used, evicted := f.evictedInputs(); evicted == used {
				t.Fatal("nothing was evicted that the merge does not read")
			} else if n := f.leftOver(); n != used {
				t.Errorf("%d of %d evicted files stay, the merge reads %d of them", n, evicted, used)
			}
			f.same(all)
			if how == "canceled" {
				if err := f.cancelMerge(); err != nil {
					t.Fatal(err)
				}
			} else {
				f.endOfMerge()
			}
			if n := f.leftOver(); n > 0 {
				t.Errorf("%d files are held for good", n)
			}
			f.same(all)
			f.Close()
		})
	}
}

// endOfMerge does what is left of the merge that is under way.
func (f *tierFixture) endOfMerge() {
	f.t.Helper()
	settle(f.t, f.Engine)
	for more := true; more; {
		var err error
		if more, err = f.stepMerge(); err != nil {
			f.t.Fatal(err)
		}
	}
}

// evictedInputs is how many segments have left the disk, and how many of them the
// merge under way reads.
func (f *tierFixture) evictedInputs() (used, all int) {
	inputs := f.merge.plan.removes()
	for _, l := range f.manifest.State().Layers {
		for _, s := range l.Segments {
			if s.Place == manifest.PlaceRemote {
				all++
				if slices.Contains(inputs, s.ID) {
					used++
				}
			}
		}
	}
	return used, all
}

func TestEvictedFilesGoWhileAScrubWaitsForTheTierer(t *testing.T) {
	f, all := startFull(t, 100)
	f.clock.advance(time.Hour)
	f.tiering.Lock() // as a Tier does that has much to send
	// What is left of a scrub after this begins with the lock.
	if s, err := f.verifyOnDisk(); s == nil || err != nil {
		t.Fatalf("scrubbed %v, %v", s, err)
	}
	f.evictAll()
	if n := f.leftOver(); n > 0 {
		t.Errorf("%d evicted files stay while a scrub waits", n)
	}
	f.tiering.Unlock()
	if !f.scrub() {
		t.Error("nothing is left to scrub")
	}
	f.same(all)
	f.Close()
}

// A merge takes up no layer that has left the disk. So the young ones stay, though
// nobody has read them and somebody reads all the old ones again and again.
func TestLayersThatWillBeMergedLeaveLast(t *testing.T) {
	most := func(replayed bool) (most int) {
		f := startTier(t, func(o *Options) {
			o.Tier.LocalBytes, o.Tier.SendBytes, o.MergeFanIn = 256<<10, 16<<10, 4
		})
		defer func() { f.Close() }()
		want(t, f.Engine, stream.Created, create("s", "text/plain", ""))
		for range 200 {
			f.appendNoise("s", 2, 4000)
			f.clock.advance(600 * time.Millisecond)
			for _, step := range []func() error{f.Flush, f.Merge, f.Tier, f.evict, f.sweepGarbage} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			if replayed {
				readAll(t, f.Engine, "s", 0)
			}
			most = max(most, len(f.manifest.State().Layers))
		}
		return most
	}
	if alone, replayed := most(false), most(true); replayed > alone*5/4 {
		t.Errorf("%d layers with a reader that replays, %d without", replayed, alone)
	}
}

// What was trimmed is known of a segment and not of a file: it is written anew in
// time wherever its bytes are when that is due.
func TestTrimmedBytesGoInTimeThoughTheirSegmentIsEvicted(t *testing.T) {
	for _, evicted := range []string{"never", "after the look", "during the look"} {
		t.Run(evicted, func(t *testing.T) {
			f := startTier(t, func(o *Options) { o.ReclaimWithin, o.Tier.LocalBytes = time.Hour, 1<<40 })
			defer func() { f.Close() }()
			all := f.fill(12, 10, 200)
			f.drain()
			res, _ := f.ReadCold(ReadRequest{Path: "s3", BytesMax: 1})
			dropped := string(slices.Concat(res.Parts...))
			f.change(&stream.Change{Path: "s3", Trim: res.Next, HasTrim: true})
			all["s3"] = all["s3"][len(dropped):]
			switch evicted {
			case "during the look":
				f.mu.Lock()
				v := f.pin()
				f.mu.Unlock()
				f.evictAll()
				f.lookForTrimmed(v)
				f.mu.Lock()
				f.unpin(v)
				f.mu.Unlock()
			default:
				if err := f.Merge(); err != nil { // it looks at what was trimmed
					t.Fatal(err)
				}
				if evicted == "after the look" {
					f.evictAll()
				}
			}
			was := f.rawBytes()
			for range 6 { // an hour
				f.clock.advance(10 * time.Minute)
				f.now()
				if err := f.Merge(); err != nil {
					t.Fatal(err)
				}
			}
			if n := f.rawBytes(); n >= was {
				t.Errorf("%d bytes are stored of %d, and some were trimmed an hour ago", n, was)
			}
			for path, whole := range all {
				parts, _, code := readAll(t, f.Engine, path, f.startOf(path))
				if got := string(slices.Concat(parts...)); got != whole || code != stream.OK {
					t.Errorf("stream %s has %d bytes (%v), want %d", path, len(got), code, len(whole))
				}
			}
		})
	}
}

// rawBytes is what the appends in all segments have.
func (f *tierFixture) rawBytes() (n int64) {
	for _, l := range f.manifest.State().Layers {
		for _, s := range l.Segments {
			n += s.RawBytes
		}
	}
	return n
}

// Each segment keeps a file open, one that has left the disk as well.
func TestManySegmentsAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	f := startTier(t, func(o *Options) {
		o.MergeFanIn, o.SegmentsWarn = 100, 4
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	defer func() { f.Close() }()
	warned := func(want int) {
		t.Helper()
		if n := strings.Count(log.String(), "segments take most of the files"); n != want {
			t.Errorf("%d segments: %d warnings, want %d", f.version.segments(), n, want)
		}
	}
	for i := range 6 {
		want(t, f.Engine, stream.Created, create(fmt.Sprint("s", i), "text/plain", "x"))
		f.drain()
		warned(i / 4) // the fifth, and not the sixth
	}
	f.restart()
	warned(2)
}
