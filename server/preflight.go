package server

import "strings"

// methodsAllowed is what can be done with a stream.
const methodsAllowed = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"

var (
	// allowHeaders are the request headers that a page of another origin may
	// send.
	allowHeaders = []byte(strings.Join([]string{
		"Content-Type", "Authorization", "If-None-Match", "Last-Event-ID",
		"Stream-Closed", "Stream-TTL", "Stream-Expires-At",
		"Stream-Retention-Age", "Stream-Retention-Bytes", "Stream-Trim",
		"Stream-Seq", "Stream-Expected-Offset",
		"Stream-Forked-From", "Stream-Fork-Offset", "Stream-Fork-Sub-Offset",
		"Producer-Id", "Producer-Epoch", "Producer-Seq",
		"Stream-Access", "Stream-Timing", "Token-Life", "Token-Cookie", "X-Request-Id",
	}, ", "))

	// exposeHeaders are the response headers that such a page may see.
	exposeHeaders = []byte(strings.Join([]string{
		"Stream-Next-Offset", "Stream-Earliest-Offset", "Stream-Cursor", "Stream-Up-To-Date", "Stream-Closed",
		"Stream-TTL", "Stream-Expires-At", "Stream-Retention-Age", "Stream-Retention-Bytes",
		"Stream-SSE-Data-Encoding",
		"Producer-Epoch", "Producer-Seq", "Producer-Expected-Seq", "Producer-Received-Seq",
		"ETag", "Location", "Retry-After", "Allow", "Stream-Access", "Server-Timing", "X-Request-Id",
	}, ", "))

	preflightMaxAge = []byte("86400")
)

// options answers a CORS preflight. It is the same for every path of a route,
// whether there is such a stream or project or not, so it tells nothing about what
// exists. Who may do what shows with the request itself.
func (s *Server) options(x *exchange) outcome {
	s.begin(x, 204)
	allow := allowOf(x.head.route)
	x.set(nameAllow, allow)
	if !s.originsFor(x).none() {
		x.set(nameAllowMethods, allow)
		x.set(nameAllowHeaders, allowHeaders)
		x.set(nameMaxAge, preflightMaxAge)
	}
	return done
}
