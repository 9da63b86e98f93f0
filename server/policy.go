package server

import "tailrace/internal/auth"

// policy is who is let in by a method of a route.
type policy struct {
	known bool // there is such a method; what is not known is refused
	open  bool // anybody: what is said is the same for all
	// public lets those in who have no credentials, and then only public streams are
	// there for them.
	public bool
	// urls takes tokens from the query and from cookies, which come along without
	// anybody's doing and so must not change anything.
	urls  bool
	scope auth.Scope
}

// policies are those of all routes.
var policies = [routes][methods]policy{
	routeStream: {
		methodGet:     {known: true, public: true, urls: true, scope: auth.Read},
		methodHead:    {known: true, public: true, urls: true, scope: auth.Read},
		methodPut:     {known: true, scope: auth.Append},
		methodPost:    {known: true, scope: auth.Append},
		methodPatch:   {known: true, scope: auth.Manage},
		methodDelete:  {known: true, scope: auth.Manage},
		methodOptions: {known: true, open: true},
	},
	routeToken: {
		methodPost:    {known: true, scope: auth.Read},
		methodOptions: {known: true, open: true},
	},
	routeAdmin: {
		methodGet:    {known: true, scope: auth.Manage},
		methodDelete: {known: true, scope: auth.Manage},
	},
}

// RouteRule is a method of a route and who may use it with authentication on, for
// documentation and its tests.
type RouteRule struct {
	Root   string
	Method string
	Scope  string // "" = anybody
	Public bool   // public streams need no credentials
}

// RouteRules lists all methods of all routes.
func RouteRules() []RouteRule {
	var list []RouteRule
	for r := routeNone + 1; r < routes; r++ {
		for m := methodOther + 1; m < methods; m++ {
			p := policies[r][m]
			if !p.known {
				continue
			}
			rule := RouteRule{Root: roots[r], Method: methodNames[m], Public: p.public}
			if !p.open {
				rule.Scope = p.scope.String()
			}
			list = append(list, rule)
		}
	}
	return list
}

// allowOf is the Allow header of a route.
func allowOf(r route) []byte {
	if r == routeNone {
		r = routeStream
	}
	return allows[r]
}

var allows = func() (all [routes][]byte) {
	for _, rule := range RouteRules() {
		for r := range roots {
			if roots[r] == rule.Root {
				if len(all[r]) > 0 {
					all[r] = append(all[r], ", "...)
				}
				all[r] = append(all[r], rule.Method...)
			}
		}
	}
	return all
}()
