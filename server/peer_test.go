package server

import (
	"net"
	"net/netip"
	"testing"
)

// dialFrom connects from an address of this machine.
func (f *fixture) dialFrom(ip string) *client {
	f.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", f.addr)
	if err != nil {
		f.t.Skipf("this system has no address %s: %v", ip, err)
	}
	return f.clientOf(c)
}

func TestAddressesHaveTheirLimits(t *testing.T) {
	f := start(t, endless, func(u *setup) { u.server.ConnsPerAddressMax, u.server.LivePerAddressMax = 3, 1 })
	f.create("a", "", text)
	waitFor(t, "no connections", func() bool { return f.server.Connections() == 0 })
	follow := f.request("GET", root+"a?offset=now&live=sse", "")
	poll := f.request("GET", root+"a?offset=now&live=long-poll", "")
	one := f.dial().send(poll)
	f.awaitPark("a")
	var c *client
	for _, live := range []string{follow, poll} {
		c = f.dial()
		r := c.send(live).read("GET")
		r.wantError(t, 429, "too_many_from_address").wantHeaders(t, "Retry-After: 1")
		c.send(f.request("HEAD", root+"a", "")).read("HEAD").want(t, 200) // the connection goes on
	}
	r := f.dial().send(f.request("GET", root+"a", "")).read("GET")
	r.wantError(t, 429, "too_many_from_address").wantHeaders(t, "Retry-After: 1", "Connection: close")

	// Others are not concerned, and have the same limits.
	other := f.dialFrom("127.0.0.9").send(follow).sse()
	other.next()
	c.send(f.request("POST", root+"a", "x", text)).read("POST").want(t, 204)
	one.read("GET").want(t, 200)
	if data, _, _ := other.next(); data != "x" {
		t.Errorf("got %q", data)
	}
	f.dialFrom("127.0.0.9").send(follow).read("GET").wantError(t, 429, "too_many_from_address")

	// Who leaves makes room.
	other.conn.Close()
	waitFor(t, "the reader to be gone", func() bool { return f.server.LiveReaders() == 0 })
	f.dialFrom("127.0.0.9").send(follow).sse().next()
}

// An address without clients takes no memory, and one of IPv6 is a network.
func TestAddressesAreForgotten(t *testing.T) {
	s := peers{connsMax: 2}
	at := func(ip string) net.Addr {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 1))
	}
	a, ok := s.enter(at("2001:db8::1"))
	b, ok2 := s.enter(at("2001:db8::ffff:1"))
	if !ok || !ok2 || a != b {
		t.Fatal("two hosts of a network are not one address")
	}
	if _, ok := s.enter(at("2001:db8::2")); ok {
		t.Error("a third connection from there")
	}
	four, ok := s.enter(at("192.0.2.1"))
	mapped, ok2 := s.enter(at("::ffff:192.0.2.1"))
	if !ok || !ok2 || four != mapped {
		t.Error("an IPv4 address is another one when it comes by IPv6")
	}
	if p, ok := s.enter(&net.UnixAddr{}); p != nil || !ok {
		t.Error("a unix socket has an address")
	}
	for _, p := range []*peer{a, b, four, mapped, nil} {
		p.leave()
	}
	if len(s.all) != 0 {
		t.Errorf("%d addresses are left", len(s.all))
	}
}
