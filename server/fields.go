package server

import "bytes"

// field is a request header that means something here. Those that begin with the
// same letter are neighbours, see fieldOf.
type field uint8

const (
	fieldAcceptEncoding field = iota
	fieldAuthorization

	fieldContentType
	fieldContentLength
	fieldCookie

	fieldExpect
	fieldIfNoneMatch
	fieldLastEventID
	fieldOrigin

	fieldProducerID
	fieldProducerEpoch
	fieldProducerSeq

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
	fieldAccess
	fieldTiming

	fieldTokenLife
	fieldTokenCookie

	fieldForwardedProto
	fieldForwardedHost
	fieldForwardedFor
	fieldRequestID

	fields
)

// fieldNames are the names in lower case.
var fieldNames = [fields]string{
	fieldAcceptEncoding: "accept-encoding",
	fieldAuthorization:  "authorization",
	fieldContentType:    "content-type",
	fieldContentLength:  "content-length",
	fieldCookie:         "cookie",
	fieldExpect:         "expect",
	fieldIfNoneMatch:    "if-none-match",
	fieldLastEventID:    "last-event-id",
	fieldOrigin:         "origin",
	fieldProducerID:     "producer-id",
	fieldProducerEpoch:  "producer-epoch",
	fieldProducerSeq:    "producer-seq",
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
	fieldAccess:         "stream-access",
	fieldTiming:         "stream-timing",
	fieldTokenLife:      "token-life",
	fieldTokenCookie:    "token-cookie",
	fieldForwardedProto: "x-forwarded-proto",
	fieldForwardedHost:  "x-forwarded-host",
	fieldForwardedFor:   "x-forwarded-for",
	fieldRequestID:      "x-request-id",
}

// repeatable fields are lists, or not ours to judge; the first one counts, but for
// the addresses that proxies have noted.
const repeatable = 1<<fieldIfNoneMatch | 1<<fieldAcceptEncoding | 1<<fieldForwardedProto | 1<<fieldForwardedHost |
	1<<fieldForwardedFor | 1<<fieldExpect | 1<<fieldRequestID | 1<<fieldCookie

// parseFields finds the fields in a block of headers as it was sent. fasthttp
// keeps only the last of several content types, so its own view is not enough.
func (h *head) parseFields(raw []byte) fault {
	for n := 0; len(raw) > 0; {
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
		if n++; n > headerFieldsMax {
			return faultHeadersTooLarge
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
			if f != fieldForwardedFor {
				continue // of these the nearest proxy's is the last
			}
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
		from, to = fieldAcceptEncoding, fieldAuthorization
	case 'c':
		from, to = fieldContentType, fieldCookie
	case 'e':
		from, to = fieldExpect, fieldExpect
	case 'i':
		from, to = fieldIfNoneMatch, fieldIfNoneMatch
	case 'l':
		from, to = fieldLastEventID, fieldLastEventID
	case 'o':
		from, to = fieldOrigin, fieldOrigin
	case 'p':
		from, to = fieldProducerID, fieldProducerSeq
	case 's':
		from, to = fieldClosed, fieldTiming
	case 't':
		from, to = fieldTokenLife, fieldTokenCookie
	case 'x':
		from, to = fieldForwardedProto, fieldRequestID
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
