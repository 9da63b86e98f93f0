package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// fillsUp does a scene with so many pages of room, for every number of them
// until it needs no more. A full disk stops nobody: what is there is read,
// deletes go on, and with room again all is done that was not.
func fillsUp(t *testing.T, seed uint64, s *scene) {
	t.Helper()
	refused := 0
	for pages := int64(0); ; pages++ {
		if pages > 200 {
			t.Fatal("there is never enough room")
		}
		c := s.base.begin(seed)
		if err := c.open(); err != nil {
			t.Fatal(err)
		}
		if s.prelude != nil {
			if err := s.prelude(c); err != nil {
				t.Fatal(err)
			}
		}
		c.disk.SetCapacity(c.disk.Used() + pages*4096)
		c.full = true
		done := s.act(c)
		if err := c.whileFull(done); err != nil {
			t.Fatalf("-engine.seed=%d: room for %d pages, %v: %v", seed, pages, done, err)
		}
		if done == nil {
			break
		}
		refused++
	}
	if refused == 0 {
		t.Error("there was always enough room")
	}
	t.Logf("%d amounts of room were too little", refused)
}

func (c *cut) whileFull(done error) error {
	if done != nil && !c.e.survives(done) {
		return fmt.Errorf("%w: a full disk stopped the engine: %w", errLaw, done)
	}
	if err := c.commit(); err != nil {
		return err
	}
	if err := c.same(c.e); err != nil {
		return err
	}
	if t := c.e.Delete("fork"); t.Code != stream.Deleted {
		return fmt.Errorf("%w: delete on a full disk: %s", errLaw, t.Code)
	}
	if err := c.commit(); err != nil {
		return err
	}
	c.lift()
	if err := c.e.Allocate(); err != nil {
		return err
	}
	if err := c.do(create("roomy", "text/plain", "x")); err != nil {
		return err
	}
	if c.e.table.Lookup("roomy") == nil {
		return fmt.Errorf("%w: there is room, and a create is refused", errLaw)
	}
	for _, again := range []func() error{c.e.Flush, c.e.Merge, c.e.sweepGarbage} {
		if err := again(); err != nil {
			return fmt.Errorf("%w: with room again: %w", errLaw, err)
		}
	}
	if err := c.onlyLiveFiles(c.e); err != nil {
		return err
	}
	if err := c.same(c.e); err != nil {
		return err
	}
	return c.survives(c.disk.Crash(nil, memfs.KeepNone))
}

func TestDiskFullDuringAFlush(t *testing.T) {
	seed := firstSeed(t)
	base := prepare(t, seed)
	fillsUp(t, seed, &scene{base: base, act: (*cut).flushBusily})
	// With the manifest in use already, it has room reserved.
	fillsUp(t, seed, &scene{base: base,
		prelude: func(c *cut) error {
			if err := flushed(c); err != nil {
				return err
			}
			return c.do(create("more", "text/plain", strings.Repeat("more", 1500)))
		},
		act: func(c *cut) error {
			c.snapshotNext()
			return c.flushBusily()
		},
	})
}

func TestDiskFullDuringAMerge(t *testing.T) {
	seed := firstSeed(t)
	fillsUp(t, seed, &scene{base: prepare(t, seed), prelude: flushed, act: (*cut).mergeBusily})
}

// TestFlushesThatFailFillTheFrameBudget: appends go on until what no segment
// has reaches its limit, and then are DiskFull. What needs no room goes on.
func TestFlushesThatFailFillTheFrameBudget(t *testing.T) {
	fs := memfs.New()
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 1)))
	o.LogFileBytes, o.FrameBytesMax = 256<<10, 40_000
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("p", "text/plain", "first"))
	want(t, e, stream.Created, create("q", "text/plain", "first"))
	fs.SetCapacity(fs.Used())
	x := strings.Repeat("x", 2000)
	n := 0
	for ; ; n++ {
		if err := e.Flush(); err == nil || !e.survives(err) {
			t.Fatalf("flush on a full disk: %v", err)
		}
		out := do(t, e, func() Ticket { return appendTo("p", "text/plain", x)(e) })
		if out.Code == stream.DiskFull {
			break
		}
		if out.Code != stream.Appended || n > 20 {
			t.Fatalf("append %d on a full disk: %s", n, out.Code)
		}
	}
	if n < 15 {
		t.Errorf("only %d appends went into the budget", n)
	}
	if parts, _, code := readAll(t, e, "p", 0); code != stream.OK || len(parts) != n+1 {
		t.Errorf("read: %s, %d appends", code, len(parts))
	}
	want(t, e, stream.Deleted, func(e *Engine) Ticket { return e.Delete("q") })
	want(t, e, stream.Closed, func(e *Engine) Ticket { return e.Append(&stream.Append{Path: "p", Close: true}) })
	fs.SetCapacity(-1)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	want(t, e, stream.Created, create("r", "text/plain", x))
	if parts, _, code := readAll(t, e, "p", 0); code != stream.OK || len(parts) != n+1 {
		t.Errorf("read after the flush: %s, %d appends", code, len(parts))
	}
}

// TestServiceReturnsByItself: an engine with its goroutines needs no restart
// after a full disk.
func TestServiceReturnsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.New()
		o := Options{FS: fs, Dir: "store", LogFileBytes: 256 << 10, BodyBytesMax: 8 << 10, FrameBytesMax: 40_000, MergeFanIn: 2}
		e := mustOpen(t, o)
		add := func() stream.Code {
			for {
				ticket := appendTo("p", "text/plain", strings.Repeat("x", 2000))(e)
				if err := ticket.Wait(); err != nil {
					t.Fatal(err)
				}
				if !ticket.Retry {
					return ticket.Code
				}
			}
		}
		create("p", "text/plain", "first")(e).Wait()
		synctest.Wait()
		n := 1
		for round := range 2 {
			fs.SetCapacity(fs.Used() + int64(round)*3*4096)
			code := add()
			for ; code == stream.Appended && n < 400; n++ {
				<-time.After(100 * time.Millisecond)
				code = add()
			}
			if code != stream.DiskFull {
				t.Fatalf("after %d appends on a full disk: %s", n, code)
			}
			fs.SetCapacity(-1)
			<-time.After(5 * time.Second)
			for range 60 { // more than the budget and more than a log file
				<-time.After(100 * time.Millisecond)
				if code := add(); code != stream.Appended {
					t.Fatalf("with room again: %s", code)
				}
				n++
			}
		}
		parts, _ := 0, 0
		for from := stream.Offset(0); ; {
			res, ticket := e.ReadCold(ReadRequest{Path: "p", From: from})
			if ticket.Code != stream.OK {
				t.Fatal(ticket.Code)
			}
			parts += len(res.Parts)
			if from = res.Next; res.UpToDate {
				break
			}
		}
		if parts != n {
			t.Errorf("%d appends are there, %d were accepted", parts, n)
		}
		if e.Stats().Segments == 0 {
			t.Error("nothing was flushed")
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
