package engine

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

var seedFlag = flag.Uint64("engine.seed", 0, "first seed of the random tests, 0 = by the clock")

// firstSeed is where a random test starts; it is printed so that a failure can
// be run again.
func firstSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-engine.seed=%d", seed)
	return seed
}

// fakeClock is a clock that stands still until it is told.
type fakeClock struct {
	wall time.Time
	mono time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) Now() (time.Time, time.Duration) { return c.wall, c.mono }

// advance lets time pass, for both readings.
func (c *fakeClock) advance(d time.Duration) { c.wall, c.mono = c.wall.Add(d), c.mono+d }

// step moves the wall clock alone.
func (c *fakeClock) step(d time.Duration) { c.wall = c.wall.Add(d) }

// manualOptions are those of a small store whose every step the test drives.
func manualOptions(fs vfs.FS, clock Clock, rng *rand.Rand) Options {
	return Options{
		FS: fs, Dir: "store", LogFileBytes: 64 << 10, BodyBytesMax: 8 << 10,
		Clock: clock, Rand: rng.Uint64, Manual: true,
		MergeFanIn: 2, SoloMinBytes: 3000, BlockCacheBytes: 32 << 10,
	}
}

func mustOpen(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// openManual opens a new store in memory.
func openManual(t testing.TB) (*Engine, *memfs.FS, *fakeClock) {
	t.Helper()
	fs, clock := memfs.New(), newFakeClock()
	e := mustOpen(t, manualOptions(fs, clock, rand.New(rand.NewPCG(1, 2))))
	t.Cleanup(func() { e.Close() })
	return e, fs, clock
}

// settle commits everything that is staged.
func settle(t testing.TB, e *Engine) {
	t.Helper()
	for {
		more, err := e.Commit()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// do asks until something is decided, and commits until it is durable.
func do(t testing.TB, e *Engine, op func() Ticket) stream.Outcome {
	t.Helper()
	for range 10 {
		ticket := op()
		if !ticket.Ready() {
			settle(t, e)
		}
		if !ticket.Ready() {
			t.Fatal("ticket not ready though everything is committed")
		}
		if err := ticket.Err(); err != nil {
			t.Fatal(err)
		}
		if !ticket.Retry {
			return ticket.Outcome
		}
	}
	t.Fatal("told to retry for ever")
	return stream.Outcome{}
}

func create(path, contentType string, body string) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: path, ContentType: contentType, TTL: stream.NoTTL, Body: []byte(body)})
	}
}

func appendTo(path, contentType, body string) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		return e.Append(&stream.Append{Path: path, ContentType: contentType, Body: []byte(body)})
	}
}

// want runs op to its end and compares the code.
func want(t testing.TB, e *Engine, code stream.Code, op func(*Engine) Ticket) stream.Outcome {
	t.Helper()
	out := do(t, e, func() Ticket { return op(e) })
	if out.Code != code {
		t.Fatalf("outcome %s, want %s", out.Code, code)
	}
	return out
}

// readAll reads a stream from an offset, or from its start if that is 0, to its
// durable tail, in small steps.
func readAll(t testing.TB, e *Engine, path string, from stream.Offset) (parts [][]byte, last ReadResult, code stream.Code) {
	t.Helper()
	for {
		var res ReadResult
		out := do(t, e, func() Ticket {
			req := ReadRequest{Path: path, From: from, Earliest: from == 0, BytesMax: 64}
			r, ticket := e.Read(req)
			if r.Cold {
				r, ticket = e.ReadCold(req)
			}
			res = r
			return ticket
		})
		if out.Code != stream.OK {
			return nil, res, out.Code
		}
		for _, p := range res.Parts {
			parts = append(parts, append([]byte(nil), p...))
		}
		if res.UpToDate {
			return parts, res, stream.OK
		}
		if res.Next <= from && from != 0 || len(res.Parts) == 0 {
			t.Fatalf("read of %q from %d made no progress: next %d, tail %d", path, from, res.Next, res.Tail)
		}
		from = res.Next
	}
}

// dump writes down everything that a store holds, to compare two of them.
func dump(e *Engine, w io.Writer) error {
	for _, s := range sortedStreams(e.table) {
		fmt.Fprint(w, describe(s))
		appends, err := ownAppends(e, s)
		if err != nil {
			return err
		}
		for _, k := range appends {
			if s.Gone && k.end > e.table.ForkedTo(s) {
				break
			}
			describeAppend(w, k)
		}
	}
	return nil
}

// ownAppends is what a stream has beside what it shows of its source, from
// segments and from memory, and what somebody still shows: a merge may have
// dropped the rest.
func ownAppends(e *Engine, s *stream.Stream) (all []kept, err error) {
	e.mu.Lock()
	v := e.pin()
	stored, floor := storedOf(s), e.table.Floor(s)
	if s.Gone {
		stored = min(stored, e.table.ForkedTo(s))
	}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.unpin(v)
		e.mu.Unlock()
	}()
	for i := range v.layers {
		for _, seg := range v.layers[i].find(uint64(s.ID)) {
			in := seg.in(how{ctx: context.Background()})
			run, ok, err := in.Run(uint64(s.ID))
			if err != nil {
				return nil, err
			}
			if !ok || run.End <= uint64(floor) || run.Start >= uint64(stored) {
				continue
			}
			if err := in.Appends(&run, uint64(floor), nil, func(body []byte, end uint64) bool {
				if stream.Offset(end) <= stored {
					all = append(all, kept{stream.Offset(end), body})
				}
				return true
			}); err != nil {
				return nil, err
			}
		}
	}
	if l := localOf(s); l != nil {
		for _, entry := range l.index.All() {
			if end := stream.Offset(entry.End); end > floor {
				all = append(all, kept{end, e.frames.byBatch[entry.Frame].slice(entry)})
			}
		}
	}
	return all, nil
}
