package server

import (
	"net"
	"net/netip"
	"sync"
)

// peers bounds what the clients of one address take, so that one of them cannot
// take all. A nil *peer is one that is not counted.
type peers struct {
	connsMax, readersMax int // 0 = no limit

	mu  sync.Mutex
	all map[netip.Prefix]*peer
}

// peer is where clients come from: an IPv4 address, or an IPv6 network of 64 bits,
// of which one client usually has all addresses.
type peer struct {
	owner          *peers
	at             netip.Prefix
	conns, readers int
}

// enter counts a connection. It is false if there are too many from there.
func (s *peers) enter(addr net.Addr) (*peer, bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || s.connsMax == 0 && s.readersMax == 0 {
		return nil, true
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	at, err := ip.Prefix(bits)
	if err != nil {
		return nil, true // no address is known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.all[at]
	if p == nil {
		if s.all == nil {
			s.all = make(map[netip.Prefix]*peer)
		}
		p = &peer{owner: s, at: at}
		s.all[at] = p
	}
	if s.connsMax > 0 && p.conns >= s.connsMax {
		return nil, false
	}
	p.conns++
	return p, true
}

// leave undoes enter.
func (p *peer) leave() {
	if p == nil {
		return
	}
	s := p.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.conns--; p.conns == 0 {
		delete(s.all, p.at)
	}
}

// follow counts a live reader, on a connection that is counted. It is false if
// there are too many from there.
func (p *peer) follow() bool {
	if p == nil {
		return true
	}
	s := p.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readersMax > 0 && p.readers >= s.readersMax {
		return false
	}
	p.readers++
	return true
}

// unfollow undoes follow.
func (p *peer) unfollow() {
	if p == nil {
		return
	}
	p.owner.mu.Lock()
	p.readers--
	p.owner.mu.Unlock()
}
