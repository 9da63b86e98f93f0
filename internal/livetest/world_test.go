package livetest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/server"
)

// slowTimeout is after what a reader that takes nothing is given up.
const slowTimeout = 500 * time.Millisecond

// world is a server with its readers and writers.
type world struct {
	t       *testing.T
	engine  *engine.Engine
	server  *server.Server
	served  chan error
	addr    string
	verdict verdict
	tally   tally
	pulse   *pulse

	stop  chan struct{} // closed when writers are to end
	hurry chan struct{} // closed when readers are to come to their ends

	slots []slot
}

// slot is a place for one stream after the other, and for one that is closed.
type slot struct {
	// path is locked by who makes a fork of a stream here, and exclusively by
	// who gives its path to a successor: a fork has one source for certain.
	path sync.RWMutex

	mu      sync.Mutex
	current *track
	old     *track
}

// grace is what the test grants beyond a constant number of goroutines: those
// that libraries keep for the process.
const grace = 6

// soak runs readers and writers for a time, then lets all readers come to the
// ends of their streams.
func soak(t *testing.T, seed uint64, portable bool, d time.Duration) {
	before := runtime.NumGoroutine()
	w := newWorld(t, portable)
	var authors, readers sync.WaitGroup
	for i := range w.slots {
		authors.Go(func() { newAuthor(w, i, source(seed, ofAuthor, i)).run() })
	}
	for i := range *readersFlag {
		readers.Go(func() { newReader(w, i, source(seed, ofReader, i)).run() })
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	close(w.stop)
	if !w.await("the writers", &authors) {
		return
	}
	close(w.hurry)
	if !w.await("the readers", &readers) {
		return
	}
	w.checkTails()
	w.shutdown(source(seed, ofTest, 0))
	w.verdict.report(t)
	t.Logf("%v", &w.tally)
	for _, e := range w.tally.missing() {
		t.Errorf("%v: none in %v", e, d)
	}
	w.awaitGoroutines(before + grace)
}

func newWorld(t *testing.T, portable bool) *world {
	w := &world{
		t: t, stop: make(chan struct{}), hurry: make(chan struct{}), served: make(chan error, 1),
		slots: make([]slot, *streamsFlag), pulse: startPulse(),
	}
	t.Cleanup(w.pulse.end)
	logger := slog.New(&listener{tally: &w.tally, verdict: &w.verdict})
	var err error
	w.engine, err = engine.Open(engine.Options{
		Dir: t.TempDir(), LogFileBytes: 2 << 20, BodyBytesMax: 2 * bodyMax, MemoryBytes: 64 << 20,
		FlushBytes: 256 << 10, FrameBytesMax: 8 << 20, BlockCacheBytes: 128 << 10,
		SegmentBytes: 1 << 20, MergeFanIn: 2, SoloMinBytes: 8 << 10, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server, err = server.New(w.engine, server.Options{
		LiveTime: time.Second, CommentInterval: 100 * time.Millisecond, LongPollTimeout: 300 * time.Millisecond,
		SlowTimeout: slowTimeout, BodyBytesMax: 2 * bodyMax, LiveMax: *readersFlag - *readersFlag/8,
		ResponseBytesInFlight: 4 << 20, Portable: portable, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = ln.Addr().String()
	go func() { w.served <- w.server.Serve(ln) }()
	return w
}

// newClient returns a client that reads as fast as it can.
func (w *world) newClient() *client {
	return &client{addr: w.addr, manner: plainManner, hurry: w.hurry}
}

// over reports whether a channel is closed.
func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// await waits for a group. It is false if that hangs.
func (w *world) await(what string, g *sync.WaitGroup) bool {
	ended := make(chan struct{})
	go func() {
		g.Wait()
		close(ended)
	}()
	timer := time.NewTimer(2 * patience)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		w.verdict.report(w.t)
		w.t.Errorf("%s don't come to an end\n%s", what, stacks())
		return false
	}
}

// waitFor waits for what nobody tells.
func waitFor(happened func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-timer.C:
			return false
		}
	}
	return true
}

// pick draws a stream that is to be read or forked. It is nil if there is none.
func (w *world) pick(r *rand.Rand, suits func(*track) bool) (*track, *slot) {
	first := r.IntN(len(w.slots))
	for i := range w.slots {
		s := &w.slots[(first+i)%len(w.slots)]
		s.mu.Lock()
		tr := s.current
		if s.old != nil && r.IntN(3) == 0 {
			tr = s.old
		}
		s.mu.Unlock()
		if tr != nil && suits(tr) {
			return tr, s
		}
	}
	return nil, nil
}

// checkTails asks for the tail of every stream that is there.
func (w *world) checkTails() {
	c := w.newClient()
	defer c.drop()
	for i := range w.slots {
		for _, tr := range []*track{w.slots[i].current, w.slots[i].old} {
			if tr == nil || tr.mayMiss(tr.state()) {
				continue
			}
			a, err := c.do("HEAD", tr.name, nil)
			if err != nil {
				w.verdict.add(refused, "HEAD %s: %v", tr.id, err)
				return
			}
			s := tr.state()
			if next, err := a.next(); a.status != 200 || err != nil || next != s.tail || a.closed() != s.closed {
				w.verdict.add(misplaced, "HEAD %s: %v, %v; the tail is %d, closed %v", tr.id, a, err, s.tail, s.closed)
			}
		}
	}
}

// shutdown stops the server with some readers at it, who see a clean end.
func (w *world) shutdown(r *rand.Rand) {
	if !waitFor(func() bool { return w.server.LiveReaders() == 0 }) {
		w.t.Errorf("%d live readers after all have left", w.server.LiveReaders())
	}
	var left sync.WaitGroup
	for range 8 {
		if tr, _ := w.pick(r, func(tr *track) bool { s := tr.state(); return !tr.mayMiss(s) && !s.closed }); tr != nil {
			last := newReader(w, 0, fork(r))
			last.begin(tr)
			at := make(chan struct{})
			left.Go(func() { last.stay(at) })
			<-at
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("shut down: %v", err)
	}
	left.Wait()
	if err := <-w.served; err != nil {
		w.t.Errorf("serve: %v", err)
	}
	if err := w.engine.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
	if n := w.server.InternalErrors(); n != 0 {
		w.t.Errorf("%d internal errors", n)
	}
	if n := w.server.CorruptReads(); n != 0 {
		w.t.Errorf("%d corrupt reads", n)
	}
	if n := w.server.LiveReaders(); n != 0 {
		w.t.Errorf("%d live readers after the end", n)
	}
	if n := w.server.Connections(); n != 0 {
		w.t.Errorf("%d connections after the end", n)
	}
}

// awaitGoroutines waits until no more are left than there may be.
func (w *world) awaitGoroutines(most int) {
	if !waitFor(func() bool { return runtime.NumGoroutine() <= most }) {
		w.t.Errorf("%d goroutines are left, want at most %d\n%s", runtime.NumGoroutine(), most, stacks())
	}
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
