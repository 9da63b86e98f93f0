package engine

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

var errInjected = errorString("injected")

type errorString string

func (e errorString) Error() string { return string(e) }

// openLive opens an engine with its goroutines, in memory.
func openLive(t testing.TB) *Engine {
	t.Helper()
	e := mustOpen(t, Options{FS: memfs.New(), Dir: "store", LogFileBytes: 1 << 20, BodyBytesMax: 64 << 10})
	t.Cleanup(func() { e.Close() })
	return e
}

// read reads from wherever it is.
func read(e *Engine, r ReadRequest) ReadResult {
	res, _ := e.Read(r)
	if res.Cold {
		res, _ = e.ReadCold(r)
	}
	return res
}

// TestNoWakeUpIsLost appends while a reader goes from reading to waiting. A
// lost wake-up hangs the test.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Run("by another goroutine", func(t *testing.T) { loseNoWakeUp(t, (*Engine).Watch) })
	t.Run("by whoever commits", func(t *testing.T) { loseNoWakeUp(t, (*Engine).WatchInline) })
}

func loseNoWakeUp(t *testing.T, watch func(*Engine, string, stream.ID, func()) (func(), bool)) {
	const rounds = 100_000
	e := openLive(t)
	if out := e.Create(&stream.Create{Path: "p", ContentType: "text/plain", TTL: stream.NoTTL}); out.Wait() != nil {
		t.Fatal(out.Err())
	}
	info, _ := e.Head("p")
	turn := make(chan struct{}) // one append while the reader goes from reading to waiting
	go func() {
		for range turn {
			for e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("x")}).Code != stream.Appended {
				runtime.Gosched() // the next log file is being made
			}
		}
	}()
	defer close(turn)
	woken := make(chan struct{}, 1)
	var at stream.Offset
	var stop func()
	for i := range rounds {
		turn <- struct{}{}
		if i%8 == 0 { // a new watch now and then; the others see many changes
			if stop != nil {
				stop()
			}
			var ok bool
			stop, ok = watch(e, "p", info.ID, func() {
				select {
				case woken <- struct{}{}:
				default:
				}
			})
			if !ok {
				t.Fatal("no watch")
			}
		}
		res := read(e, ReadRequest{Path: "p", From: at})
		for len(res.Parts) == 0 {
			<-woken
			res = read(e, ReadRequest{Path: "p", From: at})
		}
		at = res.Next
	}
	stop()
}

func TestWatchersHearOfEveryKindOfChange(t *testing.T) {
	e, _, clock := openManual(t)
	changes := map[string]func(*Engine) Ticket{
		"append": appendTo("p", "text/plain", "x"),
		"close":  func(e *Engine) Ticket { return e.Append(&stream.Append{Path: "p", Close: true}) },
		"delete": func(e *Engine) Ticket { return e.Delete("p") },
		"expiry": func(e *Engine) Ticket { clock.advance(3600e9); e.Sweep(); _, t := e.Head("p"); return t },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			expires := clock.wall.Add(1800e9).UnixMilli()
			want(t, e, stream.Created, func(e *Engine) Ticket {
				return e.Create(&stream.Create{Path: "p", ContentType: "text/plain", TTL: stream.NoTTL, ExpiresAt: expires, ExpiresText: "t"})
			})
			info, _ := e.Head("p")
			calls := 0
			stop, _ := e.Watch("p", info.ID, func() { calls++ })
			ticket := change(e)
			if calls != 0 {
				t.Error("told before the change was durable")
			}
			if !ticket.Ready() {
				settle(t, e)
			}
			if calls != 1 {
				t.Errorf("told %d times", calls)
			}
			stop()
			do(t, e, func() Ticket { return e.Delete("p") })
		})
	}
	if n := e.Stats().Watchers; n != 0 {
		t.Errorf("%d watchers left", n)
	}
}

func TestSameSeedSameIO(t *testing.T) {
	seed := firstSeed(t)
	run := func() string { return traceOf(t, seed) }
	if a, b := run(), run(); a != b {
		t.Fatal("two runs of one seed did different I/O")
	} else if a == "" {
		t.Fatal("no I/O was traced")
	}
}

// manualRun is a workload whose every source of chance is the seed.
func manualRun(t *testing.T, o Options, seed uint64) {
	t.Helper()
	clock := o.Clock.(*fakeClock)
	rng := rand.New(rand.NewPCG(seed, 9))
	work := newWorkload(rng, clock)
	e := mustOpen(t, o)
	for range 400 {
		work.op()(e)
		switch rng.IntN(4) {
		case 0:
			settle(t, e)
		case 1:
			clock.advance(700e6)
			e.Sweep()
		case 2:
			if err := e.Allocate(); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAWatcherLeavesTheLineBeforeItIsTold: a change that comes during the call
// must find it out of line, or it would not be told of that change.
func TestAWatcherLeavesTheLineBeforeItIsTold(t *testing.T) {
	w := &watcher{}
	w.queued.Store(true)
	again := false
	w.notify = func() { again = w.queued.CompareAndSwap(false, true) }
	notifyAll([]*watcher{w})
	if !again {
		t.Fatal("a change during the call did not queue the watcher again")
	}
}

// TestInlineWatchersKnowBeforeTheCommitReturns, and see what they are told of.
func TestInlineWatchersKnowBeforeTheCommitReturns(t *testing.T) {
	e := mustOpen(t, Options{FS: memfs.New(), Dir: "store", Manual: true})
	defer e.Close()
	settle(t, e)
	e.Create(&stream.Create{Path: "p", ContentType: "text/plain", TTL: stream.NoTTL})
	settle(t, e)
	info, _ := e.Head("p")
	calls := 0
	stop, ok := e.WatchInline("p", info.ID, func() { calls++ })
	if !ok {
		t.Fatal("the stream cannot be watched")
	}
	for i := range 3 {
		e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("x")})
		if calls != i {
			t.Fatalf("%d calls before commit %d", calls, i)
		}
		settle(t, e)
	}
	stop()
	e.Delete("p")
	settle(t, e)
	if calls != 3 {
		t.Fatalf("%d calls for 3 changes", calls)
	}
}

// TestReadersWithOneEndStayInStep reads a stream as it was: what came later, its
// end included, is not there.
func TestReadersWithOneEndStayInStep(t *testing.T) {
	e := mustOpen(t, Options{FS: memfs.New(), Dir: "store", Manual: true})
	defer e.Close()
	e.Create(&stream.Create{Path: "p", ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte("one")})
	settle(t, e)
	then := read(e, ReadRequest{Path: "p"}).Tail
	e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("two"), Close: true})
	settle(t, e)
	for _, flushed := range []bool{false, true} {
		if flushed {
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			settle(t, e)
		}
		res := read(e, ReadRequest{Path: "p", To: then})
		if len(res.Parts) != 1 || string(res.Parts[0]) != "one" || res.Next != then || !res.UpToDate || res.AtEnd {
			t.Errorf("flushed %t: as it was: %q up to %d, up to date %t, at its end %t", flushed, res.Parts, res.Next, res.UpToDate, res.AtEnd)
		}
		for _, from := range []stream.Offset{then, then + 100} {
			if res = read(e, ReadRequest{Path: "p", From: from, To: then}); len(res.Parts) != 0 || res.Next != then || res.AtEnd {
				t.Errorf("flushed %t: from %d: %q up to %d", flushed, from, res.Parts, res.Next)
			}
		}
		if res = read(e, ReadRequest{Path: "p", From: then}); len(res.Parts) != 1 || !res.AtEnd {
			t.Errorf("flushed %t: as it is: %q, at its end %t", flushed, res.Parts, res.AtEnd)
		}
	}
}
