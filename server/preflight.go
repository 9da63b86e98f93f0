package server

import "strings"

// methodsAllowed is what can be done with a stream.
const methodsAllowed = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"

var (
	allowMethods = []byte(methodsAllowed)

	// allowHeaders are the request headers that a page of another origin may
	// send.
	allowHeaders = []byte(strings.Join([]string{
		"Content-Type", "Authorization", "If-None-Match", "Last-Event-ID",
		"Stream-Closed", "Stream-TTL", "Stream-Expires-At",
		"Stream-Retention-Age", "Stream-Retention-Bytes", "Stream-Trim",
		"Stream-Seq", "Stream-Expected-Offset",
		"Stream-Forked-From", "Stream-Fork-Offset", "Stream-Fork-Sub-Offset",
		"Producer-Id", "Producer-Epoch", "Producer-Seq",
	}, ", "))

	// exposeHeaders are the response headers that such a page may see.
	exposeHeaders = []byte(strings.Join([]string{
		"Stream-Next-Offset", "Stream-Earliest-Offset", "Stream-Cursor", "Stream-Up-To-Date", "Stream-Closed",
		"Stream-TTL", "Stream-Expires-At", "Stream-Retention-Age", "Stream-Retention-Bytes",
		"Stream-SSE-Data-Encoding",
		"Producer-Epoch", "Producer-Seq", "Producer-Expected-Seq", "Producer-Received-Seq",
		"ETag", "Location", "Retry-After", "Allow",
	}, ", "))

	preflightMaxAge = []byte("86400")
)

// options answers a CORS preflight. It is the same for every stream path,
// whether there is a stream or not, so it tells nothing about what exists.
func (s *Server) options(x *exchange) outcome {
	s.begin(x, 204)
	x.set(nameAllow, allowMethods)
	if !s.opts.DisableCORS {
		x.set(nameAllowMethods, allowMethods)
		x.set(nameAllowHeaders, allowHeaders)
		x.set(nameMaxAge, preflightMaxAge)
	}
	return done
}
