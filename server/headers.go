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

	nameNosniff       = []byte("X-Content-Type-Options")
	nameResource      = []byte("Cross-Origin-Resource-Policy")
	nameAllowOrigin   = []byte("Access-Control-Allow-Origin")
	nameExposeHeaders = []byte("Access-Control-Expose-Headers")
	nameAllowMethods  = []byte("Access-Control-Allow-Methods")
	nameAllowHeaders  = []byte("Access-Control-Allow-Headers")
	nameMaxAge        = []byte("Access-Control-Max-Age")
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
	valueSecond      = []byte("1")
	valueCodings     = []byte("Accept-Encoding")
	valueGzip        = []byte("gzip")
	valueZstd        = []byte("zstd")
)

// begin starts a response with what every response carries, and what every
// answer to a catch-up read does.
func (s *Server) begin(x *exchange, status int) {
	x.resp.SetStatusCode(status)
	x.set(nameNosniff, valueNosniff)
	x.set(nameResource, valueCrossOrigin)
	if !s.opts.DisableCORS {
		x.set(nameAllowOrigin, valueAnyOrigin)
		x.set(nameExposeHeaders, exposeHeaders)
	}
	if x.head.method == methodGet && x.live.mode == modeCatchUp {
		x.set(nameVary, valueCodings)
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
