package server

import (
	"bytes"
	"strconv"
	"time"
)

// cookieName is the cookie that a token comes in. Browsers keep one of that name for
// the host that has set it, and only over TLS.
const cookieName = "__Secure-tailrace"

// mint makes a token for reading one stream from where no header can be set: by an
// EventSource, or a link.
func (s *Server) mint(x *exchange) outcome {
	a := s.arranged.Load()
	if !a.URLTokens {
		return s.fail(x, faultNoSuchRoute)
	}
	life := a.URLTokenLife
	if x.head.has(fieldTokenLife) {
		seconds, ok := parsePositive(x.head.values[fieldTokenLife], int64(a.URLTokenLife/time.Second))
		if !ok {
			return s.fail(x, faultInvalidTokenLife)
		}
		life = time.Duration(seconds) * time.Second
	}
	cookie := x.head.has(fieldTokenCookie)
	if cookie && (!bytes.HasPrefix(x.head.path, []byte(roots[routeToken])) || bytes.IndexByte(x.head.path, ';') >= 0) {
		return s.fail(x, faultInvalidPath) // a cookie cannot be for such a path, or it is not seen for which
	}
	token, expires, err := s.opts.Auth.Mint(x.grant, view(x.head.name), life)
	if err != nil {
		return s.fail(x, faultForbidden) // it expires before there is time to use it
	}
	s.begin(x, 201)
	x.resp.Header.SetContentTypeBytes(valueJSON)
	b := append(x.scratch[:0], `{"token":"`...)
	if cookie {
		// A page never sees it; the browser sends it with requests for the stream.
		x.setString(nameSetCookie, cookieName+"="+token+"; Path="+streamRoot+cookiePath(x.head.path)+
			"; Max-Age="+strconv.FormatInt(int64(life/time.Second), 10)+
			"; HttpOnly; Secure; SameSite=Strict")
		b = append(x.scratch[:0], `{"cookie":"`+cookieName...)
	} else {
		b = append(b, token...)
	}
	b = append(b, `","expires_at":"`...)
	b = expires.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, "\"}\n"...)
	x.resp.SetBody(b)
	return done
}

// cookiePath is the name of the stream as the client has written it.
func cookiePath(path []byte) string { return string(path[len(roots[routeToken]):]) }
