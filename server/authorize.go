package server

import (
	"bytes"
	"net/netip"
	"time"

	"tailrace/internal/auth"
	"tailrace/internal/project"
)

// authorize finds out who asks and whether they may. It looks at the matched route,
// the method and the name, never at a body, and asks nobody about streams, so that
// what it says tells nothing about which there are.
func (s *Server) authorize(x *exchange) fault {
	h, a := &x.head, s.arranged.Load()
	if s.opts.Auth == nil {
		x.tenant = a.only
		return faultNone
	}
	p := &policies[h.route][h.method]
	if p.open {
		return faultNone
	}
	owner, ok := h.project()
	if !ok {
		return faultNoSuchRoute
	}
	var refusal auth.Refusal
	token, byURL := x.credentials(p.urls && a.URLTokens)
	switch {
	case byURL:
		x.byURL = true
		x.grant, refusal = s.opts.Auth.URLToken(token, view(h.name), x.clientAddr(s))
	case h.has(fieldAuthorization):
		x.grant, refusal = s.opts.Auth.Bearer(token, owner, x.clientAddr(s))
	case p.public:
		x.anonymous = true
		return faultNone
	default:
		return faultUnauthorized
	}
	switch refusal {
	case auth.None:
	case auth.Expired:
		return faultTokenExpired
	case auth.TooManyFailures:
		x.retryIn(s.opts.Auth.RetryAfter())
		return faultTooManyFailures
	default:
		return faultUnauthorized
	}
	if !x.within(p, owner) {
		return faultForbidden
	}
	x.tenant = a.tenants[owner]
	return faultNone
}

// welcome lets in who has no credentials, once the engine has said that the stream is
// public. Only from here on is the request one of the project's: before, it has none of
// its origins and takes nothing of its rates, so that strangers neither learn which
// projects there are nor use up what belongs to others.
func (s *Server) welcome(x *exchange) fault {
	if !x.anonymous || x.welcomed {
		return faultNone
	}
	x.welcomed = true
	owner, _ := x.head.project()
	x.tenant = s.arranged.Load().tenants[owner]
	return s.pace(x, x.began)
}

// within reports whether what is asked for is within what was granted.
func (x *exchange) within(p *policy, owner string) bool {
	stream, whole := x.head.stream()
	if whole {
		// Who manages a part of a project does not manage the project.
		return x.grant.Covers(p.scope, owner+"/")
	}
	return x.grant.Allows(p.scope, view(stream))
}

// project is the one that a request is about.
func (h *head) project() (string, bool) {
	name := h.name
	if h.route == routeAdmin {
		what, rest, _ := bytes.Cut(name, []byte{'/'})
		if string(what) != "projects" && string(what) != "streams" {
			return "", false // only the listener for operators has that
		}
		name = rest
	}
	return project.Of(view(name)), len(name) > 0
}

// stream is the one that a request is about, unless it is about the whole project.
func (h *head) stream() (name []byte, whole bool) {
	if h.route != routeAdmin {
		return h.name, false
	}
	what, rest, _ := bytes.Cut(h.name, []byte{'/'})
	return rest, string(what) == "projects"
}

// credentials are those of the request: the header's if there is one, and otherwise,
// where that is taken, those of the query or a cookie.
func (x *exchange) credentials(urls bool) (token []byte, byURL bool) {
	h := &x.head
	if h.has(fieldAuthorization) {
		const scheme = "bearer "
		v := h.values[fieldAuthorization]
		if len(v) <= len(scheme) || !bytes.EqualFold(v[:len(scheme)], []byte(scheme)) {
			return nil, false
		}
		return trim(v[len(scheme):]), false
	}
	if !urls {
		return nil, false
	}
	for rest := h.query; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{'&'})
		if value, ok := bytes.CutPrefix(pair, []byte("token=")); ok {
			return value, true
		}
	}
	for rest := h.values[fieldCookie]; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{';'})
		if value, ok := bytes.CutPrefix(trim(pair), []byte(cookieName+"=")); ok {
			return value, true
		}
	}
	return nil, false
}

// clientAddr tells where a request comes from, if somebody asks.
func (x *exchange) clientAddr(s *Server) func() netip.Addr {
	if x.addr == nil {
		x.addr = func() netip.Addr {
			if s.opts.TrustForwarded {
				// The last one was noted by the proxy that is trusted; those before
				// it are what the client said.
				list := x.head.values[fieldForwardedFor]
				if i := bytes.LastIndexByte(list, ','); i >= 0 {
					list = list[i+1:]
				}
				if ip, err := netip.ParseAddr(string(trim(list))); err == nil {
					return ip.Unmap()
				}
			}
			if x.conn.peer == nil {
				return netip.Addr{}
			}
			return x.conn.peer.PeerAddr()
		}
	}
	return x.addr
}

// mayFork reports whether the grant is good for reading what is to be forked.
func (s *Server) mayFork(x *exchange) bool {
	return s.opts.Auth == nil || x.grant.Allows(auth.Read, x.create.From)
}

// isPublic reports whether the answer is of a stream that anybody may read.
func (x *exchange) isPublic() bool { return x.result.Public || x.info.Public }

// stillGranted reports whether what a live reader came with is good after the keys may
// have changed. It does not look at the clock.
func (s *Server) stillGranted(g *auth.Grant) bool {
	return g == nil || s.opts.Auth.Current(g)
}

// allowedUntil is when the credentials of a live reader are void.
func (x *exchange) allowedUntil() time.Time {
	if x.grant == nil || x.grant.Expires.IsZero() {
		return farAway
	}
	return x.grant.Expires
}

// farAway is later than anything here lasts.
var farAway = time.Unix(1<<40, 0)
