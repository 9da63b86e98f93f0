package server

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"tailrace/internal/evloop"
)

const (
	plainAppend   = "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
	chunkedAppend = "POST /v1/stream/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
)

// What follows a request that closes the connection is no request (RFC 9112
// section 9.6).
func TestNothingFollowsTheLastRequest(t *testing.T) {
	f := start(t)
	f.create("b", "", text)
	for _, method := range []string{"GET", "HEAD", "DELETE", "POST"} {
		f.create("a", "", text)
		c := f.dial().send(f.request(method, root+"a", "", "Connection: close", text) + f.request("POST", root+"b", "smuggled", text))
		c.read(method).wantHeaders(t, "Connection: close")
		c.wantClosed()
		f.do("DELETE", root+"a", "")
	}
	if got := f.content("b"); got != "" {
		t.Errorf("stored %q", got)
	}
}

// What was answered before a request whose outcome is unknown is sent.
func TestAnswersBeforeADropAreSent(t *testing.T) {
	f := start(t, silent)
	f.broken = true
	f.create("a", "hello", text)
	held, release := f.holdCommits(true)
	first := f.dial().send(plainAppend)
	await(t, "a commit", held)
	release()
	first.wantClosed()
	await(t, "the failure", f.engine.Failed())
	c := f.dial().send(f.request("GET", root+"a", "") + plainAppend)
	if r := c.read("GET").want(t, 200); r.body != "hello" {
		t.Errorf("read %q", r.body)
	}
	c.wantClosed()
}

// A connection goes from loop to fasthttp and back with each of these requests,
// and nothing that was sent ahead is lost or overtaken.
func TestConnectionsComeBack(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	c := f.dial()
	const rounds = 50
	go c.send(strings.Repeat(plainAppend+chunkedAppend+f.request("HEAD", root+"a", "")+chunkedAppend, rounds))
	tail := 0
	for range rounds {
		for _, method := range []string{"POST", "POST", "HEAD", "POST"} {
			if method == "POST" {
				tail += 6
			}
			c.read(method).wantHeaders(t, "Stream-Next-Offset: "+token(tail))
		}
	}
}

// A connection that has had an answer is idle, whoever gave it: it may wait for
// IdleTimeout, and is then closed without a word.
func TestIdleAfterComingBack(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ReadTimeout, u.server.IdleTimeout = 20*time.Millisecond, 200*time.Millisecond })
	f.create("a", "", text)
	for _, raw := range []string{plainAppend, chunkedAppend} {
		c := f.dial().send(raw)
		c.read("POST").want(t, 204)
		c.wantClosed()
	}
}

// Pipelined appends that wait for the log when the server stops are all
// answered, and the last answer alone says that the connection closes.
func TestShutdownClosesWithTheLastAnswer(t *testing.T) {
	if *portableFlag {
		t.Skip("of event loops")
	}
	f := start(t)
	f.create("a", "", text)
	held, release := f.holdCommits(false)
	const appends = 5
	c := f.dial().send(strings.Repeat(plainAppend, appends))
	for range appends {
		f.awaitWait("a", methodPost)
	}
	await(t, "a commit", held)
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	waitFor(t, "the stop", f.server.stopped)
	release()
	for i := range appends {
		if r := c.read("POST").want(t, 204); r.Close != (i == appends-1) {
			t.Errorf("answer %d closes: %v", i, r.Close)
		}
	}
	c.wantClosed()
	if err := await(t, "the end", done); err != nil {
		t.Error(err)
	}
}

// unsent reports whether a loop has something that the kernel has not taken.
func (f *fixture) unsent() (some bool) {
	for _, d := range f.server.loops.all {
		done := make(chan struct{})
		if d.loop.Post(func() {
			d.loop.All(func(c *evloop.Conn) { some = some || c.Unsent() })
			close(done)
		}) {
			<-done
		}
	}
	return some
}

// A large answer is on its way to a client when the server stops. Once the client
// has it, there is nothing to wait for.
func TestShutdownAfterAnAnswerThatWasSlow(t *testing.T) {
	if *portableFlag {
		t.Skip("of event loops")
	}
	f := start(t)
	f.create("a", "", text)
	for range 4 {
		f.append("a", strings.Repeat("x", 400<<10), text)
	}
	c := f.dial()
	requests := 0
	waitFor(t, "an answer that does not fit", func() bool {
		c.send(f.request("GET", root+"a", ""))
		requests++
		f.do("HEAD", root+"a", "") // by then the last one was handled
		return f.unsent()
	})
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	waitFor(t, "the stop", f.server.stopped)
	for range requests {
		if _, err := c.tryRead("GET"); err != nil {
			break // what was not handled before the stop need not be answered
		}
	}
	if err := await(t, "the end", done); err != nil {
		t.Error(err)
	}
}

// slowListener accepts connections between whose duplication and adoption
// something happens.
type slowListener struct {
	net.Listener
	between func()
}

func (l *slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{c.(*net.TCPConn), l.between}, nil
}

type slowConn struct {
	*net.TCPConn
	between func()
}

func (c *slowConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return &slowRaw{raw, c.between}, err
}

type slowRaw struct {
	syscall.RawConn
	between func()
}

func (r *slowRaw) Control(f func(uintptr)) error {
	defer r.between()
	return r.RawConn.Control(f)
}

// A server that stops while a connection is on its way to a loop counts it once.
func TestStopWhileAConnectionIsAdopted(t *testing.T) {
	if *portableFlag {
		t.Skip("of event loops")
	}
	l := &slowListener{Listener: listen(t)}
	var s *Server
	made, down := make(chan struct{}), make(chan error, 1)
	l.between = func() {
		<-made
		go func() { down <- (&fixture{server: s}).shutdown() }()
		waitFor(t, "the connection to be closed", func() bool {
			s.conns.mu.Lock()
			defer s.conns.mu.Unlock()
			return s.conns.stopping && len(s.conns.open) == 0
		})
	}
	s, served := serveOn(t, l, Options{})
	close(made)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := await(t, "the end", down); err != nil {
		t.Error(err)
	}
	await(t, "the end of serving", served)
	waitFor(t, "the connections to be gone", func() bool { return s.Connections() == 0 })
}
