package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

func withTTL(path string, seconds int64) func(*Engine) Ticket {
	return func(e *Engine) Ticket { return e.Create(&stream.Create{Path: path, TTL: seconds}) }
}

func head(path string) func(*Engine) Ticket {
	return func(e *Engine) Ticket { _, t := e.Head(path); return t }
}

func touchRead(path string) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		_, t := e.Read(ReadRequest{Path: path, Touch: true})
		return t
	}
}

func TestExpiryIsDurableBeforeItIsTold(t *testing.T) {
	e, _, clock := openManual(t)
	want(t, e, stream.Created, withTTL("p", 10))
	clock.advance(10 * time.Second)
	_, first := e.Head("p")
	if !first.Retry || first.Ready() {
		t.Fatalf("the request that found the stream expired is answered %s before the expiry is durable", first.Code)
	}
	if second := e.Append(&stream.Append{Path: "p", ContentType: "text/plain", Body: []byte("x")}); !second.Retry || second.Ready() {
		t.Fatal("another request does not wait for the expiry")
	}
	settle(t, e)
	want(t, e, stream.NotFound, head("p"))
}

func TestUseRenewsASlidingTTLAndHeadDoesNot(t *testing.T) {
	e, _, clock := openManual(t)
	want(t, e, stream.Created, withTTL("used", 10))
	want(t, e, stream.Created, withTTL("looked-at", 10))
	for range 5 {
		clock.advance(6 * time.Second)
		want(t, e, stream.OK, touchRead("used"))
		do(t, e, func() Ticket { _, ticket := e.Head("looked-at"); return ticket })
	}
	want(t, e, stream.OK, head("used"))
	want(t, e, stream.NotFound, head("looked-at"))
}

func TestAWatchedStreamLivesOn(t *testing.T) {
	e, _, clock := openManual(t)
	want(t, e, stream.Created, withTTL("p", 2))
	info, _ := e.Head("p")
	stop, ok := e.Watch("p", info.ID, func() {})
	if !ok {
		t.Fatal("no watch")
	}
	for range 10 {
		clock.advance(3 * time.Second)
		e.Sweep()
		settle(t, e)
	}
	want(t, e, stream.OK, head("p"))
	stop()
	clock.advance(1900 * time.Millisecond)
	want(t, e, stream.OK, head("p"))
	clock.advance(2 * time.Second)
	want(t, e, stream.NotFound, head("p"))
}

func TestSweepEndsWhatNobodyAsksFor(t *testing.T) {
	e, _, clock := openManual(t)
	for _, p := range []string{"a", "b", "c"} {
		want(t, e, stream.Created, withTTL(p, 5))
	}
	want(t, e, stream.Created, create("forever", "text/plain", "x"))
	clock.advance(6 * time.Second)
	e.Sweep()
	settle(t, e)
	if got := e.Stats().Streams; got != 1 {
		t.Fatalf("%d streams left, want 1", got)
	}
	if len(e.due) != 0 {
		t.Fatalf("%d deadlines left of ended streams", len(e.due))
	}
}

// TestWallClockStepsDoNoHarm steps the wall clock by an hour either way under
// streams that are in use, and across a restart.
func TestWallClockStepsDoNoHarm(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		fs, clock := memfs.New(), newFakeClock()
		rng := rand.New(rand.NewPCG(3, 4))
		e := mustOpen(t, manualOptions(fs, clock, rng))
		want(t, e, stream.Created, withTTL("p", 60))
		absolute := clock.wall.Add(30 * time.Minute)
		want(t, e, stream.Created, func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: "q", TTL: stream.NoTTL, ExpiresAt: absolute.UnixMilli(), ExpiresText: "t"})
		})
		before := e.Now()
		clock.step(step)
		clock.advance(30 * time.Second)
		e.Sweep()
		want(t, e, stream.OK, head("p"))
		want(t, e, stream.OK, head("q"))
		if now := e.Now(); now.Before(before) {
			t.Fatalf("step %v: time went back", step)
		}
		clock.step(-step)
		want(t, e, stream.OK, touchRead("p"))
		clock.advance(61 * time.Second * slewShare / (slewShare - 1))
		want(t, e, stream.NotFound, head("p")) // and a life still ends, nearly on time

		// A wall clock that fell back while the store was closed.
		want(t, e, stream.Created, withTTL("r", 60))
		last := e.Now()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		clock.step(-time.Hour)
		e = mustOpen(t, manualOptions(fs, clock, rng))
		want(t, e, stream.OK, head("r"))
		if now := e.Now(); now.Before(last.Truncate(time.Millisecond)) {
			t.Fatalf("time after a restart is %v before", last.Sub(now))
		}
		e.Close()
	}
}

// TestACrashMayLengthenALifeNeverShortenIt crashes between a use and the next
// one that would be logged.
func TestACrashMayLengthenALifeNeverShortenIt(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(5, 6))
	e := mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.Created, withTTL("p", 160)) // slack: 10 s
	clock.advance(9 * time.Second)
	want(t, e, stream.OK, touchRead("p")) // within the slack: not logged
	fs = fs.Crash(rng, memfs.KeepNone)
	e = mustOpen(t, manualOptions(fs, clock, rng))
	clock.advance(159 * time.Second)
	want(t, e, stream.OK, head("p"))
	clock.advance(3 * time.Second)
	want(t, e, stream.NotFound, head("p"))

	// An end that was told stays.
	fs = fs.Crash(rng, memfs.KeepNone)
	e = mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.NotFound, head("p"))
}

// A stream that is followed live is in use all the time, and a crash must not
// make it look as if its last use was when the follower came.
func TestACrashDoesNotShortenALifeThatIsWatched(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(7, 8))
	e := mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.Created, withTTL("p", 10))
	if _, ok := e.Watch("p", 1, func() {}); !ok {
		t.Fatal("not watched")
	}
	for range 25 {
		clock.advance(time.Second)
		for e.Sweep() {
		}
		if _, err := e.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := e.Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	fs = fs.Crash(rng, memfs.KeepNone)
	e = mustOpen(t, manualOptions(fs, clock, rng))
	clock.advance(9 * time.Second)
	want(t, e, stream.OK, head("p"))
	clock.advance(10 * time.Second)
	want(t, e, stream.NotFound, head("p"))
}

// A lifetime of nothing is renewed by whoever follows, which must not keep the
// sweep busy.
func TestSweepEndsWhateverIsWatched(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(7, 9))
	e := mustOpen(t, manualOptions(fs, clock, rng))
	want(t, e, stream.Created, withTTL("p", 0))
	fs = fs.Crash(rng, memfs.KeepNone)
	e = mustOpen(t, manualOptions(fs, clock, rng)) // revived for a moment
	if _, ok := e.Watch("p", 1, func() {}); !ok {
		t.Fatal("not watched")
	}
	clock.advance(2 * time.Second)
	for range 3 {
		if e.Sweep() {
			t.Fatal("the sweep wants to go on")
		}
		clock.advance(time.Second)
	}
}
