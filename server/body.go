package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
)

// hideRefusedBody keeps fasthttp from waiting for the start of a body that is
// going to be refused, since the client may be waiting for the refusal. What
// it announced is still in the raw headers, for parseHead to see. What follows
// on the connection is the body, so no other request can.
func (s *Server) hideRefusedBody(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	size := h.ContentLength()
	if size > s.opts.BodyBytesMax || size > 0 && refusedExpectation(h) || size != 0 && manyFields(h) {
		h.SetContentLength(0)
		h.SetConnectionClose()
	}
	return fasthttp.RequestConfig{}
}

// manyFields reports whether there are more than parseFields takes.
func manyFields(h *fasthttp.RequestHeader) bool {
	// The last line has no end that counts.
	return bytes.Count(bytes.TrimRight(h.RawHeaders(), "\r\n"), newline) >= headerFieldsMax
}

var newline = []byte("\n")

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
	return s.readKnown(x, size, extend)
}

// readKnown reads a body of known size. The buffer grows with what arrives,
// not with what is announced. Without extend the body is small and does not
// count.
func (s *Server) readKnown(x *exchange, size int, extend func(int) error) fault {
	src, buf := x.req.BodyStream(), x.bodyBuf[:0]
	defer func() { x.bodyBuf = buf }()
	for len(buf) < size {
		room := size
		if extend != nil {
			if !s.reserveMore(x, len(buf), size) {
				return faultOverloaded
			}
			if err := extend(len(buf)); err != nil {
				return faultIncompleteBody
			}
			room = int(x.reserved)
		}
		buf = slices.Grow(buf, room-len(buf))
		n, err := src.Read(buf[len(buf):room])
		buf = buf[:len(buf)+n]
		if err != nil && len(buf) < size {
			return bodyFault(err)
		}
	}
	x.body, x.bodyRead = buf, true
	return faultNone
}

// readUnknown reads a chunked body. It counts, as nothing announces the size.
// One byte more than is reserved tells whether the body goes on.
func (s *Server) readUnknown(x *exchange, extend func(int) error) fault {
	src, buf := x.req.BodyStream(), x.bodyBuf[:0]
	defer func() { x.bodyBuf = buf }()
	most := s.bodyMax(x)
	for {
		if len(buf) > most {
			return faultBodyTooLarge
		}
		if len(buf) > 0 && x.head.method == methodPost && x.append.ContentType == "" {
			// It is not empty, so it needs a type; see parseAppend.
			contentType, f := x.head.bodyType()
			if f != faultNone {
				return f
			}
			x.append.ContentType = contentType
		}
		if !s.reserveMore(x, len(buf), most) {
			return faultOverloaded
		}
		if err := extend(len(buf)); err != nil {
			return faultIncompleteBody
		}
		room := int(x.reserved) + 1
		buf = slices.Grow(buf, room-len(buf))
		n, err := src.Read(buf[len(buf):room])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF && len(buf) <= most:
			x.body, x.bodyRead = buf, true
			return faultNone
		case err != nil && err != io.EOF:
			return bodyFault(err)
		}
	}
}

// reserveMore reserves room for the next part of a body of which got bytes have
// arrived: at most as much again, so that clients hold little by announcements.
func (s *Server) reserveMore(x *exchange, got, most int) bool {
	if int64(got) < x.reserved {
		return true
	}
	step := int64(min(max(bodyStep, got), most-int(x.reserved)))
	if !s.bodies.reserve(step) {
		return false
	}
	x.reserved += step
	return true
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
