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

// After a fault of ours no other answer follows the one that closes, although
// other requests of the connection were on their way.
func TestNothingFollowsAFault(t *testing.T) {
	f := start(t, byLoops)
	f.internalErrors = 1
	f.create("a", "", text)
	held, release := f.holdCommits(false)
	c := f.dial().send(strings.Repeat(plainAppend, 3))
	for range 3 {
		f.awaitWait("a", methodPost)
	}
	await(t, "a commit", held)
	for _, d := range f.server.loops.all {
		d.loop.Post(func() {
			if len(d.waiting) == 0 {
				return
			}
			t := d.waiting[0]
			d.waiting = d.waiting[1:]
			lc := t.conn
			d.fault(t)
			lc.progress()
		})
	}
	c.read("POST").wantError(t, 500, "internal").wantHeaders(t, "Connection: close")
	release()
	c.wantClosed()
}

// A client that sees an event stream end sees the connection end with it, and does
// not take it for its next request.
func TestEventStreamsEndWithTheirConnection(t *testing.T) {
	f := start(t)
	f.create("a", "last", text, "Stream-Closed: true")
	for range 300 {
		c := f.dial().send(f.request("GET", root+"a?offset=-1&live=sse", ""))
		for line := ""; line != "0\r\n"; {
			var err error
			if line, err = c.in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		c.in.ReadString('\n')
		raw, err := c.conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Read(func(fd uintptr) bool {
			if n, err := syscall.Read(int(fd), make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("behind the end of the response: %d, %v", n, err)
			}
			return true
		})
		c.conn.Close()
	}
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
	f := start(t, byLoops)
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
	f := start(t, byLoops)
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

// A server that stops while a connection is on its way to a loop counts it once.
func TestClosedConnectionsAreNotDetached(t *testing.T) {
	ln := listen(t)
	go net.Dial("tcp", ln.Addr().String())
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := conns{max: 1, readers: &readers{}, responses: &budget{}}
	c, refused := s.add(accepted)
	if refused != faultNone {
		t.Fatal("there is no place")
	}
	s.stop()
	if c.detach() {
		t.Error("a closed connection was detached")
	}
	if n := s.count(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// swapped is a connection that does something to its bytes.
type swapped struct{ *net.TCPConn }

func (c swapped) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	for i := range p[:n] {
		p[i] ^= 1
	}
	return n, err
}

type swappingListener struct{ net.Listener }

func (l swappingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return swapped{c.(*net.TCPConn)}, nil
}

// A connection that is more than a socket is served as what it is, and kept.
func TestConnectionsThatAreNoSockets(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(swappingListener{ln}) }()
	f.addr = ln.Addr().String()
	c := f.dial()
	raw := []byte(f.request("GET", root+"a", ""))
	for i := range raw {
		raw[i] ^= 1
	}
	for range 3 {
		c.send(string(raw)).read("GET").want(t, 200)
	}
}

// The answer to a HEAD has no body, also when it tells of a fault of ours.
func TestFaultOfAHeadHasNoBody(t *testing.T) {
	f := start(t, silent)
	f.internalErrors = 1
	f.server.hooks.onWait = func(m method, name string) {
		if m == methodHead {
			panic("a test made this happen")
		}
		offer(f.waits, event{m, strings.Clone(name)})
	}
	held, release := f.holdCommits(false)
	put := f.dial().send(f.request("PUT", root+"a", "", text))
	await(t, "a commit", held)
	c := f.dial().send(f.request("HEAD", root+"a", ""))
	c.read("HEAD").want(t, 500)
	c.wantClosed()
	release()
	put.read("PUT").want(t, 201)
}

// Requests that arrive in part by many connections take no more memory than they
// may.
func TestInputOfManyIsBounded(t *testing.T) {
	f := start(t, byLoops, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax })
	f.create("a", "", text)
	part := "GET " + root + "a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 15_000)
	var waiting []*client
	for n := 0; ; n++ {
		c := f.dial().send(part)
		dropped := func() bool { return f.server.Stats().Dropped["memory"] > 0 }
		waitFor(t, "the part to arrive", func() bool { return dropped() || f.kept() >= int64((n+1)*15_000) })
		if dropped() {
			c.read("GET").wantError(t, 503, "overloaded").wantHeaders(t, "Retry-After: 1", "Connection: close")
			c.conn.Close()
			break
		}
		if waiting = append(waiting, c); n*15_000 > testBodyMax {
			t.Fatalf("%d connections have their parts", n)
		}
	}
	for _, c := range waiting {
		c.send("\r\n\r\n").read("GET").want(t, 200)
	}
	waitFor(t, "the memory to be given back", func() bool { return f.kept() == 0 })
}

// kept is what the loops keep of input.
func (f *fixture) kept() (n int64) {
	for _, d := range f.server.loops.all {
		seen := make(chan int64, 1)
		d.loop.Post(func() { seen <- d.loop.Kept() })
		n += <-seen
	}
	return n
}
