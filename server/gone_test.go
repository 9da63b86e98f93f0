//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package server

import (
	"net"
	"testing"
)

// A client that leaves gives up its place, and one that is only silent does not.
func TestLongPollNoticesLeavingClients(t *testing.T) {
	f := start(t, endless)
	f.create("a", "", text)
	ask := f.request("GET", root+"a?offset=now&live=long-poll", "")
	staying := f.dial().send(ask)
	f.awaitPark("a")
	for i := range 8 {
		c := f.dial()
		if i&1 != 0 {
			c.send(ask)
		} else {
			c.send(ask + f.request("GET", root+"a", "")) // which hides the end but not the reset
		}
		f.awaitPark("a")
		if i&2 != 0 || i&1 == 0 {
			c.conn.(*net.TCPConn).SetLinger(0) // by a reset
		}
		c.conn.Close()
	}
	waitFor(t, "the places to be free", func() bool {
		return f.server.LiveReaders() == 1 && f.engine.Stats().Watchers == 1 && f.server.Connections() == 1
	})
	f.append("a", "x", text)
	if r := staying.read("GET").want(t, 200); r.body != "x" {
		t.Errorf("got %q", r.body)
	}
}
