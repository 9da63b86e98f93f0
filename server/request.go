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
)

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

// field is a request header that means something here.
type field uint8

const (
	fieldContentType field = iota
	fieldContentLength
	fieldExpect
	fieldIfNoneMatch
	fieldAcceptEncoding
	fieldLastEventID
	fieldClosed
	fieldTTL
	fieldExpiresAt
	fieldKeepAge
	fieldKeepBytes
	fieldTrim
	fieldSeq
	fieldExpected
	fieldForkedFrom
	fieldForkOffset
	fieldForkSubOffset
	fieldProducerID
	fieldProducerEpoch
	fieldProducerSeq
	fieldForwardedProto
	fieldForwardedHost
	fields
)

// fieldNames are the names in lower case.
var fieldNames = [fields]string{
	fieldContentType:    "content-type",
	fieldContentLength:  "content-length",
	fieldExpect:         "expect",
	fieldIfNoneMatch:    "if-none-match",
	fieldAcceptEncoding: "accept-encoding",
	fieldLastEventID:    "last-event-id",
	fieldClosed:         "stream-closed",
	fieldTTL:            "stream-ttl",
	fieldExpiresAt:      "stream-expires-at",
	fieldKeepAge:        "stream-retention-age",
	fieldKeepBytes:      "stream-retention-bytes",
	fieldTrim:           "stream-trim",
	fieldSeq:            "stream-seq",
	fieldExpected:       "stream-expected-offset",
	fieldForkedFrom:     "stream-forked-from",
	fieldForkOffset:     "stream-fork-offset",
	fieldForkSubOffset:  "stream-fork-sub-offset",
	fieldProducerID:     "producer-id",
	fieldProducerEpoch:  "producer-epoch",
	fieldProducerSeq:    "producer-seq",
	fieldForwardedProto: "x-forwarded-proto",
	fieldForwardedHost:  "x-forwarded-host",
}

// repeatable fields are lists, or not ours to judge; the first one counts.
const repeatable = 1<<fieldIfNoneMatch | 1<<fieldAcceptEncoding | 1<<fieldForwardedProto | 1<<fieldForwardedHost | 1<<fieldExpect

// head is a request without its body, taken apart. Everything in it is part of
// the request's own memory.
type head struct {
	method    method
	http10    bool
	authority []byte // host and port the client wants
	path      []byte // as it was sent
	name      []byte // of the stream, decoded
	query     []byte
	given     uint32 // set of fields
	values    [fields][]byte
}

func (h *head) has(f field) bool { return h.given&(1<<f) != 0 }

// parseHead takes the request apart as far as all methods agree.
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
	if h.name, x.nameBuf, f = streamName(x.nameBuf, h.path); f != faultNone && (f != faultReserved || h.method != methodOptions) {
		return f
	}
	if f = h.parseFields(r.RawHeaders()); f != faultNone {
		return f
	}
	if h.method == methodOther {
		return faultMethod
	}
	return s.checkSize(h)
}

// checkSize refuses what can be refused by the announced size of the body.
// HTTP/1.0 knows no expectations, so there they are ignored.
func (s *Server) checkSize(h *head) fault {
	if h.has(fieldContentLength) && h.contentLength() > s.opts.BodyBytesMax {
		return faultBodyTooLarge
	}
	if h.has(fieldExpect) && !h.http10 && !bytes.EqualFold(h.values[fieldExpect], valueContinue) {
		return faultExpectation
	}
	return faultNone
}

// contentLength is the announced size of the body. fasthttp has checked that
// it is a number; one too large for an int is larger than every limit.
func (h *head) contentLength() int {
	n, err := strconv.Atoi(view(h.values[fieldContentLength]))
	if err != nil {
		return math.MaxInt
	}
	return n
}

// parseFields finds the fields in a block of headers as it was sent. fasthttp
// keeps only the last of several content types, so its own view is not enough.
func (h *head) parseFields(raw []byte) fault {
	for len(raw) > 0 {
		var line []byte
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			line, raw = raw, nil
		}
		if len(line) == 0 {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			return faultFoldedHeader
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			continue // the empty line at the end
		}
		if bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return faultBadRequest // a proxy may take it for another one
		}
		f, ok := fieldOf(line[:colon])
		if !ok {
			continue
		}
		if h.has(f) {
			if repeatable&(1<<f) == 0 {
				return faultDuplicateHeader
			}
			continue
		}
		h.given |= 1 << f
		h.values[f] = trim(line[colon+1:])
	}
	return faultNone
}

// fieldOf finds a field by its name. Most headers of a request are none, so it
// looks at as little as it can.
func fieldOf(name []byte) (field, bool) {
	if len(name) < len("expect") {
		return 0, false
	}
	var from, to field
	switch name[0] | 0x20 {
	case 'a':
		from, to = fieldAcceptEncoding, fieldAcceptEncoding
	case 'c':
		from, to = fieldContentType, fieldContentLength
	case 'e':
		from, to = fieldExpect, fieldExpect
	case 'i':
		from, to = fieldIfNoneMatch, fieldIfNoneMatch
	case 'l':
		from, to = fieldLastEventID, fieldLastEventID
	case 's':
		from, to = fieldClosed, fieldForkSubOffset
	case 'p':
		from, to = fieldProducerID, fieldProducerSeq
	case 'x':
		from, to = fieldForwardedProto, fieldForwardedHost
	default:
		return 0, false
	}
	for f := from; f <= to; f++ {
		if foldsTo(name, fieldNames[f]) {
			return f, true
		}
	}
	return 0, false
}

// foldsTo reports whether b is lower but for the case of letters. A dash has
// the bit set that makes letters lower case, and no other byte of a header
// name takes the place of another by it.
func foldsTo(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(lower) {
		if b[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r") }

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
