package server

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// shutdownWithin demands that the server stops by itself before that time. The
// clients do what they can to hold it up.
func (f *fixture) shutdownWithin(d time.Duration) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.server.Shutdown(ctx) }()
	if err := await(f.t, "shutdown", done); err != nil {
		f.t.Error(err)
	}
}

// A refusal that came before the body was read leaves a connection like any
// other once the body is gone.
func TestShutdownDoesNotLingerOnIdleConnections(t *testing.T) {
	f := start(t)
	for range 3 {
		c := f.dial().send("PUT /v1/stream/a HTTP/1.1\r\nHost: x\r\nStream-TTL: 01\r\nContent-Length: 3\r\n\r\nabc")
		c.read("PUT").wantError(t, 400, "invalid_ttl")
	}
	waitFor(t, "the connections to be idle", func() bool {
		idle := true
		f.server.conns.abort(func(c *conn) bool {
			idle = idle && c.phase.Load() == phaseOpen
			return false
		})
		return idle
	})
	f.shutdownWithin(4 * time.Second)
}

// A request that does not come to its end is nothing to wait for.
func TestShutdownDoesNotWaitForHalfARequest(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	for _, half := range []string{"GET /", f.request("GET", root+"a", "") + "GET /", postA + "Content-Length: 10\r\n\r\nhel"} {
		f.dial().send(half)
		waitFor(t, "the first byte", func() bool {
			used := true
			f.server.conns.abort(func(c *conn) bool {
				used = used && c.used.Load()
				return false
			})
			return used && f.server.Connections() > 0
		})
	}
	f.shutdownWithin(4 * time.Second)
}

// A client that was answered and goes on sending, or does nothing, gets little
// time when the server stops.
func TestShutdownDoesNotWaitForDrainedConnections(t *testing.T) {
	f := start(t)
	before := f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", postA, testBodyMax+1))
	before.read("POST").wantError(t, 413, "body_too_large")
	before.wantClosed() // for reading only
	f.shutdownWithin(4 * time.Second)
}

// What has arrived is answered although the server is stopping.
func TestShutdownReadsTheBodyOfARequest(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	c := f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", postA, 100_000))
	c.send(string(make([]byte, 50_000)))
	waitFor(t, "the body", func() bool { return f.server.bodies.used.Load() > 0 })
	done := make(chan error, 1)
	go func() { done <- f.shutdown() }()
	cut := make(chan struct{})
	time.AfterFunc(2*stopGrace, func() { close(cut) })
	await(t, "the end of the grace", cut)
	c.send(string(make([]byte, 50_000))).read("POST").want(t, 204)
	if err := await(t, "shutdown", done); err != nil {
		t.Error(err)
	}
}
