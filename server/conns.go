package server

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// conns is the set of open connections.
type conns struct {
	max       int
	peers     peers
	drops     *drops
	readers   *readers
	responses *budget

	mu       sync.Mutex
	places   int // taken, by those that are open and those that a loop serves
	open     map[*conn]struct{}
	stopping bool
}

// add takes a connection in, or says why not.
func (s *conns) add(c net.Conn) (*conn, fault) {
	w := s.wrap(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.places >= s.max {
		return nil, faultTooManyConnections
	}
	p, ok := s.peers.enter(c.RemoteAddr())
	if !ok {
		return nil, faultTooManyFromAddress
	}
	w.peer = p
	s.places++
	s.note(w)
	return w, faultNone
}

// adopt takes in a connection that has its place already, and of which the rest
// was read before.
func (s *conns) adopt(c net.Conn, p *peer, rest []byte) *conn {
	w := s.wrap(c)
	w.peer, w.ahead = p, rest
	w.used.Store(len(rest) > 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(w)
	return w
}

// leave gives up the place of a connection that is not in the set.
func (s *conns) leave(p *peer) {
	p.leave()
	s.mu.Lock()
	s.places--
	s.mu.Unlock()
}

func (s *conns) wrap(c net.Conn) *conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlivePeriod, Interval: keepAlivePeriod})
	}
	_, isTLS := c.(*tls.Conn)
	// A write of TLS that was interrupted cannot be taken up again.
	return &conn{Conn: c, owner: s, tls: isTLS, exact: isTLS, plain: isPlain(c)}
}

// isPlain reports whether c is a bare socket. Something around one may change
// what is read and written.
func isPlain(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

func (s *conns) note(w *conn) {
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[w] = struct{}{}
}

// remove takes a connection out of the set, and if it ends with that, gives up
// its place.
func (s *conns) remove(c *conn, ends bool) {
	if ends {
		c.peer.leave()
	}
	s.mu.Lock()
	delete(s.open, c)
	if ends {
		s.places--
	}
	s.mu.Unlock()
}

// count is the number of open connections.
func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places
}

// stop takes in no more connections and closes those that never sent anything,
// which fasthttp would wait for. Those that are only drained get little more
// time.
func (s *conns) stop() {
	s.mu.Lock()
	s.stopping = true
	for c := range s.open {
		if c.draining.Load() {
			c.Conn.SetReadDeadline(time.Now().Add(stopGrace))
		}
	}
	s.mu.Unlock()
	s.abort(func(c *conn) bool { return !c.used.Load() })
}

// drains notes that a connection is only drained from now on, and sets the time
// for that. It is false if the connection is closed.
func (s *conns) drains(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.draining.Store(true)
	d := lingerTime
	if s.stopping {
		d = stopGrace
	}
	return c.Conn.SetReadDeadline(time.Now().Add(d)) == nil
}

// abortArriving closes the connections on which no request is handled, also if
// part of one is there.
func (s *conns) abortArriving() {
	s.abort(func(c *conn) bool { return c.phase.CompareAndSwap(phaseOpen, phaseCut) })
}

// abort closes the connections that which picks.
func (s *conns) abort(which func(*conn) bool) {
	s.mu.Lock()
	var picked []*conn
	for c := range s.open {
		if which(c) {
			picked = append(picked, c)
		}
	}
	s.mu.Unlock()
	for _, c := range picked {
		c.cut()
	}
}
