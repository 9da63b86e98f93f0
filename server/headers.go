package server

import (
	"strconv"

	"tailrace/internal/stream"
)

// Names of response headers. fasthttp writes them as they are spelled here.
var (
	nameAllow            = []byte("Allow")
	nameCacheControl     = []byte("Cache-Control")
	nameContentEncoding  = []byte("Content-Encoding")
	nameETag             = []byte("ETag")
	nameLocation         = []byte("Location")
	nameRetryAfter       = []byte("Retry-After")
	nameVary             = []byte("Vary")
	nameNextOffset       = []byte("Stream-Next-Offset")
	nameEarliest         = []byte("Stream-Earliest-Offset")
	nameCursor           = []byte("Stream-Cursor")
	nameUpToDate         = []byte("Stream-Up-To-Date")
	nameClosed           = []byte("Stream-Closed")
	nameTTL              = []byte("Stream-TTL")
	nameExpiresAt        = []byte("Stream-Expires-At")
	nameKeepAge          = []byte("Stream-Retention-Age")
	nameKeepBytes        = []byte("Stream-Retention-Bytes")
	nameProducerEpoch    = []byte("Producer-Epoch")
	nameProducerSeq      = []byte("Producer-Seq")
	nameProducerExpected = []byte("Producer-Expected-Seq")
	nameProducerReceived = []byte("Producer-Received-Seq")

	nameRequestID        = []byte("X-Request-Id")
	nameReferrer         = []byte("Referrer-Policy")
	nameChallenge        = []byte("WWW-Authenticate")
	nameAccess           = []byte("Stream-Access")
	nameAllowCredentials = []byte("Access-Control-Allow-Credentials")
	nameServerTiming     = []byte("Server-Timing")
	nameSetCookie        = []byte("Set-Cookie")
	nameNosniff          = []byte("X-Content-Type-Options")
	nameResource         = []byte("Cross-Origin-Resource-Policy")
	nameAllowOrigin      = []byte("Access-Control-Allow-Origin")
	nameExposeHeaders    = []byte("Access-Control-Expose-Headers")
	nameAllowMethods     = []byte("Access-Control-Allow-Methods")
	nameAllowHeaders     = []byte("Access-Control-Allow-Headers")
	nameMaxAge           = []byte("Access-Control-Max-Age")
)

// Values that never change, and the name of a request header that is looked up.
var (
	nameExpect    = []byte("Expect")
	valueContinue = []byte("100-continue")

	valueTrue        = []byte("true")
	valueNoStore     = []byte("no-store")
	valueNoCache     = []byte("no-cache")
	valueNosniff     = []byte("nosniff")
	valueCrossOrigin = []byte("cross-origin")
	valueAnyOrigin   = []byte("*")
	valueJSON        = []byte("application/json")
	valueCodings     = []byte("Accept-Encoding")
	valueOrigin      = []byte("Origin")
	valuePrivate     = []byte("private, no-store")
	// Clients and proxies look for what an event stream says without authentication.
	valuePrivateStream = []byte("private, no-store, no-cache, no-transform")
	valueNoTransform   = []byte("no-cache, no-transform")
	valueNoReferrer    = []byte("no-referrer")
	valuePublicRead    = []byte("public-read")

	valueCodingsOrigin = []byte("Accept-Encoding, Origin")
	valueGzip          = []byte("gzip")
	valueZstd          = []byte("zstd")
)

// begin starts a response with what every response carries, and what every
// answer to a catch-up read does.
func (s *Server) begin(x *exchange, status int) {
	x.resp.SetStatusCode(status)
	x.set(nameNosniff, valueNosniff)
	x.set(nameResource, valueCrossOrigin)
	x.set(nameRequestID, s.identify(x))
	byOrigin := s.setCORS(x)
	// A refusal is the same whatever the read would have been: it may come before that
	// is known.
	coded := x.head.method == methodGet && (x.live.mode == modeCatchUp || status >= 400)
	switch {
	case byOrigin && coded:
		x.set(nameVary, valueCodingsOrigin)
	case byOrigin:
		x.set(nameVary, valueOrigin)
	case coded:
		x.set(nameVary, valueCodings)
	}
	if s.opts.Auth != nil {
		// An answer to a token is for nobody else, unless it is of a public stream
		// and says so by a header of its own.
		x.set(nameCacheControl, valuePrivate)
		if x.byURL {
			x.set(nameReferrer, valueNoReferrer)
		}
	}
}

// setCaching says how the answer may be kept, which with authentication is said
// already for all but public streams.
func (s *Server) setCaching(x *exchange, value []byte) {
	if s.opts.Auth == nil || x.isPublic() {
		x.set(nameCacheControl, value)
	}
}

// set sets a header whose name has the canonical spelling.
func (x *exchange) set(name, value []byte) { x.resp.Header.SetCanonical(name, value) }

func (x *exchange) setOffset(name []byte, o stream.Offset) {
	x.scratch = o.Append(x.scratch[:0])
	x.set(name, x.scratch)
}

func (x *exchange) setInt(name []byte, n int64) {
	x.scratch = strconv.AppendInt(x.scratch[:0], n, 10)
	x.set(name, x.scratch)
}

func (x *exchange) setString(name []byte, value string) {
	x.scratch = append(x.scratch[:0], value...)
	x.set(name, x.scratch)
}

// setTail tells where the stream ends and whether for good.
func (x *exchange) setTail(tail stream.Offset, closed bool) {
	x.setOffset(nameNextOffset, tail)
	if closed {
		x.set(nameClosed, valueTrue)
	}
}

// setStart tells where the stream begins, if it has lost anything.
func (x *exchange) setStart(start stream.Offset) {
	if start > 0 {
		x.setOffset(nameEarliest, start)
	}
}
