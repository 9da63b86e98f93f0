package server

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBodyBudgetIsAnAnswer(t *testing.T) {
	f := start(t, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax })
	f.create("a", "", text)
	// One client holds all of it, as what it has sent and its next half.
	slow := f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postA, testBodyMax, strings.Repeat("x", testBodyMax/2)))
	waitFor(t, "the budget to be taken", func() bool { return f.server.bodies.used.Load() == testBodyMax })
	refused := f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postA, 100_000, strings.Repeat("x", 100_000)))
	refused.read("POST").wantError(t, 503, "overloaded").wantHeaders(t, "Retry-After: 1")
	f.dial().send(chunkedA+"5\r\nhello\r\n").read("POST").wantError(t, 503, "overloaded")
	f.append("a", "small bodies are within the connection's own memory", text)
	slow.send(strings.Repeat("x", testBodyMax/2)).read("POST").want(t, 204)
	refused.send(f.request("POST", root+"a", strings.Repeat("x", 100_000), text)).read("POST").want(t, 204)
}

// Who announces much and sends little takes little from the others.
func TestBodyBudgetIsTakenByWhatArrives(t *testing.T) {
	f := start(t, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax + 8*bodyStep })
	f.create("a", "", text)
	for range 8 {
		f.dial().send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", postA, testBodyMax, strings.Repeat("x", prefetchBytes)))
	}
	waitFor(t, "the bodies to be read", func() bool { return f.server.bodies.used.Load() >= 8*bodyStep })
	f.append("a", strings.Repeat("y", testBodyMax), text)
}

// The largest body fits a budget that is no larger, whatever its framing.
func TestBodyBudgetFitsTheLargestBody(t *testing.T) {
	f := start(t, func(u *setup) { u.server.BodyBytesInFlight = testBodyMax })
	f.create("a", "", text)
	body := strings.Repeat("x", testBodyMax)
	f.append("a", body, text)
	f.dial().send(chunkedA+chunked(body, 5000)).read("POST").want(t, 204)
	f.dial().send(chunkedA+chunked(body+"x", 5000)).read("POST").wantError(t, 413, "body_too_large")
}

// Responses that are put together are bounded over all clients. One that is
// larger than that is sent when it is alone.
func TestResponseBudgetIsAnAnswer(t *testing.T) {
	f := start(t, func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	message := `"` + strings.Repeat("x", 300_000) + `"`
	f.create("a", message, jsonCT)
	f.create("raw", message, text)
	c, ask := f.dial(), f.request("GET", root+"a", "")
	if r := c.send(ask).read("GET").want(t, 200); r.body != "["+message+"]" {
		t.Errorf("read %d bytes", len(r.body))
	}
	waitFor(t, "the budget to be free", func() bool { return f.server.responses.reserve(1) })
	c.send(ask).read("GET").wantError(t, 503, "overloaded").wantHeaders(t, "Retry-After: 1", "ETag:", "Stream-Next-Offset:")
	// What is sent as it is stored needs none of it.
	c.send(f.request("GET", root+"raw", "")).read("GET").want(t, 200)
	f.server.responses.release(1)
	c.send(ask).read("GET").want(t, 200)
}

// A response that nobody takes is given back with its connection.
func TestResponseBudgetIsGivenBackByLostConnections(t *testing.T) {
	f := start(t, silent, func(u *setup) { u.server.ResponseBytesInFlight = 1 })
	f.create("a", `"`+strings.Repeat("x", 300_000)+`"`, jsonCT)
	for range 5 {
		c := f.dial()
		c.conn.(*net.TCPConn).SetReadBuffer(4096)
		c.send(strings.Repeat(f.request("GET", root+"a", ""), 64))
		waitFor(t, "a response", func() bool { return f.server.responses.used.Load() > 0 })
		c.conn.(*net.TCPConn).SetLinger(0)
		c.conn.Close()
	}
	waitFor(t, "the connections to end", func() bool { return f.server.Connections() == 0 })
	f.do("GET", root+"a", "").want(t, 200)
}

// Whoever waits for a part of the budget gets it in the end.
func TestBudgetForgetsNobodyWhoWaits(t *testing.T) {
	b := newBudget(10)
	rng := newRand(t)
	var all sync.WaitGroup
	end := time.Now().Add(patience)
	for i := range 50 {
		n := int64(1 + rng.IntN(15))
		all.Go(func() {
			for range 200 {
				if !b.await(n, end, nil) {
					t.Errorf("%d of %d bytes were not to be had by %d", n, b.max, i)
					return
				}
				if used := b.used.Load(); used > max(b.max, n) {
					t.Errorf("%d bytes are taken", used)
				}
				b.release(n)
			}
		})
	}
	all.Wait()
	if b.used.Load() != 0 {
		t.Errorf("%d bytes are left", b.used.Load())
	}
	b.reserve(10)
	if b.await(1, time.Now(), nil) {
		t.Error("took more than there is")
	}
	stop := make(chan struct{})
	close(stop)
	if b.await(1, end, stop) {
		t.Error("took more than there is")
	}
}
