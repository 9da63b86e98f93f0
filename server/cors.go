package server

import "slices"

// origins are those whose pages may see answers.
type origins struct {
	any  bool
	list []string
}

func (s *Server) originsOf(list []string) origins {
	if s.opts.DisableCORS {
		return origins{}
	}
	return origins{any: slices.Contains(list, "*"), list: list}
}

// none reports whether no page of another origin may.
func (o *origins) none() bool { return len(o.list) == 0 }

// allowed is the value that lets the page of a request see the answer, or nil.
func (o *origins) allowed(origin []byte) []byte {
	switch {
	case o.any:
		return valueAnyOrigin
	case len(origin) > 0 && slices.Contains(o.list, string(origin)):
		return origin
	}
	return nil
}

// originsFor are those for an exchange.
func (s *Server) originsFor(x *exchange) *origins {
	if x.tenant != nil {
		return &x.tenant.rules.Load().origins
	}
	return &s.arranged.Load().origins
}

// setCORS lets the pages of other origins see the answer that may. An answer that is
// not the same for all of them says so, to those who ask and those who do not.
func (s *Server) setCORS(x *exchange) (varies bool) {
	o := s.originsFor(x)
	if o.none() {
		return false
	}
	origin := x.head.values[fieldOrigin]
	v := o.allowed(origin)
	if v == nil {
		return true
	}
	cookies := !o.any
	if s.opts.Auth != nil && x.tenant == nil && len(origin) > 0 {
		// Whose project it is does not show. What a page asks before it sends a cookie,
		// and why it was refused, it may know whoever it is: it has that from nobody.
		v, cookies, varies = origin, true, true
	}
	x.set(nameAllowOrigin, v)
	x.set(nameExposeHeaders, exposeHeaders)
	if cookies && s.arranged.Load().URLTokens {
		x.set(nameAllowCredentials, valueTrue) // a token may come as a cookie
	}
	return varies || !o.any || s.opts.Auth != nil && x.tenant == nil
}
