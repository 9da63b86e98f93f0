package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// handed is the listener from which fasthttp takes the connections that a loop
// does not serve: those that are no plain sockets, and those whose next request
// may block or is unusual.
type handed struct {
	conns chan net.Conn
	stop  chan struct{}
	once  sync.Once
}

func newHanded() *handed { return &handed{conns: make(chan net.Conn), stop: make(chan struct{})} }

// push hands a connection over. It is false if the server has stopped.
func (h *handed) push(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.stop:
		return false
	}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.stop:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.stop) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return handedAddr{} }

type handedAddr struct{}

func (handedAddr) Network() string { return "handed" }
func (handedAddr) String() string  { return "handed over" }

// serveLoops accepts connections and gives them to the loops.
func (s *Server) serveLoops(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if !s.toLoop(c.(*conn), nil, false) && !s.handed.push(c) {
			c.Close()
		}
	}
}

// startLoops starts the loops, and fasthttp for what they hand over. It is
// called with the first listener; mu is held.
func (s *Server) startLoops() error {
	if s.handed != nil {
		return nil
	}
	if err := s.loops.start(s); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.handed = newHanded()
	s.serving.Go(func() {
		if err := s.http.Serve(s.handed); err != nil {
			s.opts.Logger.Error("cannot serve connections that were handed over", "err", err)
		}
	})
	return nil
}

// stopLoops waits until the loops have answered what has arrived, then stops
// handing over.
func (s *Server) stopLoops(ctx context.Context) error {
	s.mu.Lock()
	h := s.handed
	s.mu.Unlock()
	if h == nil {
		return nil
	}
	s.loops.stop()
	err := waitGroup(ctx, &s.loops.running)
	if err != nil {
		s.loops.abort()
	}
	return errors.Join(err, h.Close())
}
