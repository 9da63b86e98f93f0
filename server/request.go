package server

import (
	"bytes"
	"math"
	"strconv"
)

type method uint8

const (
	methodOther method = iota
	methodGet
	methodHead
	methodPut
	methodPost
	methodPatch
	methodDelete
	methodOptions
	methods
)

var methodNames = [methods]string{
	methodGet: "GET", methodHead: "HEAD", methodPut: "PUT", methodPost: "POST", methodPatch: "PATCH",
	methodDelete: "DELETE", methodOptions: "OPTIONS",
}

func methodOf(b []byte) method {
	switch string(b) {
	case "GET":
		return methodGet
	case "POST":
		return methodPost
	case "PUT":
		return methodPut
	case "HEAD":
		return methodHead
	case "PATCH":
		return methodPatch
	case "DELETE":
		return methodDelete
	case "OPTIONS":
		return methodOptions
	}
	return methodOther
}

// head is a request without its body, taken apart. Everything in it is part of
// the request's own memory.
type head struct {
	method    method
	route     route
	http10    bool
	authority []byte // host and port the client wants
	path      []byte // as it was sent
	name      []byte // of the stream, decoded
	query     []byte
	given     uint64 // set of fields
	announced int    // the size of the body; 0 if none is
	values    [fields][]byte
}

func (h *head) has(f field) bool { return h.given&(1<<f) != 0 }

// parseHead takes the request apart as far as all routes and methods agree.
func (s *Server) parseHead(x *exchange) fault {
	h, r := &x.head, &x.req.Header
	switch string(r.Protocol()) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.http10 = true
	default:
		return faultVersion
	}
	h.method = methodOf(r.Method())
	t, f := splitTarget(r.RequestURI())
	if f != faultNone {
		return f
	}
	h.authority, h.path, h.query = t.authority, t.path, t.query
	if h.authority == nil {
		h.authority = r.Host()
	}
	if h.route, h.name, x.nameBuf, f = matchRoute(x.nameBuf, h.path); f != faultNone && (f != faultReserved || h.method != methodOptions) {
		return f
	}
	if h.route != routeStream && s.opts.Auth == nil {
		return faultNoSuchRoute // there is nobody who might
	}
	if f = h.parseFields(r.RawHeaders()); f != faultNone {
		return f
	}
	if h.method == methodOther || !policies[h.route][h.method].known {
		return faultMethod
	}
	return s.checkSize(h)
}

// checkSize refuses what can be refused by the announced size of the body.
// HTTP/1.0 knows no expectations, so there they are ignored.
func (s *Server) checkSize(h *head) fault {
	if h.has(fieldContentLength) {
		h.announced = parseLength(h.values[fieldContentLength])
	}
	if h.announced > s.opts.BodyBytesMax {
		return faultBodyTooLarge
	}
	if h.has(fieldExpect) && !h.http10 && !bytes.EqualFold(h.values[fieldExpect], valueContinue) {
		return faultExpectation
	}
	return faultNone
}

// parseLength is the size of a body as it was announced. fasthttp has checked that
// it is a number; one too large for an int is larger than every limit.
func parseLength(b []byte) int {
	n, err := strconv.Atoi(view(b))
	if err != nil {
		return math.MaxInt
	}
	return n
}

// trim is b without the white space around it. It is called for every field.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// parseInt reads a decimal number in its one spelling: digits, no sign and no
// leading zero. It is false for anything else and for more than max.
func parseInt(b []byte, max int64) (int64, bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		d := int64(c - '0')
		if c < '0' || c > '9' || n > (max-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// parsePositive is parseInt without the 0.
func parsePositive(b []byte, max int64) (int64, bool) {
	n, ok := parseInt(b, max)
	return n, ok && n > 0
}

// host is where the client reached us, as a URL says it.
func (s *Server) host(x *exchange) (scheme string, host []byte) {
	scheme, host = "http", x.head.authority
	if x.conn.tls {
		scheme = "https"
	}
	if s.opts.TrustForwarded {
		if v := firstOf(x.head.values[fieldForwardedProto]); string(v) == "https" || string(v) == "http" {
			scheme = string(v)
		}
		if v := firstOf(x.head.values[fieldForwardedHost]); len(v) > 0 {
			host = v
		}
	}
	return scheme, host
}

// firstOf is the first element of a list, which the proxy nearest to the
// client wrote.
func firstOf(list []byte) []byte {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		list = list[:i]
	}
	return trim(list)
}
