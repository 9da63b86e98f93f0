package server

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// route is what a path leads to.
type route uint8

const (
	routeNone   route = iota
	routeStream       // a stream, by its name
	routeToken        // where tokens for a stream are minted, by its name
	routeAdmin        // what there is to administer
	routes
)

// roots are where the routes begin.
var roots = [routes]string{routeStream: streamRoot, routeToken: "/v1/token/", routeAdmin: "/v1/admin/"}

// Streams live under this path; what follows is their name.
const streamRoot = "/v1/stream/"

// reservedSegment as the first segment of a name is not a stream but belongs
// to the protocol's subscriptions.
const reservedSegment = "__ds"

// PathRule is a rule for request paths, for documentation and its tests.
type PathRule struct {
	Rule    string
	Example string
	Status  int    // answered to a GET of the example on an empty server
	Code    string // of the error
}

// PathRules are the rules for request paths, in the order they are applied.
// They hold for the path as it was sent, before anything normalizes it, and
// after decoding percent-encoding exactly once. Two spellings with the same
// decoded path are the same stream.
func PathRules() []PathRule {
	invalid := func(rule, example string) PathRule {
		return PathRule{Rule: rule, Example: example, Status: 400, Code: "invalid_path"}
	}
	return []PathRule{
		invalid("no '#' in the request target", "/v1/stream/a#b"),
		invalid("percent signs are followed by two hexadecimal digits", "/v1/stream/a%zz"),
		invalid("no encoded slash: it would be ambiguous", "/v1/stream/a%2Fb"),
		invalid("no control characters, NUL among them, encoded or not", "/v1/stream/a%00"),
		invalid("the decoded path is UTF-8", "/v1/stream/%ff"),
		{"only what is under " + streamRoot + " exists", "/v2/stream/a", 404, "no_such_route"},
		invalid("the name is not empty", "/v1/stream/"),
		invalid("the name has at most 1024 bytes once decoded", "/v1/stream/"+string(bytes.Repeat([]byte{'a'}, nameBytesMax+1))),
		invalid("no empty segment, so no trailing slash either", "/v1/stream/a//b"),
		invalid("no dot segments, encoded or not", "/v1/stream/a/%2e%2e/b"),
		{"a first segment of " + reservedSegment + " is reserved", "/v1/stream/__ds/x", 404, "reserved"},
		{"anything else is the name of a stream", "/v1/stream/any/thing%20else", 404, "not_found"},
	}
}

// target is a request target taken apart, nothing decoded.
type target struct {
	authority []byte // of the absolute form, or nil
	path      []byte
	query     []byte
}

// splitTarget takes a request target apart. The origin form and the absolute
// form are known.
func splitTarget(uri []byte) (target, fault) {
	var t target
	if bytes.IndexByte(uri, '#') >= 0 {
		return t, faultInvalidPath
	}
	if len(uri) > 0 && uri[0] != '/' {
		_, rest, ok := bytes.Cut(uri, []byte("://"))
		if !ok {
			return t, faultInvalidPath
		}
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		t.authority, uri = rest[:end], rest[end:]
	}
	t.path = uri
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		t.path, t.query = uri[:i], uri[i+1:]
	}
	return t, faultNone
}

// matchRoute returns what a path as it was sent leads to, and what of it follows
// the root: the name of a stream, or of what there is to administer. That is in path
// itself or in buf, which is returned grown.
func matchRoute(buf, path []byte) (r route, name, grown []byte, f fault) {
	decoded, grown, ok := decodePath(buf, path)
	if !ok {
		return 0, nil, grown, faultInvalidPath
	}
	for r = routeNone + 1; r < routes; r++ {
		if root := roots[r]; len(decoded) >= len(root) && string(decoded[:len(root)]) == root {
			name = decoded[len(root):]
			return r, name, grown, checkName(name)
		}
	}
	return 0, nil, grown, faultNoSuchRoute
}

// streamName is matchRoute for what has to be a stream.
func streamName(buf, path []byte) (name, grown []byte, f fault) {
	r, name, grown, f := matchRoute(buf, path)
	if f == faultNone && r != routeStream {
		f = faultNoSuchRoute
	}
	return name, grown, f
}

// checkName refuses what cannot be a name.
func checkName(name []byte) fault {
	if len(name) == 0 || len(name) > nameBytesMax {
		return faultInvalidPath
	}
	for rest, first := name, true; ; first = false {
		segment, after, more := cutSlash(rest)
		switch string(segment) {
		case "", ".", "..":
			return faultInvalidPath
		case reservedSegment:
			if first {
				return faultReserved
			}
		}
		if !more {
			return faultNone
		}
		rest = after
	}
}

func cutSlash(b []byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, '/'); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

// decodePath decodes percent-encoding, once. It refuses what has no meaning
// or more than one.
func decodePath(buf, path []byte) (decoded, grown []byte, ok bool) {
	plain, ascii := true, true
	for _, c := range path {
		switch {
		case c == '%':
			plain = false
		case c < ' ' || c == 0x7f:
			return nil, buf, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if plain && ascii {
		return path, buf, true
	}
	buf = buf[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if c, ok = unhex(path[i:]); !ok || c == '/' {
				return nil, buf, false
			}
			i += 2
		}
		buf = append(buf, c)
	}
	for rest := buf; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
			return nil, buf, false
		}
		rest = rest[n:]
	}
	return buf, buf, true
}

// unhex decodes the %xx at the start of b.
func unhex(b []byte) (byte, bool) {
	if len(b) < 3 {
		return 0, false
	}
	hi, lo := hexDigit(b[1]), hexDigit(b[2])
	return hi<<4 | lo, hi < 16 && lo < 16
}

// hexDigit is the value of a hexadecimal digit, 16 or more for anything else.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	default:
		return 0xff
	}
}
