package server

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

var seedFlag = flag.Uint64("server.seed", 0, "seed of the random tests, 0 = by the clock")

// portableFlag runs all tests without event loops.
var portableFlag = flag.Bool("server.portable", false, "serve by a goroutine for each connection")

// newRand is the randomness of a test; its seed is printed so that a failure
// can be run again.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-server.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// patience is how long a test waits for what must happen. It is no assertion
// about time, only the end of a test that hangs.
const patience = 20 * time.Second

// fixture is a running server on an engine in memory.
type fixture struct {
	t      testing.TB
	fs     *faultfs.FS
	clock  *movableClock
	engine *engine.Engine
	server *Server
	addr   string

	waits chan event // requests that began to wait for a ticket
	parks chan event // live readers that began to wait for news

	internalErrors int64 // expected
	corruptReads   int64 // expected
	broken         bool  // the log was made to fail
}

type event struct {
	method method
	name   string
}

// movableClock is the machine's clock, which a test can put ahead.
type movableClock struct {
	engine.SystemClock
	ahead atomic.Int64
}

func (c *movableClock) Now() (time.Time, time.Duration) {
	wall, mono := c.SystemClock.Now()
	d := time.Duration(c.ahead.Load())
	return wall.Add(d), mono + d
}

func (c *movableClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// testBodyMax is the body limit of tests.
const testBodyMax = 512 << 10

type setup struct {
	engine engine.Options
	server Options
	reads  func(reader) reader // stands before the engine, if there is one
	quiet  bool                // no hooks are set
}

// start runs a server until the test ends, and then demands that nothing is
// left open and that it had no fault of its own.
func start(t testing.TB, change ...func(*setup)) *fixture {
	t.Helper()
	f := &fixture{t: t, fs: faultfs.New(memfs.New()), waits: make(chan event, 1024), parks: make(chan event, 1024)}
	f.clock = &movableClock{SystemClock: engine.NewSystemClock()}
	var u setup
	u.engine = engine.Options{FS: f.fs, Dir: "store", LogFileBytes: 4 << 20, BodyBytesMax: testBodyMax + 1, Clock: f.clock}
	u.server = Options{BodyBytesMax: testBodyMax, Portable: *portableFlag}
	for _, c := range change {
		c(&u)
	}
	var err error
	if f.engine, err = engine.Open(u.engine); err != nil {
		t.Fatal(err)
	}
	if f.server, err = New(f.engine, u.server); err != nil {
		t.Fatal(err)
	}
	if u.reads != nil {
		f.server.reads = u.reads(f.server.reads)
	}
	if !u.quiet {
		f.server.hooks.onWait = func(m method, name string) { offer(f.waits, event{m, strings.Clone(name)}) }
		f.server.hooks.onPark = func(m method, name string) { offer(f.parks, event{m, strings.Clone(name)}) }
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(ln) }()
	t.Cleanup(func() {
		// The clients are gone. fasthttp looks for that ten times a second
		// only, so a moment here saves much time over all tests.
		for range 50 {
			if f.server.Connections() == 0 {
				break
			}
			<-time.After(time.Millisecond)
		}
		if err := f.shutdown(); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := f.engine.Close(); err != nil && !f.broken {
			t.Errorf("close: %v", err)
		}
		if n := f.server.InternalErrors(); n != f.internalErrors {
			t.Errorf("%d internal errors, want %d", n, f.internalErrors)
		}
		if n := f.server.CorruptReads(); n != f.corruptReads {
			t.Errorf("%d corrupt reads, want %d", n, f.corruptReads)
		}
		if n := f.server.Connections(); n != 0 {
			t.Errorf("%d connections are open after the end", n)
		}
		if n := f.server.LiveReaders(); n != 0 {
			t.Errorf("%d live readers after the end", n)
		}
		if n := f.server.responses.used.Load(); n != 0 {
			t.Errorf("%d bytes of the budget for responses are taken after the end", n)
		}
		if n := f.server.bodies.used.Load(); n != 0 {
			t.Errorf("%d bytes of the body budget are taken after the end", n)
		}
	})
	return f
}

func offer(c chan event, e event) {
	select {
	case c <- e:
	default:
	}
}

func (f *fixture) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.server.Shutdown(ctx)
}

// silent drops the log of tests that provoke what is logged.
func silent(u *setup) { u.server.Logger = slog.New(slog.DiscardHandler) }

// byLoops serves by event loops, where there are any, whatever the flag says.
func byLoops(u *setup) { u.server.Portable = false }

// endless makes live readers wait for news and nothing else: no timer comes to
// the help of a reader that missed some.
func endless(u *setup) {
	u.server.LongPollTimeout, u.server.LiveTime, u.server.CommentInterval = time.Hour, time.Hour, time.Hour
}

// await receives from c.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// bareExchange is an exchange without a connection.
func bareExchange(s *Server) (*exchange, *fasthttp.Response) {
	var resp fasthttp.Response
	return s.newExchange(&fasthttp.Request{}, &resp, connInfo{}, time.Now()), &resp
}

// errNoSpace is what a full disk says.
func errNoSpace() error { return fmt.Errorf("a test: %w", vfs.ErrNoSpace) }

// holdCommits keeps every commit of the log from now on waiting until release,
// which lets them go on, or fail if fails is set. held gets a value for each
// that begins to wait. A file that is made ahead of need is synced in another
// way and goes on.
func (f *fixture) holdCommits(fails bool) (held <-chan struct{}, release func()) {
	signal, gate := make(chan struct{}, 64), make(chan struct{})
	fault := faultfs.Fault{Hold: gate, Delay: func() {
		select {
		case signal <- struct{}{}:
		default:
		}
	}}
	if fails {
		f.broken, fault.Err = true, errHeld
	}
	f.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.SyncData {
			return fault
		}
		return faultfs.Fault{}
	})
	release = sync.OnceFunc(func() {
		f.fs.Inject(nil)
		close(gate)
	})
	f.t.Cleanup(release)
	return signal, release
}

var errHeld = errors.New("a test failed this sync")
