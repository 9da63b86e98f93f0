package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

func changeOf(r stream.Change) func(*Engine) Ticket {
	return func(e *Engine) Ticket { return e.Change(&r) }
}

func trimTo(path string, to stream.Offset) func(*Engine) Ticket {
	return changeOf(stream.Change{Path: path, HasTrim: true, Trim: to})
}

func keeping(path string, age, bytes int64) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: stream.NoTTL, KeepAge: age, KeepBytes: bytes})
	}
}

// put appends, and has the next log file made.
func put(t *testing.T, e *Engine, path, body string) stream.Outcome {
	t.Helper()
	settle(t, e)
	if err := e.Allocate(); err != nil {
		t.Fatal(err)
	}
	return want(t, e, stream.Appended, appendTo(path, "text/plain", body))
}

// segmentBytes is what the segments take on the disk.
func segmentBytes(e *Engine) (sum int64) {
	for _, l := range e.version.layers {
		for _, s := range l.segments {
			sum += s.info.Bytes
		}
	}
	return sum
}

// flushAll makes a segment of everything, and merges what is worth it.
func flushAll(t *testing.T, e *Engine) {
	t.Helper()
	settle(t, e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if err := e.sweepGarbage(); err != nil {
		t.Fatal(err)
	}
}

// reopen closes the store, checks it, and opens it again.
func reopen(t *testing.T, e *Engine) *Engine {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(e.opts); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, e.opts)
}

// What nobody shows any more leaves the disk, and not before: not what a fork
// shows of it.
func TestTrimmedBytesLeaveTheDisk(t *testing.T) {
	const appends, size = 40, 4000
	for _, forked := range []bool{false, true} {
		t.Run(fmt.Sprintf("forked=%t", forked), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			o := manualOptions(memfs.New(), newFakeClock(), rng)
			o.MergeFanIn = 100 // nothing else is worth a merge
			e := mustOpen(t, o)
			want(t, e, stream.Created, create("s", "text/plain", ""))
			var tails []stream.Offset
			for range appends {
				tails = append(tails, put(t, e, "s", noise(rng, size)).Tail)
			}
			if forked {
				want(t, e, stream.Created, forkOf("f", "s"))
			}
			flushAll(t, e)
			before := segmentBytes(e)
			whole, _, _ := readAll(t, e, "s", 0)

			const left = 10
			out := want(t, e, stream.Changed, trimTo("s", tails[appends-left-1]))
			if out.Start != tails[appends-left-1] {
				t.Fatalf("start %d", out.Start)
			}
			flushAll(t, e)
			if after := segmentBytes(e); forked != (after > before*9/10) || !forked && after > before*(left+2)/appends {
				t.Fatalf("%d bytes on the disk, before %d", after, before)
			}
			e = reopen(t, e)
			parts, _, _ := readAll(t, e, "s", 0)
			if !forked {
				whole = whole[appends-left:]
			}
			if got := len(parts); got != left || !bytes.Equal(parts[0], whole[len(whole)-left]) {
				t.Fatalf("%d appends left", got)
			}
			if forked {
				if parts, _, _ := readAll(t, e, "f", 0); len(parts) != appends || !bytes.Equal(parts[0], whole[0]) {
					t.Fatalf("the fork shows %d appends", len(parts))
				}
				want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("f") })
				flushAll(t, e)
				if after := segmentBytes(e); after > before*(left+2)/appends {
					t.Fatalf("%d bytes on the disk without the fork, before %d", after, before)
				}
			}
			e = reopen(t, e)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What is dropped before a flush has it leaves memory, and no segment gets it.
func TestTrimmedBytesLeaveMemory(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(3, 4))
	e := mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.Created, create("s", "text/plain", noise(rng, 5000)))
	want(t, e, stream.Created, forkOf("f", "s"))
	tail := put(t, e, "s", noise(rng, 5000)).Tail
	want(t, e, stream.Changed, trimTo("s", tail))
	if e.appends != 2 {
		t.Fatalf("%d appends in memory, and the fork shows what was first", e.appends)
	}
	want(t, e, stream.Changed, trimTo("f", 5005))
	if e.appends != 0 || e.frames.bytes != 0 {
		t.Fatalf("%d appends, %d bytes in memory that nobody shows", e.appends, e.frames.bytes)
	}
	e = mustOpen(t, manualOptions(fs.Crash(rng, memfs.KeepNone), clock, rng))
	if e.appends != 0 || e.frames.bytes != 0 {
		t.Fatalf("%d appends, %d bytes in memory after a crash", e.appends, e.frames.bytes)
	}
	put(t, e, "s", "last")
	flushAll(t, e)
	if n := segmentBytes(e); n > 1500 {
		t.Fatalf("%d bytes on the disk for 4 that are shown", n)
	}
	parts, res, _ := readAll(t, e, "s", 0)
	if len(parts) != 1 || string(parts[0]) != "last" || res.Start != tail {
		t.Fatalf("%q from %d", parts, res.Start)
	}
}

// A flush that is under way has the streams as they were, whatever is trimmed
// meanwhile: the log does not have the trim below its checkpoint.
func TestATrimDuringAFlushIsNotInIt(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(5, 6))
	e := mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.Created, create("s", "text/plain", "first"))
	want(t, e, stream.Created, forkOf("f", "s"))
	tail := put(t, e, "s", "second").Tail
	want(t, e, stream.Created, create("other", "text/plain", "first"))
	want(t, e, stream.Changed, trimTo("s", 10)) // which the fork still shows
	settle(t, e)
	if !e.beginFlush() {
		t.Fatal("nothing to flush")
	}
	// Staged, and never durable. The first one frees what the source has.
	for path, to := range map[string]stream.Offset{"f": 10, "other": 10} {
		if ticket := e.Change(&stream.Change{Path: path, HasTrim: true, Trim: to}); ticket.Code != stream.Changed {
			t.Fatal(ticket.Code)
		}
	}
	e.Change(&stream.Change{Path: "s", HasTrim: true, Trim: tail})
	for e.flush != nil {
		if _, err := e.stepFlush(); err != nil {
			t.Fatal(err)
		}
	}
	e = mustOpen(t, manualOptions(fs.Crash(rng, memfs.KeepNone), clock, rng))
	for path, want := range map[string]int{"s": 1, "f": 1, "other": 1} {
		if parts, _, _ := readAll(t, e, path, 0); len(parts) != want {
			t.Errorf("%s has %d appends", path, len(parts))
		}
	}
}

// A trim is nothing that a reader sees before it is durable, and nobody reads from
// before it afterwards, in memory or in segments.
func TestReadsFromBeforeTheStartAreRefused(t *testing.T) {
	e, _, _ := openManual(t)
	want(t, e, stream.Created, create("s", "text/plain", "first"))
	tail := put(t, e, "s", "second").Tail
	for _, cold := range []bool{false, true} {
		if cold {
			flushAll(t, e)
		}
		start := stream.Offset(10)
		if cold {
			start = tail - 3 // inside the second
		}
		ticket := e.Change(&stream.Change{Path: "s", HasTrim: true, Trim: start})
		if _, read := e.Read(ReadRequest{Path: "s"}); !read.Retry || ticket.Ready() {
			t.Fatalf("a read beside a trim under way: %+v", read)
		}
		settle(t, e)
		read := func(r ReadRequest) (ReadResult, Ticket) {
			r.Path = "s"
			res, ticket := e.Read(r)
			if res.Cold {
				res, ticket = e.ReadCold(r)
			}
			return res, ticket
		}
		for _, from := range []stream.Offset{0, 1, start - 1} {
			if res, ticket := read(ReadRequest{From: from}); ticket.Code != stream.OffsetTrimmed || ticket.Start != start || res.Parts != nil {
				t.Errorf("read from %d, start %d: %+v", from, start, ticket)
			}
			if _, ticket := e.ReadCold(ReadRequest{Path: "s", From: from}); ticket.Code != stream.OffsetTrimmed {
				t.Errorf("cold read from %d, start %d: %+v", from, start, ticket)
			}
		}
		for _, r := range []ReadRequest{{From: start}, {Earliest: true}, {From: tail, Earliest: true}} {
			if res, ticket := read(r); ticket.Code != stream.OK || len(res.Parts) != 1 || string(res.Parts[0]) != "second" || res.From != start || res.Start != start {
				t.Errorf("read %+v, start %d: %+v %+v", r, start, res, ticket)
			}
		}
		if res, ticket := read(ReadRequest{From: stream.OffsetMax}); ticket.Code != stream.OK || res.From != tail {
			t.Errorf("read from now: %+v %+v", res, ticket)
		}
	}
	want(t, e, stream.TrimBeyondTail, trimTo("s", tail+1))
	if out := want(t, e, stream.Changed, trimTo("s", 1)); out.Start != tail-3 {
		t.Errorf("a trim to before the start: %+v", out)
	}
	if out := want(t, e, stream.Changed, trimTo("s", stream.OffsetMax)); out.Start != tail {
		t.Errorf("a trim to now: %+v", out)
	}
}

// A fork begins where its source still is, in memory or not, with a part of an
// append or without.
func TestForksOfWhatIsTrimmed(t *testing.T) {
	for _, cold := range []bool{false, true} {
		e, _, _ := openManual(t)
		want(t, e, stream.Created, create("s", "text/plain", "first"))
		put(t, e, "s", "second")
		want(t, e, stream.Changed, trimTo("s", 12))
		if cold {
			flushAll(t, e)
		}
		at := func(path string, from stream.Offset, sub uint64) func(*Engine) Ticket {
			return func(e *Engine) Ticket {
				return e.CreateCold(&stream.Create{Path: path, TTL: stream.NoTTL, From: "s", FromOffset: from, HasFromOffset: true, SubOffset: sub})
			}
		}
		want(t, e, stream.ForkOffsetTrimmed, at("a", 0, 0))
		want(t, e, stream.ForkOffsetTrimmed, at("a", 10, 3))
		want(t, e, stream.ForkOffsetTrimmed, at("a", 11, 3))
		want(t, e, stream.Created, at("b", 12, 3))
		want(t, e, stream.Created, at("c", 21, 0))
		want(t, e, stream.Changed, trimTo("s", stream.OffsetMax))
		if cold {
			flushAll(t, e)
		}
		for path, want := range map[string]string{"b": "sec", "c": "second"} {
			parts, res, code := readAll(t, e, path, 0)
			if code != stream.OK || len(parts) != 1 || string(parts[0]) != want || res.Start != 12 {
				t.Errorf("cold=%t %s: %s %q from %d", cold, path, code, parts, res.Start)
			}
		}
		want(t, e, stream.Changed, trimTo("c", 21))
		if parts, _, _ := readAll(t, e, "b", 0); len(parts) != 1 {
			t.Errorf("a trim of one fork reaches another: %q", parts)
		}
	}
}

// A stream of a number of bytes has them always, and hardly more.
func TestBytesAreKept(t *testing.T) {
	e, _, _ := openManual(t)
	rng := rand.New(rand.NewPCG(7, 8))
	want(t, e, stream.Created, keeping("s", 0, 10_000))
	var all []byte
	for i := range 300 {
		body := noise(rng, 1+rng.IntN(300))
		all = append(all, body...)
		tail := put(t, e, "s", body).Tail
		if i%50 == 49 {
			flushAll(t, e)
		}
		_, res, _ := readAll(t, e, "s", tail)
		if have := tail - res.Start; have > 11_250 || have < min(tail, 10_000) {
			t.Fatalf("it has %d of %d bytes", have, tail)
		}
	}
	e = reopen(t, e)
	parts, res, _ := readAll(t, e, "s", 0)
	if got := bytes.Join(parts, nil); !bytes.HasSuffix(all, got) || len(got) < 9_000 || len(got) > 11_500 || res.KeepBytes != 10_000 {
		t.Fatalf("%d bytes are left", len(got))
	}
	if n := segmentBytes(e); n > 40_000 {
		t.Fatalf("%d bytes on the disk for 10000", n)
	}
	// A policy for what there is applies at once.
	want(t, e, stream.Changed, changeOf(stream.Change{Path: "s", HasKeepBytes: true, KeepBytes: 100}))
	if info, _ := e.Head("s"); info.Tail-info.Start != 100 {
		t.Fatalf("it has %d bytes", info.Tail-info.Start)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// Appends of an age leave when they are that old, and little later, also over a
// restart. Nobody has to ask for the stream.
func TestAgesAreKept(t *testing.T) {
	const age = 160 // counted to 10 s
	e, _, clock := openManual(t)
	want(t, e, stream.Created, keeping("s", age, 0))
	type sent struct {
		at  time.Duration
		end stream.Offset
	}
	var all []sent
	rng := rand.New(rand.NewPCG(9, 10))
	for range 400 {
		clock.advance(time.Duration(rng.IntN(4000)) * time.Millisecond)
		all = append(all, sent{clock.mono, put(t, e, "s", "x").Tail})
		e.Sweep()
		settle(t, e)
		switch rng.IntN(60) {
		case 0:
			flushAll(t, e)
		case 1:
			settle(t, e)
			e = reopen(t, e)
		}
		info, _ := e.Head("s")
		for _, a := range all {
			switch old := clock.mono - a.at; {
			case a.end <= info.Start && old < age*time.Second:
				t.Fatalf("dropped after %v", old)
			case a.end > info.Start && old > (age+10+1)*time.Second:
				t.Fatalf("kept after %v", old)
			}
		}
	}
	if info, _ := e.Head("s"); info.Start == 0 {
		t.Fatal("nothing was dropped")
	}
	clock.advance(age * time.Second)
	e.Sweep()
	settle(t, e)
	if info, _ := e.Head("s"); info.Start != info.Tail {
		t.Fatalf("%d of %d is left of what is too old", info.Start, info.Tail)
	}
	if len(e.due) != 0 {
		t.Fatal("an empty stream is looked at again and again")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// A lifetime that ends later than an age does not keep what is too old, although
// the stream was empty when its end was put down, and whatever is appended since.
func TestAgesAreKeptBesideALifetime(t *testing.T) {
	e, _, clock := openManual(t)
	create := func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "s", ContentType: "text/plain", TTL: 1000, KeepAge: 5})
	}
	want(t, e, stream.Created, create)
	for range 3 {
		put(t, e, "s", "x")
		clock.advance(3 * time.Second)
		last := put(t, e, "s", "y").Tail
		clock.advance(3 * time.Second)
		e.Sweep()
		settle(t, e)
		if info, _ := e.Head("s"); info.Start != last-6 {
			t.Fatalf("begins at %d, and what ends at %d is too old", info.Start, last-6)
		}
		clock.advance(10 * time.Second)
		e.Sweep()
		settle(t, e)
		if info, _ := e.Head("s"); info.Start != last {
			t.Fatalf("begins at %d, and all up to %d is too old", info.Start, last)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// A lifetime that is made shorter reaches what is in segments already.
func TestAShorterLifeReachesOldData(t *testing.T) {
	e, _, clock := openManual(t)
	rng := rand.New(rand.NewPCG(11, 12))
	want(t, e, stream.Created, create("s", "text/plain", noise(rng, 8000)))
	want(t, e, stream.Created, create("other", "text/plain", noise(rng, 500)))
	flushAll(t, e)
	before := segmentBytes(e)
	e = reopen(t, e)
	want(t, e, stream.Changed, changeOf(stream.Change{Path: "s", HasTTL: true, TTL: 5}))
	if info, _ := e.Head("s"); info.TTL != 5 {
		t.Fatalf("TTL %d", info.TTL)
	}
	e = reopen(t, e)
	clock.advance(10 * time.Second)
	for e.Sweep() {
	}
	settle(t, e)
	want(t, e, stream.NotFound, head("s"))
	e.removedSeen = 0 // as if as many had left as it takes
	flushAll(t, e)
	if after := segmentBytes(e); after > before/4 {
		t.Fatalf("%d bytes on the disk, before %d", after, before)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// Another life begins and ends as asked, whatever there was before.
func TestLivesCanBeChanged(t *testing.T) {
	e, _, clock := openManual(t)
	want(t, e, stream.Created, withTTL("p", 10))
	clock.advance(9 * time.Second)
	want(t, e, stream.Changed, changeOf(stream.Change{Path: "p", HasTTL: true, TTL: 20}))
	clock.advance(19 * time.Second)
	want(t, e, stream.OK, head("p"))
	want(t, e, stream.Changed, changeOf(stream.Change{Path: "p", HasTTL: true, TTL: stream.NoTTL}))
	clock.advance(time.Hour)
	want(t, e, stream.OK, head("p"))
	if len(e.due) != 0 {
		t.Fatalf("%d deadlines of a stream without one", len(e.due))
	}
	at := clock.wall.Add(time.Minute).UnixMilli()
	want(t, e, stream.Changed, changeOf(stream.Change{Path: "p", HasExpiresAt: true, ExpiresAt: at, ExpiresText: "t"}))
	if info, _ := e.Head("p"); info.ExpiresAt != at || info.ExpiresText != "t" {
		t.Fatalf("%+v", info)
	}
	clock.advance(61 * time.Second)
	e.Sweep()
	settle(t, e)
	if e.table.Len() != 0 {
		t.Fatal("it lives on")
	}
}
