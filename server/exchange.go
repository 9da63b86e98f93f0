package server

import (
	"net/netip"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"tailrace/engine"
	"tailrace/internal/auth"
	"tailrace/internal/stream"
)

// exchange is one request on its way to its response, and the memory that
// handling it takes. A driver takes one with newExchange, lets the handlers
// work on it, and gives it back with free once the response is sent or its
// content copied. One goroutine at a time uses it.
type exchange struct {
	req  *fasthttp.Request
	resp *fasthttp.Response
	conn connInfo

	began  time.Time
	parsed bool // all but the body
	known  bool // who asks
	head   head

	requestID []byte
	tenant    *tenant     // nil: the project is not configured, or not known yet
	grant     *auth.Grant // nil without authentication or credentials
	byURL     bool        // the credentials came in the query or a cookie
	anonymous bool        // there are none: only public streams are there
	welcomed  bool        // and the stream is one
	paced     bool        // the bytes were taken from what may come in a second

	fault      fault             // that was answered
	retryAfter int64             // seconds, 0 = 1
	addr       func() netip.Addr // see clientAddr
	counted    bool
	timing     *timing // nil: not asked for

	// body is all of the request's body if bodyRead; it is in bodyBuf.
	body     []byte
	bodyRead bool
	reserved int64 // of the budget for bodies
	held     int64 // of the budget for responses; outlives the exchange

	create stream.Create
	append stream.Append
	change stream.Change
	live   liveRequest
	ticket engine.Ticket
	info   engine.Info

	codings codings // that the client takes; none for a live read
	asked   engine.ReadRequest
	result  engine.ReadResult
	loaded  bool   // result is from the disk, in memory of its own
	shared  bool   // others get the same content
	content []byte // of result, put together for all of them

	jsonErr error // why the body is not JSON

	nameBuf   []byte
	sourceBuf []byte
	bodyBuf   []byte
	flatBuf   []byte
	scratch   []byte
}

// connInfo is what a handler knows of the connection.
type connInfo struct {
	tls  bool
	peer remote
}

// remote is where a connection comes from. It is asked for rarely, and that may
// take a system call.
type remote interface{ PeerAddr() netip.Addr }

func (s *Server) newExchange(req *fasthttp.Request, resp *fasthttp.Response, c connInfo, now time.Time) *exchange {
	x, _ := s.exchanges.Get().(*exchange)
	if x == nil {
		x = &exchange{scratch: make([]byte, 0, 128), requestID: make([]byte, 0, 16)}
	}
	x.req, x.resp, x.conn, x.began = req, resp, c, now
	s.meters.inFlight.Add(1)
	return x
}

// free gives the exchange back. Nothing of it may be in use any more; what the
// response refers to is copied, static or the engine's.
func (s *Server) free(x *exchange) {
	s.bodies.release(x.reserved)
	s.responses.release(x.held)
	s.meters.inFlight.Add(-1)
	name, source, body, flat, scratch := keep(x.nameBuf), keep(x.sourceBuf), keep(x.bodyBuf), keep(x.flatBuf), keep(x.scratch)
	id, addr := x.requestID[:0], x.addr
	*x = exchange{} // alone, this is cleared in place
	x.nameBuf, x.sourceBuf, x.bodyBuf, x.flatBuf, x.scratch = name, source, body, flat, scratch
	x.requestID, x.addr = id, addr
	s.exchanges.Put(x)
}

// keep is a buffer to use again, unless a rare large request grew it.
func keep(b []byte) []byte {
	if cap(b) > keepBufferBytes {
		return nil
	}
	return b[:0]
}

// view is b as a string, without a copy. It is valid as long as b does not
// change: for the exchange's own request until the exchange is freed. The
// engine copies what it keeps.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
