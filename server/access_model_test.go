package server

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// scopesOf is who may use a method of a route, as it is documented: by the scope that
// it takes, and "" for what anybody may.
var scopesOf = map[string]map[string]string{
	"/v1/stream/": {"GET": "read", "HEAD": "read", "PUT": "append", "POST": "append", "PATCH": "manage", "DELETE": "manage", "OPTIONS": ""},
	"/v1/token/":  {"POST": "read", "OPTIONS": ""},
	"/v1/admin/":  {"GET": "manage", "DELETE": "manage"},
}

func TestTheModelOfAccessHasAllRoutes(t *testing.T) {
	routes := map[string]map[string]string{}
	for _, rule := range RouteRules() {
		if routes[rule.Root] == nil {
			routes[rule.Root] = map[string]string{}
		}
		routes[rule.Root][rule.Method] = rule.Scope
		if rule.Public != (rule.Root == "/v1/stream/" && (rule.Method == "GET" || rule.Method == "HEAD")) {
			t.Errorf("%s %s: public is %t", rule.Method, rule.Root, rule.Public)
		}
	}
	if !maps.EqualFunc(routes, scopesOf, maps.Equal) {
		t.Errorf("the routes are %v, the model has %v", routes, scopesOf)
	}
}

// verdict is what the model says: the refusal, or who is let in.
type verdict struct {
	status    int // 0 = let in
	code      string
	anonymous bool // let in to what is public, and there is no more
	byURL     bool
}

// judge is the documented order: the path, the headers, the method, the credentials,
// and what they are for.
func judge(c *credential, at *spot, method string) verdict {
	if at.status != 0 && (at.code != "reserved" || method != "OPTIONS") {
		return verdict{status: at.status, code: at.code}
	}
	if c.fault != "" {
		return verdict{status: 400, code: c.fault}
	}
	scope, known := scopesOf[at.root][method]
	switch {
	case !known:
		return verdict{status: 405, code: "method_not_allowed"}
	case scope == "":
		return verdict{}
	case at.name == "":
		return verdict{status: 404, code: "no_such_route"}
	}
	read := at.root == "/v1/stream/" && scope == "read"
	p, v := c.header, verdict{}
	if !p.given && read && c.url.given {
		p, v.byURL = c.url, true
	}
	project, _, _ := strings.Cut(at.name, "/")
	switch {
	case !p.given && read:
		return verdict{anonymous: true}
	case p.expired == project && p.given:
		v.status, v.code = 401, "token_expired"
	case p.rights == nil || p.rights.project != project || v.byURL && p.rights.stream != at.name:
		v.status, v.code = 401, "unauthorized"
	case !p.rights.allow(scope, at):
		v.status, v.code = 403, "forbidden"
	}
	return v
}

// allow reports whether the rights, which are of the right project, are for a scope.
func (r *rights) allow(scope string, at *spot) bool {
	switch {
	case !slices.Contains(strings.Fields(r.scopes), scope):
		return false
	case at.whole:
		project, _, _ := strings.Cut(at.name, "/")
		return r.stream == "" && (r.prefix == "" || r.prefix == project || r.prefix == project+"/")
	case r.stream != "":
		return r.stream == at.name
	}
	return strings.HasPrefix(at.name, r.prefix)
}

// outcomeOf is the answer to a harmless request of somebody who is let in. Those that
// would change something lack a part, which is found when it is known who asks.
func outcomeOf(v verdict, c *credential, at *spot, method string) (status int, code string) {
	if method == "OPTIONS" {
		return 204, ""
	}
	switch at.root {
	case "/v1/token/":
		return 201, ""
	case "/v1/admin/":
		return 200, ""
	}
	switch method {
	case "PUT":
		return 400, "invalid_ttl"
	case "POST":
		return 400, "incomplete_producer"
	case "PATCH":
		return 400, "nothing_to_change"
	case "GET":
		if c.late != "" {
			return 400, c.late
		}
	}
	content, there := accessStreams[at.name]
	switch {
	case v.anonymous && at.name == "acme/open":
		return 200, content
	case v.anonymous:
		return 401, "unauthorized"
	case at.name == "acme/gone":
		return 410, "gone"
	case !there:
		return 404, "not_found"
	case method == "DELETE":
		return 204, ""
	}
	return 200, content
}
