package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
	"tailrace/internal/vfs"
)

// A disk that fills up while the bucket is down gets room again from the bucket
// when that is back: nobody has to restart or remove anything.
func TestAFullDiskDrainsIntoTheBucket(t *testing.T) {
	f := startTier(t, func(o *Options) { o.FlushBytes, o.FrameBytesMax = 16<<10, 48<<10 })
	b := f.faulty()
	f.restart()
	b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 1})
	f.disk.SetCapacity(f.disk.Used() + 6<<20)
	all := map[string]string{}
	full := 0
	for i := 0; full < 50 && i < 3000; i++ {
		path := fmt.Sprintf("s%d", i%7)
		if all[path] == "" {
			want(t, f.Engine, stream.Created, create(path, "text/plain", "begin "))
			all[path] = "begin "
		}
		body := fmt.Sprintf("%d ", i)
		for len(body) < 7000 { // nothing that compresses
			body += fmt.Sprintf("%x", f.rng.Uint64())
		}
		switch out := do(t, f.Engine, func() Ticket { return appendTo(path, "text/plain", body)(f.Engine) }); out.Code {
		case stream.Appended:
			all[path] += body
		case stream.DiskFull, stream.Overloaded:
			full++
		default:
			t.Fatalf("append: %v", out.Code)
		}
		f.Allocate() // its errors are what the next appends are told
		for _, step := range []func() error{f.flushIfDue, f.Merge, f.Tier, f.evict, f.sweepGarbage} {
			if err := step(); err != nil && f.Err() != nil {
				t.Fatal(err)
			}
		}
		f.clock.advance(100 * time.Millisecond)
	}
	if full == 0 {
		t.Fatal("the disk was never full")
	}
	f.same(all)
	b.Heal()
	for range 40 {
		f.clock.advance(2 * time.Second)
		for _, step := range []func() error{f.Tier, f.evict, f.sweepGarbage, f.flushIfDue, f.Merge, f.Allocate} {
			if err := step(); err != nil && (f.Err() != nil || !errors.Is(err, vfs.ErrNoSpace)) {
				t.Fatal(err)
			}
		}
	}
	state := f.manifest.State()
	if n := localBytes(&state); n > 0 {
		t.Errorf("%d bytes are still on the disk, of %d", n, f.disk.Used())
	}
	body := strings.Repeat("again ", 100)
	want(t, f.Engine, stream.Appended, appendTo("s1", "text/plain", body))
	all["s1"] += body
	f.same(all)
	f.disk.SetCapacity(-1)
	f.drain()
	f.audited()
	f.Close()
}

// flushIfDue flushes when it is time.
func (f *tierFixture) flushIfDue() error {
	f.mu.Lock()
	wanted := f.wantsFlush()
	f.mu.Unlock()
	if !wanted {
		return nil
	}
	return f.Flush()
}
