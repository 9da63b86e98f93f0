//go:build linux

package evloop

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// funcs is a handler of functions, any of which may be missing.
type funcs struct {
	input, crowded, leaving, sent, expired, closed func(*Conn)
	passEnd                                        func() bool
}

func call(f func(*Conn), c *Conn) {
	if f != nil {
		f(c)
	}
}

func (h *funcs) Input(c *Conn)   { call(h.input, c) }
func (h *funcs) Crowded(c *Conn) { call(h.crowded, c) }
func (h *funcs) Leaving(c *Conn) { call(h.leaving, c) }
func (h *funcs) Sent(c *Conn)    { call(h.sent, c) }
func (h *funcs) Expired(c *Conn) { call(h.expired, c) }
func (h *funcs) Closed(c *Conn)  { call(h.closed, c) }
func (h *funcs) Gathers() bool   { return false }
func (h *funcs) PassBegin()      {}
func (h *funcs) PassEnd() bool   { return h.passEnd == nil || h.passEnd() }

// running is a loop in a goroutine.
type running struct {
	*Loop
	t     testing.TB
	ended chan error
}

func start(t testing.TB, h *funcs) *running {
	t.Helper()
	l, err := New(h)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{l, t, make(chan error, 1)}
	go func() { r.ended <- l.Run() }()
	t.Cleanup(func() {
		r.Post(r.Stop)
		if err := await(t, "the end", r.ended); err != nil {
			t.Error(err)
		}
		if n := r.Len(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return r
}

// do runs f in the loop and waits for it.
func (r *running) do(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	if !r.Post(func() { f(); close(done) }) {
		r.t.Fatal("the loop has ended")
	}
	await(r.t, "a post", done)
}

// connect makes a connection that the loop serves, and returns the client's end.
func (r *running) connect(rest string) (net.Conn, *Conn) {
	r.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	client, err := net.FileConn(f)
	f.Close()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(patience))
	var c *Conn
	r.do(func() { c, err = r.Adopt(fds[0], []byte(rest), nil) })
	if err != nil {
		r.t.Fatal(err)
	}
	return client, c
}

func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	return v
}
