package server

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/vfs/memfs"
)

// failingListener fails with the errors it is given, one per call, before it
// accepts anything.
type failingListener struct {
	net.Listener
	mu     sync.Mutex
	errors []error
	asked  chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	select {
	case l.asked <- struct{}{}:
	default:
	}
	if len(l.errors) > 0 {
		err := l.errors[0]
		l.errors = l.errors[1:]
		l.mu.Unlock()
		return nil, err
	}
	l.mu.Unlock()
	return l.Listener.Accept()
}

func acceptError(errno syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: &net.AddrError{Err: errno.Error()}}
}

// serveOn runs a server of its own on a listener.
func serveOn(t *testing.T, ln net.Listener, o Options) (*Server, <-chan error) {
	t.Helper()
	e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", LogFileBytes: 1 << 20, BodyBytesMax: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s, err := New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s, served
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// Running out of descriptors passes; the listener must be there then.
func TestListenerSurvivesWhatPasses(t *testing.T) {
	ln := &failingListener{Listener: listen(t)}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		ln.errors = append(ln.errors, &net.OpError{Op: "accept", Net: "tcp", Err: errno})
	}
	serveOn(t, ln, Options{})
	f := &fixture{t: t, addr: ln.Addr().String()}
	f.do("GET", root+"a", "").wantError(t, 404, "not_found")
}

func TestListenerEndsWithWhatDoesNotPass(t *testing.T) {
	broken := acceptError(syscall.EINVAL)
	_, served := serveOn(t, &failingListener{Listener: listen(t), errors: []error{broken}}, Options{})
	if err := await(t, "the end", served); !errors.Is(err, broken) {
		t.Errorf("Serve returned %v", err)
	}
}

// A server that is out of descriptors can be stopped.
func TestShutdownInterruptsTheWaitForDescriptors(t *testing.T) {
	ln := &failingListener{Listener: listen(t), asked: make(chan struct{}, 1)}
	for range 10_000 {
		ln.errors = append(ln.errors, &net.OpError{Op: "accept", Err: syscall.EMFILE})
	}
	s, served := serveOn(t, ln, Options{})
	await(t, "an attempt to accept", ln.asked)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := await(t, "the end", served); err != nil {
		t.Error(err)
	}
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ConnsMax = 2 })
	f.create("a", "", text)
	waitFor(t, "no connections", func() bool { return f.server.Connections() == 0 })
	one, two := f.dial(), f.dial()
	for _, c := range []*client{one, two} {
		c.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
	}
	// The refusal arrives although the request was not read.
	r := f.do("POST", root+"a", strings.Repeat("x", 100_000), text)
	r.wantError(t, 503, "too_many_connections").wantHeaders(t, "Retry-After: 1", "Connection: close",
		"Cross-Origin-Resource-Policy: cross-origin", "Access-Control-Allow-Origin: *")
	one.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
	one.conn.Close()
	waitFor(t, "room", func() bool { return f.server.Connections() == 1 })
	f.do("GET", root+"a", "").want(t, 200)
}

func TestTooManyConnectionsAreRefusedWithoutCORS(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ConnsMax, u.server.DisableCORS = 1, true })
	f.dial().send(f.request("GET", root+"a", "")).read("GET").want(t, 404)
	f.do("GET", root+"a", "").wantError(t, 503, "too_many_connections").
		wantHeaders(t, "Access-Control-Allow-Origin:", "Cross-Origin-Resource-Policy: cross-origin")
}

// A live reader is a connection like any other, although fasthttp has let go
// of it.
func TestLiveReadersCountAsConnections(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ConnsMax = 1 })
	f.create("a", "", text)
	waitFor(t, "no connections", func() bool { return f.server.Connections() == 0 })
	s := f.follow("a?offset=-1")
	s.next()
	f.do("GET", root+"a", "").wantError(t, 503, "too_many_connections")
}

func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	held, release := f.holdCommits(false)
	c := f.dial().send(f.request("POST", root+"a", "x", text))
	f.awaitWait("a", methodPost)
	await(t, "a commit", held)
	idle, silent := f.dial(), f.dial()
	idle.send(f.request("GET", root+"a", "")).read("GET").want(t, 200)
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	// Those who wait for nothing are let go at once.
	idle.wantClosed()
	silent.wantClosed()
	c.wantNothing()
	release()
	c.read("POST").want(t, 204).wantHeaders(t, "Connection: close")
	c.wantClosed()
	if err := await(t, "shutdown", done); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", f.addr); err == nil {
		t.Error("the server still accepts connections")
	}
	if err := f.server.Serve(listen(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve after Shutdown returned %v", err)
	}
}

// The context bounds a shutdown, whatever hangs.
func TestShutdownEndsWithItsContext(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	held, release := f.holdCommits(false)
	defer release()
	c := f.dial().send(f.request("POST", root+"a", "x", text))
	f.awaitWait("a", methodPost)
	await(t, "a commit", held)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v", err)
	}
	c.wantClosed()
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(nil, Options{LiveMax: -1, ReadTimeout: -time.Second, BodyBytesMax: 2, BodyBytesInFlight: 1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"live readers", "read timeout", "bodies of 2 bytes"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}
