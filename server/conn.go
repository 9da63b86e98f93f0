package server

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// conn is an accepted connection. It is counted, can be closed from outside
// when the server stops, and closes such that a last answer is not lost.
type conn struct {
	net.Conn
	owner  *conns
	peer   *peer
	tenant *tenant // of the live reader, see reading
	tls    bool
	plain  bool // a loop can serve it

	used     atomic.Bool // the client has sent something
	eof      atomic.Bool // the client has ended its side
	linger   atomic.Bool // there may be more of a request that is already answered
	draining atomic.Bool // the last answer is out, and what still comes is dropped
	reading  atomic.Bool // a live reader holds a place that closing gives back
	ahead    []byte      // was read before, and comes first
	phase    atomic.Int32
	held     atomic.Int64 // of the budget for responses, by the one that is sent
	closed   sync.Once

	reads, writes lazyDeadline
	exact         bool // deadlines are the connection's own
}

// The phases of a connection. They decide what a server that stops has to wait
// for: a request that has arrived is answered, one that has not is not.
const (
	phaseOpen    int32 = iota // between requests, or one is arriving
	phaseServing              // a request is handled, or its answer is on its way
	phaseCut                  // closed while a request may have been arriving
)

// serve notes that a request has arrived. It is false if the connection was
// cut before.
func (c *conn) serve() bool { return c.phase.Swap(phaseServing) != phaseCut }

// rest notes that a request is over: its answer was sent, and nothing of it is
// left unread.
func (c *conn) rest() {
	if c.linger.Load() {
		c.linger.Store(false)
	}
	c.release()
	c.phase.Store(phaseOpen)
}

// hold notes what the response has taken of the budget. It is given back when
// the response was sent, or the connection ends.
func (c *conn) hold(n int64) {
	if n != 0 {
		c.held.Store(n)
	}
}

// release gives back what the response took of the budget.
func (c *conn) release() {
	if c.held.Load() != 0 {
		c.owner.responses.release(c.held.Swap(0))
	}
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
	defer c.release() // it may have been cut before the response was there
	return c.abort()
}

// drain says that nothing more will come and takes what the client sends until
// it stops, within bounds.
func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || !c.owner.drains(c) {
		return
	}
	io.CopyN(io.Discard, c.Conn, lingerBytes) // any end of it is the end
}

// abort closes the connection at once.
func (c *conn) abort() error {
	err := net.ErrClosed
	c.closed.Do(func() {
		err = c.Conn.Close()
		c.release()
		if c.reading.Load() {
			c.owner.readers.leave(c.peer, c.tenant)
		}
		c.owner.remove(c, true)
	})
	return err
}

// detach closes this end of a socket that lives on in a duplicate, which has the
// place of the connection. It is false if the connection was closed before.
func (c *conn) detach() (done bool) {
	c.closed.Do(func() {
		c.owner.remove(c, false)
		c.Conn.Close()
		c.release()
		done = true
	})
	return done
}

// cut is abort for a server that has no more time. Closing TLS says goodbye
// first, and that can wait for a client that takes nothing.
func (c *conn) cut() {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		secured.NetConn().Close()
	}
	c.abort()
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

// PeerAddr implements remote.
func (c *conn) PeerAddr() netip.Addr {
	if tcp, ok := c.Conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
