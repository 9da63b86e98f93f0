package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// budget bounds the bytes of bodies that are being read at the same time.
type budget struct {
	used atomic.Int64
	max  int64
}

// reserve takes n bytes of the budget, or none.
func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) <= b.max {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) release(n int64) {
	if n != 0 {
		b.used.Add(-n)
	}
}

// hideRefusedBody keeps fasthttp from waiting for the start of a body that is
// going to be refused, since the client may be waiting for the refusal. What
// it announced is still in the raw headers, for parseHead to see. What follows
// on the connection is the body, so no other request can.
func (s *Server) hideRefusedBody(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	size := h.ContentLength()
	if size > s.opts.BodyBytesMax || size > 0 && refusedExpectation(h) {
		h.SetContentLength(0)
		h.SetConnectionClose()
	}
	return fasthttp.RequestConfig{}
}

func refusedExpectation(h *fasthttp.RequestHeader) bool {
	expect := h.PeekBytes(nameExpect)
	return len(expect) > 0 && h.IsHTTP11() && !bytes.EqualFold(expect, valueContinue)
}

// unreadBody reports whether the request has a body that is not in x.body, and
// how long it claims to be, negative if it does not say.
func (x *exchange) unreadBody() (size int, unread bool) {
	if x.bodyRead || !x.req.IsBodyStream() {
		return 0, false
	}
	size = x.req.Header.ContentLength()
	return size, size != 0
}

// needsBody reports whether the body has yet to be read in a way that may
// block. A small body has already arrived with the headers.
func (s *Server) needsBody(x *exchange) (bool, fault) {
	size, unread := x.unreadBody()
	if !unread {
		return false, faultNone
	}
	if size < 0 || size > prefetchBytes {
		return true, faultNone
	}
	return false, s.readKnown(x, size, nil)
}

// bodySource is the connection a body comes from.
type bodySource interface {
	// SetReadDeadline sets the time by which the next bytes must be there.
	SetReadDeadline(t time.Time) error

	// ended reports whether the client has sent its last byte and that was
	// read.
	ended() bool
}

// readBody reads the body into the exchange, and no more of it than the limit
// and the budget allow. It blocks, but not longer than the pace that clients
// have to keep.
func (s *Server) readBody(x *exchange, src bodySource) fault {
	size, unread := x.unreadBody()
	if !unread {
		return faultNone
	}
	began := time.Now()
	extend := func(got int) error {
		allowance := time.Duration(got) * time.Second / bodyRateMin
		return src.SetReadDeadline(began.Add(s.opts.ReadTimeout + allowance))
	}
	if size < 0 {
		f := s.readUnknown(x, extend)
		if f == faultNone && src.ended() {
			// fasthttp takes the end of the connection for the end of the
			// body, wherever between two chunks that is. A body that came
			// with its end is read without seeing that of the connection.
			x.body, x.bodyRead, f = nil, false, faultIncompleteBody
		}
		return f
	}
	if !s.bodies.reserve(int64(size)) {
		return faultOverloaded
	}
	x.reserved += int64(size)
	return s.readKnown(x, size, extend)
}

// readKnown reads a body of known size. The buffer grows with what arrives,
// not with what is announced.
func (s *Server) readKnown(x *exchange, size int, extend func(int) error) fault {
	src, buf := x.req.BodyStream(), x.bodyBuf[:0]
	for len(buf) < size {
		if extend != nil {
			if err := extend(len(buf)); err != nil {
				return faultIncompleteBody
			}
		}
		buf = slices.Grow(buf, min(size-len(buf), max(bodyStep, len(buf))))
		n, err := src.Read(buf[len(buf):min(cap(buf), size)])
		buf = buf[:len(buf)+n]
		if err != nil && len(buf) < size {
			x.bodyBuf = buf
			return bodyFault(err)
		}
	}
	x.bodyBuf, x.body, x.bodyRead = buf, buf, true
	return faultNone
}

// readUnknown reads a chunked body. It counts, as nothing announces the size.
func (s *Server) readUnknown(x *exchange, extend func(int) error) fault {
	src, buf := x.req.BodyStream(), x.bodyBuf[:0]
	defer func() { x.bodyBuf = buf }()
	for {
		if len(buf) > s.opts.BodyBytesMax {
			return faultBodyTooLarge
		}
		if int64(len(buf)) >= x.reserved {
			step := int64(max(bodyStep, len(buf)))
			if !s.bodies.reserve(step) {
				return faultOverloaded
			}
			x.reserved += step
		}
		if err := extend(len(buf)); err != nil {
			return faultIncompleteBody
		}
		if cap(buf)-len(buf) < bodyStep/2 {
			buf = slices.Grow(buf, max(bodyStep, len(buf)))
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF && len(buf) <= s.opts.BodyBytesMax:
			x.body, x.bodyRead = buf, true
			return faultNone
		case err != nil && err != io.EOF:
			return bodyFault(err)
		}
	}
}

// bodyFault says why a body could not be read to its end.
func bodyFault(err error) fault {
	if isTimeout(err) {
		return faultTimeout
	}
	return faultIncompleteBody
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
