package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listener accepts connections for as long as the server runs. fasthttp ends
// for good when Accept fails, so what passes by itself never gets there.
type listener struct {
	net.Listener
	conns  *conns
	stop   <-chan struct{}
	logger *slog.Logger

	// refusing bounds the goroutines that tell clients there is no room.
	refusing chan struct{}
	server   *Server

	closeOnce sync.Once
	closeErr  error
}

// Close implements net.Listener. The server and fasthttp both close it, and
// its owner may have done so before.
func (l *listener) Close() error {
	l.closeOnce.Do(func() {
		if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
			l.closeErr = err
		}
	})
	return l.closeErr
}

// Waits between attempts to accept while the system is out of something.
const (
	acceptWaitMin = 5 * time.Millisecond
	acceptWaitMax = time.Second
)

// refusingMax is how many clients at a time are told that there is no room.
// Others are closed without a word.
const refusingMax = 64

func (s *Server) newListener(ln net.Listener) *listener {
	return &listener{
		Listener: ln, conns: &s.conns, stop: s.stop, logger: s.opts.Logger,
		refusing: make(chan struct{}, refusingMax), server: s,
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	wait := acceptWaitMin
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if !passes(err) {
				return nil, err
			}
			if wait == acceptWaitMin {
				l.logger.Warn("cannot accept connections for now", "err", err)
			}
			if !l.pause(wait) {
				return nil, net.ErrClosed
			}
			wait = min(2*wait, acceptWaitMax)
			continue
		}
		w, f := l.conns.add(c)
		if f == faultNone {
			return w, nil
		}
		l.refuse(c, f)
		wait = acceptWaitMin
	}
}

// passes reports whether an error of Accept says nothing about the listener:
// the system is out of descriptors or memory, or a client gave up early.
func passes(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EINTR,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (l *listener) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.stop:
		return false
	}
}

// refuse tells a client that there is no room for it.
func (l *listener) refuse(c net.Conn, f fault) {
	l.conns.drops.note(dropRefused)
	select {
	case l.refusing <- struct{}{}:
	default:
		c.Close()
		return
	}
	go func() {
		defer func() { <-l.refusing }()
		defer c.Close()
		if c.SetDeadline(time.Now().Add(lingerTime)) != nil {
			return
		}
		if _, err := c.Write(l.server.noRoom(f)); err != nil {
			return
		}
		(&conn{Conn: c, owner: l.conns}).drain()
	}()
}

// noRoom is the whole response to a connection too many.
func (s *Server) noRoom(f fault) []byte {
	r, id := &catalogue[f], s.ids.append(nil)
	body := appendEnvelope(nil, r.Code, r.Message, "", id)
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nX-Request-Id: %s\r\n"+
		"Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n"+
		"X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: cross-origin\r\n",
		r.Status, fasthttp.StatusMessage(r.Status), valueJSON, len(body), id)
	if s.arranged.Load().origins.any {
		b = append(b, "Access-Control-Allow-Origin: *\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}
