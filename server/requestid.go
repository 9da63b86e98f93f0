package server

import "sync/atomic"

// requestIDBytesMax bounds a client's X-Request-Id: it is repeated in the answer
// and in the log.
const requestIDBytesMax = 128

// requestIDs gives requests an identity by which an answer is found in the log.
type requestIDs struct {
	base uint64
	n    atomic.Uint64
}

// append appends an id that this process gives once. The next one cannot be told
// from it, so nobody takes it for a count of requests.
func (r *requestIDs) append(dst []byte) []byte {
	// A step of SplitMix64 maps 64 bits onto 64 bits.
	z := r.base + r.n.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[z>>shift&15])
	}
	return dst
}

// identify gives the exchange its id: the client's, if that can be repeated as it
// is, or one of ours.
func (s *Server) identify(x *exchange) []byte {
	if len(x.requestID) > 0 {
		return x.requestID
	}
	given := x.head.values[fieldRequestID]
	if given == nil && !x.parsed {
		// The request was refused before its headers were looked at.
		given = x.req.Header.PeekBytes(nameRequestID)
	}
	if validRequestID(given) {
		x.requestID = append(x.requestID, given...)
	} else {
		x.requestID = s.ids.append(x.requestID)
	}
	return x.requestID
}

// validRequestID reports whether an id means the same in a header, in JSON and in a
// line of the log.
func validRequestID(id []byte) bool {
	if len(id) == 0 || len(id) > requestIDBytesMax {
		return false
	}
	for _, c := range id {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}
