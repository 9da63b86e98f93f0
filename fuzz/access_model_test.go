package fuzz

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What may be done with which credentials, by the documented rules. None of this
// knows how the server decides it.

// accessScopes are the scopes that the methods of the routes take; "" is anybody.
var accessScopes = map[string]map[string]string{
	"/v1/stream/": {"GET": "read", "HEAD": "read", "PUT": "append", "POST": "append", "PATCH": "manage", "DELETE": "manage", "OPTIONS": ""},
	"/v1/token/":  {"POST": "read", "OPTIONS": ""},
	"/v1/admin/":  {"GET": "manage", "DELETE": "manage"},
}

// grantOf is what a credential is good for.
type grantOf struct {
	project, scopes, stream, prefix string
	byURL, expired                  bool
}

func (g *grantOf) allows(scope, name string, whole bool) bool {
	project, _, _ := strings.Cut(name, "/")
	switch {
	case g.project != project || !slices.Contains(strings.Fields(g.scopes), scope):
		return false
	case whole:
		return g.stream == "" && strings.HasPrefix(project+"/", g.prefix)
	case g.stream != "":
		return g.stream == name
	}
	return strings.HasPrefix(name, g.prefix)
}

// asked is a request, as the model sees it.
type asked struct {
	method, target string
	authorization  []string // values of the header
	cookies        []string // likewise
	from           string   // Stream-Forked-From
	forks          bool
	wild           bool // where it ends, or what is in it, is not certain
}

// ruling is what the model says about a request.
type ruling struct {
	code      string // that is answered, "" = let in
	malformed bool   // it may be refused as no HTTP, and the connection ends
	byURL     bool
	anonymous bool
	root      string
	name      string // of the stream, or what is administered
	owner     string // the project, if the request is let in
	writes    bool
	live      bool // it may be the last one that is answered
}

// named is what a path means: a root and what follows, or the code of a refusal.
func named(path string) (root, name, refused string) {
	decoded, err := url.PathUnescape(path)
	if err != nil || strings.Contains(strings.ToLower(path), "%2f") || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) {
		return "", "", "invalid_path"
	}
	for root = range accessScopes {
		name, found := strings.CutPrefix(decoded, root)
		if !found {
			continue
		}
		segments := strings.Split(name, "/")
		odd := slices.ContainsFunc(segments, func(s string) bool { return s == "" || s == "." || s == ".." })
		switch {
		case name == "" || len(name) > 1024:
			return root, "", "invalid_path"
		case segments[0] == "__ds":
			return root, name, "reserved"
		case odd:
			return root, "", "invalid_path"
		}
		return root, name, ""
	}
	return "", "", "no_such_route"
}

// parts takes a target apart.
func parts(target string) (path, query string, absolute, ok bool) {
	if strings.Contains(target, "#") {
		return "", "", !strings.HasPrefix(target, "/"), false
	}
	if !strings.HasPrefix(target, "/") && target != "" {
		_, rest, found := strings.Cut(target, "://")
		if !found {
			return "", "", true, false
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		target, absolute = rest[end:], true
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, absolute, true
}

// bearerIn is the credential in the value of an Authorization header.
func bearerIn(value string) string {
	value = strings.Trim(value, " \t")
	if len(value) < 7 || !strings.EqualFold(value[:7], "bearer ") {
		return ""
	}
	return strings.Trim(value[7:], " \t")
}

// inURL is the credential in a query or a cookie.
func inURL(query string, cookies []string) (credential string, given bool) {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, "token="); ok {
			return value, true
		}
	}
	if len(cookies) > 0 {
		for pair := range strings.SplitSeq(cookies[0], ";") {
			if value, ok := strings.CutPrefix(strings.Trim(pair, " \t"), "__Secure-tailrace="); ok {
				return value, true
			}
		}
	}
	return "", false
}

// rule says what a request is to be answered, with the credentials that are good now.
func (r *asked) rule(good func(credential string) *grantOf) (v ruling) {
	path, query, absolute, ok := parts(r.target)
	v.malformed = absolute || r.target == ""
	if !ok {
		v.code = "invalid_path"
		return v
	}
	v.root, v.name, v.code = named(path)
	if v.code != "" && (v.code != "reserved" || r.method != "OPTIONS") {
		return v
	}
	v.code = ""
	if len(r.authorization) > 1 {
		v.code = "duplicate_header"
		return v
	}
	scope, known := accessScopes[v.root][r.method]
	if !known {
		v.code = "method_not_allowed"
		return v
	}
	if scope == "" {
		return v
	}
	name, whole := v.name, false
	if v.root == "/v1/admin/" {
		what, rest, _ := strings.Cut(name, "/")
		if what != "streams" && what != "projects" || rest == "" {
			v.code = "no_such_route"
			return v
		}
		name, whole = rest, what == "projects"
	}
	project, _, _ := strings.Cut(name, "/")
	reads := v.root == "/v1/stream/" && scope == "read"
	credential, byURL := inURL(query, r.cookies)
	v.byURL = byURL && reads && len(r.authorization) == 0
	if len(r.authorization) == 1 {
		credential = bearerIn(r.authorization[0])
	}
	if len(r.authorization) == 0 && !v.byURL {
		if v.anonymous = reads; !reads {
			v.code = "unauthorized"
		}
		v.live = reads && strings.Contains(query, "live")
		return v
	}
	g := good(credential)
	switch {
	case g == nil || g.byURL != v.byURL || g.project != project || v.byURL && g.stream != name:
		v.code = "unauthorized"
	case g.expired:
		v.code = "token_expired"
	case !g.allows(scope, name, whole):
		v.code = "forbidden"
	default:
		v.owner, v.writes = project, !reads && v.root == "/v1/stream/"
		v.live = reads && strings.Contains(query, "live")
		r.fork(&v, g)
	}
	return v
}

// fork judges the source of a fork, by a client who may create it.
func (r *asked) fork(v *ruling, g *grantOf) {
	if !r.forks || r.method != "PUT" || v.root != "/v1/stream/" {
		return
	}
	path, query, absolute, ok := parts(r.from)
	root, source, refused := named(path)
	switch {
	case !ok || absolute || strings.Contains(r.from, "?") || query != "" || refused != "" || root != "/v1/stream/":
		v.code = "invalid_fork_source"
	case !g.allows("read", source, false):
		v.code = "forbidden"
	}
	if v.code != "" {
		v.owner, v.writes = "", false
	}
}
