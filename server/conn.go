package server

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is an accepted connection. It is counted, can be closed from outside
// when the server stops, and closes such that a last answer is not lost.
type conn struct {
	net.Conn
	owner *conns
	tls   bool

	used    atomic.Bool // the client has sent something
	eof     atomic.Bool // the client has ended its side
	linger  atomic.Bool // there may be more of a request that is already answered
	reading atomic.Bool // a live reader holds a place that closing gives back
	closed  sync.Once

	reads, writes lazyDeadline
	exact         bool // deadlines are the connection's own
}

// Read notes the first and the last byte.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
	if err == io.EOF {
		c.eof.Store(true)
	}
	return n, err
}

// ended implements bodySource.
func (c *conn) ended() bool { return c.eof.Load() }

// Close closes the connection. If the client may still be sending, it is given
// time to see the answer first: closing with unread input makes the kernel
// send a reset, which can destroy what is on its way.
func (c *conn) Close() error {
	if c.linger.Swap(false) {
		c.drain()
	}
	return c.abort()
}

// drain says that nothing more will come and takes what the client sends until
// it stops, within bounds.
func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	io.CopyN(io.Discard, c.Conn, lingerBytes) // any end of it is the end
}

// abort closes the connection at once.
func (c *conn) abort() error {
	err := net.ErrClosed
	c.closed.Do(func() {
		err = c.Conn.Close()
		if c.reading.Load() {
			c.owner.readers.leave()
		}
		c.owner.remove(c)
	})
	return err
}

// tuneLive prepares the connection for a reader that may fall behind and is
// woken by its deadline.
func (c *conn) tuneLive() {
	c.setExact() // fails only on a closed connection, as what comes next will
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(liveSendBuffer)
	}
}

// giveUp makes closing drop what has not been delivered. The kernel would go
// on for minutes to offer it to a client that takes nothing.
func (c *conn) giveUp() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// conns is the set of open connections.
type conns struct {
	max     int
	readers *readers

	mu       sync.Mutex
	open     map[*conn]struct{}
	stopping bool
}

// add takes a connection in, if there may be one more.
func (s *conns) add(c net.Conn) (*conn, bool) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlivePeriod, Interval: keepAlivePeriod})
	}
	_, isTLS := c.(*tls.Conn)
	// A write of TLS that was interrupted cannot be taken up again.
	w := &conn{Conn: c, owner: s, tls: isTLS, exact: isTLS}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || len(s.open) >= s.max {
		return nil, false
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[w] = struct{}{}
	return w, true
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

// count is the number of open connections.
func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// stop takes in no more connections and closes those that never sent anything,
// which fasthttp would wait for.
func (s *conns) stop() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.abort(func(c *conn) bool { return !c.used.Load() })
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
		c.abort()
	}
}
