package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/stream"
)

// bucketBytes is what the segments in the bucket take.
func (f *tierFixture) bucketBytes() (n int) {
	for _, key := range f.bucket.Keys() {
		if b, _ := f.bucket.Content(key); strings.HasSuffix(key, ".seg") {
			n += len(b)
		}
	}
	return n
}

// appendNoise appends bytes that do not compress.
func (f *tierFixture) appendNoise(path string, appends, size int) {
	f.t.Helper()
	for range appends {
		var body strings.Builder
		for body.Len() < size {
			fmt.Fprintf(&body, "%016x", f.rng.Uint64())
		}
		want(f.t, f.Engine, stream.Appended, appendTo(path, "text/plain", body.String()[:size]))
		if err := f.Allocate(); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *tierFixture) change(c *stream.Change) {
	f.t.Helper()
	if out := do(f.t, f.Engine, func() Ticket { return f.Change(c) }); !out.Code.Success() {
		f.t.Fatalf("change: %v", out.Code)
	}
}

// Retention is the stream's, wherever its bytes are: what is dropped after it has
// moved leaves the bucket, and what a fork shows of it stays.
func TestRetentionReachesTheBucket(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.LocalBytes, o.MergeFanIn = 1<<20, 100 })
	defer func() { f.Close() }()
	for _, path := range []string{"trimmed", "forked", "bytes", "age"} {
		want(t, f.Engine, stream.Created, create(path, "text/plain", ""))
		f.appendNoise(path, 20, 1000)
		f.drain() // each in a segment of its own
	}
	half := stream.Offset(10 * 1005)
	want(t, f.Engine, stream.Created, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "fork", TTL: stream.NoTTL, From: "forked", FromOffset: half, HasFromOffset: true})
	})
	before, _, _ := readAll(t, f.Engine, "fork", 0)
	was := f.bucketBytes()
	f.change(&stream.Change{Path: "trimmed", Trim: half, HasTrim: true})
	f.change(&stream.Change{Path: "forked", Trim: stream.OffsetMax, HasTrim: true})
	f.change(&stream.Change{Path: "bytes", KeepBytes: 5 * 1005, HasKeepBytes: true})
	f.change(&stream.Change{Path: "age", KeepAge: 100, HasKeepAge: true})
	f.appendNoise("bytes", 1, 1000)
	f.clock.advance(110 * time.Second)
	for range 3 {
		f.Sweep()
		f.drain()
	}
	// Of 80 appends remain 10; the 10 that the fork shows and those behind them, as
	// a stream is stored without holes; about 6; and none.
	if is := f.bucketBytes(); is > was*50/100 || is < was*40/100 {
		t.Errorf("the bucket has %d bytes, and had %d", is, was)
	}
	for path, left := range map[string]int{"trimmed": 10, "forked": 0, "age": 0} {
		parts, _, code := readAll(t, f.Engine, path, f.startOf(path))
		if len(parts) != left || code != stream.OK {
			t.Errorf("%s has %d appends (%v), want %d", path, len(parts), code, left)
		}
		if res, tk := f.ReadCold(ReadRequest{Path: path}); tk.Code != stream.OffsetTrimmed || tk.Start != f.startOf(path) {
			t.Errorf("%s from its old beginning is %v, %d parts, start %d", path, tk.Code, len(res.Parts), tk.Start)
		}
	}
	after, _, _ := readAll(t, f.Engine, "fork", 0)
	if len(after) != 10 || len(before) != 10 || string(after[3]) != string(before[3]) {
		t.Errorf("the fork shows %d appends, and showed %d", len(after), len(before))
	}
	f.restart()
	if parts, _, _ := readAll(t, f.Engine, "fork", 0); len(parts) != 10 {
		t.Errorf("reopened, the fork shows %d appends", len(parts))
	}
	f.audited()
}

func (f *tierFixture) startOf(path string) stream.Offset {
	info, _ := f.Head(path)
	return info.Start
}

// A lifetime that is changed reaches bytes that moved before.
func TestLifetimesReachTheBucket(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.LocalBytes = 1 << 20 })
	defer func() { f.Close() }()
	for _, path := range []string{"shorter", "longer"} {
		want(t, f.Engine, stream.Created, func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: 1000, Body: []byte("x")})
		})
		f.appendNoise(path, 5, 1000)
		f.drain()
	}
	shorter, longer := f.idOf("shorter"), f.idOf("longer")
	if f.holding(shorter) == 0 || f.holding(longer) == 0 {
		t.Fatal("nothing has moved")
	}
	f.change(&stream.Change{Path: "shorter", TTL: 10, HasTTL: true})
	f.change(&stream.Change{Path: "longer", TTL: 1_000_000, HasTTL: true})
	f.clock.advance(2000 * time.Second)
	for range 4 {
		f.Sweep()
		f.drain()
	}
	if f.holding(shorter) != 0 || f.holding(longer) == 0 {
		t.Errorf("%d objects hold the one that has expired, %d the other", f.holding(shorter), f.holding(longer))
	}
	if parts, _, code := readAll(t, f.Engine, "longer", 0); len(parts) != 6 || code != stream.OK {
		t.Errorf("what lives longer has %d appends, %v", len(parts), code)
	}
	f.audited()
}
