package server

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"tailrace/internal/evloop"
)

const loopsExist = true

// loops are the event loops of a server. They share its connections evenly.
type loops struct {
	all      []*loopDriver
	next     atomic.Uint32
	running  sync.WaitGroup
	loads    chan struct{} // a token for each event that is being read
	farLoads chan struct{} // and for each that may have to wait for a bucket
}

// loopsWanted is one loop for two processors, as the other half of the work is
// that of the log, the kernel and what is handed over.
func loopsWanted() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// start starts the loops.
func (l *loops) start(s *Server) error {
	l.loads, l.farLoads = make(chan struct{}, loadsMax), make(chan struct{}, loadsMax)
	for range loopsWanted() {
		d, err := newLoopDriver(s)
		if err != nil {
			l.stop()
			l.all = nil
			return err
		}
		l.all = append(l.all, d)
		l.running.Go(d.run)
	}
	return nil
}

// stop makes the loops end once they have answered what has arrived.
func (l *loops) stop() {
	for _, d := range l.all {
		d.loop.Post(d.stop)
	}
}

// wakeAll ends all who wait for news that will not come.
func (l *loops) wakeAll() {
	for _, d := range l.all {
		d.loop.Post(d.broken)
	}
}

// abort makes them end at once.
func (l *loops) abort() {
	for _, d := range l.all {
		d.loop.Post(d.loop.Stop)
	}
}

// toLoop gives a connection to a loop, with what was read of it already, and
// whether it has had an answer. It is false if no loop can serve it; the
// connection is as it was then.
func (s *Server) toLoop(c *conn, rest []byte, served bool) bool {
	if !c.plain || s.handed == nil {
		return false
	}
	fd, err := evloop.Duplicate(c.Conn)
	if err != nil {
		return false
	}
	// The socket lives on in its duplicate, and the place of the connection with
	// it.
	if !c.detach() {
		evloop.CloseFD(fd)
		return true
	}
	d, p := s.loops.all[int(s.loops.next.Add(1))%len(s.loops.all)], c.peer
	if !d.loop.Post(func() { d.adopt(fd, p, rest, served) }) {
		evloop.CloseFD(fd)
		s.conns.leave(p)
	}
	return true
}

// fromLoop has fasthttp serve a connection that was taken from a loop, beginning
// with what was read of it.
func (s *Server) fromLoop(fd int, p *peer, rest []byte) {
	c, err := evloop.NetConn(fd)
	if err != nil {
		s.opts.Logger.Warn("a connection is dropped that a loop cannot serve", "err", err)
		s.drops.note(dropDescriptors)
		s.conns.leave(p)
		return
	}
	w := s.conns.adopt(c, p, rest)
	// The loop is not to wait for fasthttp to accept. A server that stops waits for
	// it, as it does for the loop.
	s.loops.running.Go(func() {
		if !s.handed.push(w) {
			w.Close()
		}
	})
}

// giveBack returns a connection to a loop after its answer was sent, with what
// fasthttp has read ahead.
func (s *Server) giveBack(c *conn, buffered net.Conn) {
	c.rest()
	// With a deadline in the past, only what is buffered is read.
	c.SetReadDeadline(past)
	var rest []byte
	for buf := make([]byte, headerBytesMax); ; {
		n, err := buffered.Read(buf)
		rest = append(rest, buf[:n]...)
		if isTimeout(err) {
			break
		}
		if err != nil {
			c.Close()
			return
		}
	}
	c.SetReadDeadline(noTime)
	if s.stopped() {
		c.Close()
		return
	}
	if !s.toLoop(c, rest, true) {
		// The system is out of descriptors. fasthttp goes on with it.
		c.ahead = rest
		if !s.handed.push(c) {
			c.Close()
		}
	}
}
