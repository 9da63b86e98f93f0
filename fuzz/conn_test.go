package fuzz

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/vfs/memfs"
	"tailrace/server"
)

// hangTime is after how long a connection counts as hanging. Nothing that is
// asked here takes more than milliseconds.
const hangTime = 30 * time.Second

// script is a connection whose client sends all it has, in pieces of a size of
// its choice, and then nothing more.
type script struct {
	mu     sync.Mutex
	in     []byte
	piece  int
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func newScript(in []byte, piece int) *script {
	return &script{in: in, piece: max(piece, 1), closed: make(chan struct{})}
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *script) CloseWrite() error                { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// doorway is a listener that hands over the connections it is given.
type doorway struct {
	conns chan net.Conn
	stop  chan struct{}
	once  sync.Once
}

func (d *doorway) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.stop:
		return nil, net.ErrClosed
	}
}

func (d *doorway) Close() error {
	d.once.Do(func() { close(d.stop) })
	return nil
}

func (d *doorway) Addr() net.Addr { return &net.TCPAddr{} }

// house is a server over an engine in memory.
type house struct {
	engine *engine.Engine
	server *server.Server
	door   *doorway
	ended  chan error
}

func openHouse(t testing.TB, c engine.Clock) *house {
	options := smallStore(memfs.New(), c, newRand(1).Uint64)
	options.Manual, options.LogFileBytes = false, 256<<10
	e, err := engine.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, server.Options{
		LongPollTimeout: time.Millisecond, BodyBytesMax: options.BodyBytesMax, Rand: newRand(2).Uint64,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		engine: e, server: s, ended: make(chan error, 1),
		door: &doorway{conns: make(chan net.Conn), stop: make(chan struct{})},
	}
	go func() { h.ended <- s.Serve(h.door) }()
	return h
}

// talk is all that the server has to say to a client that sends in.
func (h *house) talk(t testing.TB, in []byte, piece int) []byte {
	t.Helper()
	s := newScript(in, piece)
	timeout := time.NewTimer(hangTime)
	defer timeout.Stop()
	select {
	case h.door.conns <- s:
	case err := <-h.ended:
		t.Fatalf("the server ended: %v", err)
	}
	select {
	case <-s.closed:
	case <-timeout.C:
		stacks := make([]byte, 1<<20)
		t.Fatalf("the connection hangs after %q\n%s", in, stacks[:runtime.Stack(stacks, true)])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Bytes()
}

// check checks that the server found no fault in itself.
func (h *house) check(t testing.TB) {
	t.Helper()
	if n := h.server.InternalErrors(); n != 0 {
		t.Fatalf("%d internal errors", n)
	}
	if err := h.engine.Err(); err != nil {
		t.Fatalf("the log failed: %v", err)
	}
}

func (h *house) close(t testing.TB) {
	t.Helper()
	h.check(t)
	// Every connection has ended, so there is nothing for a shutdown to wait
	// for, and closing the listener is enough.
	h.door.Close()
	if err := <-h.ended; err != nil {
		t.Fatal(err)
	}
	if err := h.engine.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(hangTime); h.server.Connections() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d connections stay open after the end", h.server.Connections())
		}
	}
}
