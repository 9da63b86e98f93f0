package engine

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
	"tailrace/wal"
)

func TestMemoryLimitRefusesStreamsAndNothingElse(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.MemoryBytes, o.FrameBytesMax = 3*streamCost, 1<<20
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", "first"))
	want(t, e, stream.MemoryFull, create("q", "text/plain", ""))
	want(t, e, stream.Appended, appendTo("p", "text/plain", strings.Repeat("x", 2000)))
	if parts, _, code := readAll(t, e, "p", 0); code != stream.OK || len(parts) != 2 {
		t.Fatalf("read of a full store: %s, %d appends", code, len(parts))
	}
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("p") })
	if m := e.Stats().MemoryBytes; m != 0 {
		t.Fatalf("%d bytes are held after everything was deleted", m)
	}
	want(t, e, stream.Created, create("q", "text/plain", ""))
}

// What no segment has is bounded, and a flush makes room.
func TestFrameLimitRefusesAppendsUntilAFlush(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.FrameBytesMax = 3000
	e := mustOpen(t, o)
	x := strings.Repeat("x", 2000)
	want(t, e, stream.Created, create("p", "text/plain", x))
	want(t, e, stream.Appended, appendTo("p", "text/plain", x))
	want(t, e, stream.Overloaded, appendTo("p", "text/plain", x))
	want(t, e, stream.Closed, func(e *Engine) Ticket { return e.Append(&stream.Append{Path: "p", Close: true}) })
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if m := e.Stats().FrameBytes; m != 0 {
		t.Errorf("%d bytes are in memory after a flush", m)
	}
	want(t, e, stream.Created, create("q", "text/plain", x))
	if parts, _, code := readAll(t, e, "p", 0); code != stream.OK || len(parts) != 2 || string(parts[1]) != x {
		t.Fatalf("read after a flush: %s, %d appends", code, len(parts))
	}
}

func TestInFlightLimitRefusesAndRecovers(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.InFlightMax = 3
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", ""))
	for range 3 {
		if got := appendTo("p", "text/plain", "x")(e); got.Code != stream.Appended {
			t.Fatal(got.Code)
		}
	}
	if got := appendTo("p", "text/plain", "x")(e); got.Code != stream.Overloaded {
		t.Fatalf("beyond the limit: %s", got.Code)
	}
	settle(t, e)
	want(t, e, stream.Appended, appendTo("p", "text/plain", "x"))
}

func TestStreamAndProducerLimits(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.StreamsMax, o.ProducersPerStreamMax = 1, 1
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", ""))
	want(t, e, stream.TooManyStreams, create("q", "text/plain", ""))
	produce := func(id string, seq int64) func(*Engine) Ticket {
		return func(e *Engine) Ticket {
			return e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("x"), Producer: stream.Producer{ID: id, Seq: seq}})
		}
	}
	want(t, e, stream.Appended, produce("a", 0))
	want(t, e, stream.TooManyProducers, produce("b", 0))
	want(t, e, stream.Appended, produce("a", 1))
	want(t, e, stream.Duplicate, produce("a", 0))
}

// TestAFullDiskRefusesGrowthOnly fills the disk: appends and creates are
// refused, everything else goes on, and space that is set free is used without
// a restart.
func TestAFullDiskRefusesGrowthOnly(t *testing.T) {
	fs := memfs.New()
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.LogFileBytes = 256 << 10 // of which an eighth is kept for what sets space free
	e := mustOpen(t, o)
	fs.SetCapacity(fs.Used()) // no further file fits
	if err := e.Allocate(); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatalf("allocation on a full disk: %v", err)
	}
	want(t, e, stream.Created, create("p", "text/plain", "first"))
	want(t, e, stream.Created, withTTL("soon", 1))
	for i := 0; ; i++ {
		if i > 1000 {
			t.Fatal("a disk of one log file took 1000 appends")
		}
		out := do(t, e, func() Ticket { return appendTo("p", "text/plain", strings.Repeat("x", 4000))(e) })
		if out.Code == stream.DiskFull {
			break
		}
		if out.Code != stream.Appended {
			t.Fatal(out.Code)
		}
	}
	want(t, e, stream.DiskFull, create("q", "text/plain", "x"))
	want(t, e, stream.OK, touchRead("p"))
	want(t, e, stream.Closed, func(e *Engine) Ticket { return e.Append(&stream.Append{Path: "p", Close: true}) })
	o.Clock.(*fakeClock).advance(2e9)
	want(t, e, stream.NotFound, head("soon"))
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("p") })

	fs.SetCapacity(1 << 40)
	if err := e.Allocate(); err != nil {
		t.Fatal(err)
	}
	want(t, e, stream.Created, create("q", "text/plain", "x"))
}

// TestNoOutcomeAfterAFailedSync fails the sync under staged operations of
// every kind: none of them is ever confirmed.
func TestNoOutcomeAfterAFailedSync(t *testing.T) {
	disk := memfs.New()
	faults := faultfs.New(disk)
	o := manualOptions(faults, newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", "first"))
	want(t, e, stream.Created, create("gone", "text/plain", "first"))

	tickets := []Ticket{
		create("q", "text/plain", "x")(e),
		appendTo("p", "text/plain", "second")(e),
		e.Append(&stream.Append{Path: "p", ContentType: "application/json"}), // a refusal that saw the append
		e.Delete("gone"),
	}
	_, waiting := e.Head("gone")
	tickets = append(tickets, waiting)
	faults.FailNth(faultfs.SyncData, 1, errInjected)
	if _, err := e.Commit(); err == nil {
		t.Fatal("the commit succeeded")
	}
	if e.Err() == nil {
		t.Fatal("the engine did not notice")
	}
	for i, ticket := range tickets {
		if !ticket.Ready() || ticket.Err() == nil {
			t.Errorf("ticket %d: ready %t, error %v", i, ticket.Ready(), ticket.Err())
		}
	}
	if late := appendTo("p", "text/plain", "third")(e); late.Code != stream.Failed {
		t.Errorf("an append after the failure: %s", late.Code)
	}
}

// What a client may choose the length of is counted, not estimated.
func TestMemoryCountsNamesAndTexts(t *testing.T) {
	fs, rng := memfs.New(), rand.New(rand.NewPCG(1, 1))
	e := mustOpen(t, manualOptions(fs, newFakeClock(), rng))
	path := strings.Repeat("p", 900)
	want(t, e, stream.Created, create(path, "text/plain", ""))
	grown := func(what string, atLeast int64, op func(*Engine) Ticket, code stream.Code) {
		t.Helper()
		before := e.Stats().MemoryBytes
		want(t, e, code, op)
		if got := e.Stats().MemoryBytes - before; got < atLeast {
			t.Errorf("%s: memory grew by %d, want at least %d", what, got, atLeast)
		}
	}
	grown("fork", 1800, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: path + "2", From: path, TTL: stream.NoTTL})
	}, stream.Created)
	grown("producer", 200, func(e *Engine) Ticket {
		return e.Append(&stream.Append{
			Path: path, ContentType: "text/plain", Body: []byte("x"),
			Producer: stream.Producer{ID: strings.Repeat("i", 200)},
		})
	}, stream.Appended)
	held := e.Stats().MemoryBytes
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, manualOptions(fs, newFakeClock(), rng))
	if got := e.Stats().MemoryBytes; got != held {
		t.Errorf("%d bytes after a restart, %d before", got, held)
	}
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete(path + "2") })
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete(path) })
	if got := e.Stats().MemoryBytes; got != 0 {
		t.Errorf("%d bytes are held after everything was deleted", got)
	}
}

// A source that is written to all the time cannot keep a fork waiting: only the
// append that it copies from has to be durable.
func TestForkDoesNotWaitForNewerAppendsOfItsSource(t *testing.T) {
	e := mustOpen(t, manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 1))))
	want(t, e, stream.Created, create("p", "text/plain", "first"))
	if got := appendTo("p", "text/plain", "second")(e); got.Code != stream.Appended {
		t.Fatal(got.Code)
	}
	fork := func(path string, at stream.Offset) Ticket {
		return e.Create(&stream.Create{
			Path: path, From: "p", TTL: stream.NoTTL, FromOffset: at, HasFromOffset: true, SubOffset: 2,
		})
	}
	tail := e.table.Lookup("p").Tail
	if got := fork("f", 0); got.Retry || got.Code != stream.Created {
		t.Errorf("from the durable append: retry %t, %s", got.Retry, got.Code)
	}
	if got := fork("g", tail-stream.Offset(len("second"))); !got.Retry {
		t.Errorf("from the staged append: %s at once", got.Code)
	}
	settle(t, e)
	want(t, e, stream.Created, func(*Engine) Ticket { return fork("g", tail-stream.Offset(len("second"))) })
	if parts, _, _ := readAll(t, e, "g", 0); len(parts) != 2 || string(parts[1]) != "se" {
		t.Errorf("the fork reads %q", parts)
	}
}

func TestStoresHaveIdentitiesOfTheirOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	fs := memfs.New()
	identity := func(fs *memfs.FS) uint64 {
		e := mustOpen(t, manualOptions(fs, newFakeClock(), rng))
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return e.Identity()
	}
	first := identity(fs)
	if again := identity(fs); again != first {
		t.Errorf("opened again, the store is %x and was %x", again, first)
	}
	if other := identity(memfs.New()); other == first {
		t.Errorf("two stores are %x", first)
	}
}

// A fork of a fork whose offset lies inside an append that the fork does not show
// copies from the fork's first own append, and waits until that is durable.
func TestForkInAGapWaitsForWhatFollows(t *testing.T) {
	e := mustOpen(t, Options{FS: memfs.New(), Dir: "store", Manual: true})
	defer e.Close()
	e.Create(&stream.Create{Path: "p", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("first")})
	settle(t, e)
	e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("hidden")})
	settle(t, e)
	fork := stream.Create{Path: "f", From: "p", TTL: stream.NoTTL, FromOffset: 17, HasFromOffset: true} // inside of the second
	if out := e.Create(&fork); out.Code != stream.Created {
		t.Fatal(out.Code)
	}
	settle(t, e)
	e.Append(&stream.Append{Path: "f", ContentType: "text/plain", Body: []byte("own")})
	part := stream.Create{Path: "g", From: "f", TTL: stream.NoTTL, FromOffset: 12, HasFromOffset: true, SubOffset: 2}
	if out := e.Create(&part); !out.Retry || out.Ready() {
		t.Fatalf("before the append is durable: %v, retry %t", out.Code, out.Retry)
	}
	settle(t, e)
	if out := e.Create(&part); out.Code != stream.Created {
		t.Fatal(out.Code)
	}
	settle(t, e)
	if res := read(e, ReadRequest{Path: "g", From: 10}); len(res.Parts) != 1 || string(res.Parts[0]) != "ow" {
		t.Errorf("copied %q", res.Parts)
	}
}
