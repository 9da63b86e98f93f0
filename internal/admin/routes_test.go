package admin

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

var allMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}

// placed is a path of a route with something in its places.
func placed(path, project, name, id string) string {
	return strings.NewReplacer("{project}", project, "{name...}", name, "{id}", id, "{$}", "", "{profile}", "goroutine").Replace(path)
}

// paths are those of all routes, each once.
func paths() []string {
	var all []string
	for _, r := range Routes() {
		if !slices.Contains(all, r.Path) {
			all = append(all, r.Path)
		}
	}
	return all
}

func offers(method, path string, of func(Route) bool) bool {
	if method == "HEAD" {
		method = "GET"
	}
	return slices.ContainsFunc(Routes(), func(r Route) bool { return r.Method == method && r.Path == path && of(r) })
}

func isOfProject(r Route) bool { return r.Policy == OfProject }
func anyRoute(Route) bool      { return true }

// wantHeaders are on every answer.
func wantHeaders(t *testing.T, r response) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !validRequestID(r.header.Get("X-Request-Id")) {
		t.Errorf("X-Request-Id: %q", r.header.Get("X-Request-Id"))
	}
}

// Every route with every method: what the table has is served, the rest is
// refused, and both in the same dress.
func TestEveryRouteAndMethod(t *testing.T) {
	a := start(t, newFakeStore("acme/a"))
	job := jobOf(t, ask(t, a.Handler(), "DELETE", "/v1/admin/projects/acme/streams?prefix=acme/zzz").want(t, 202))
	for _, path := range paths() {
		for _, method := range allMethods {
			t.Run(method+" "+path, func(t *testing.T) {
				target := placed(path, "acme", "acme/a", job.ID)
				if method == "DELETE" && strings.HasSuffix(path, "/streams") {
					target += "?prefix=acme/zzz"
				}
				r := ask(t, a.Handler(), method, target)
				wantHeaders(t, r)
				if offers(method, path, anyRoute) {
					if r.status >= 300 {
						t.Errorf("answered %d: %s", r.status, r.body)
					}
					return
				}
				r.wantError(t, 405, "method_not_allowed")
				for _, m := range strings.Split(r.header.Get("Allow"), ", ") {
					if !offers(m, path, anyRoute) {
						t.Errorf("Allow names %q", m)
					}
				}
			})
		}
	}
}

// A project's handler has the routes of projects and nothing else, whatever the
// method.
func TestProjectHandlerHasNoGlobalRoutes(t *testing.T) {
	drained := false
	a := start(t, newFakeStore("acme/a"), func(o *Options) { o.Drain = func() { drained = true } })
	h := a.ProjectHandler("acme")
	global := 0
	for _, path := range paths() {
		if offers("GET", path, isOfProject) || offers("DELETE", path, isOfProject) {
			continue
		}
		global++
		for _, method := range allMethods {
			target := placed(path, "acme", "acme/a", "x")
			r := ask(t, h, method, target)
			r.wantError(t, 404, "no_such_route")
			nothing := ask(t, h, method, "/v1/admin/nothing")
			if r.status != nothing.status || r.header.Get("Allow") != nothing.header.Get("Allow") {
				t.Errorf("%s %s is told from what does not exist", method, target)
			}
		}
	}
	if global < 6 || drained {
		t.Errorf("%d routes are global; drained: %t", global, drained)
	}
}

// The policy of a route is written down beside it, and these are global.
func TestPolicies(t *testing.T) {
	for _, r := range Routes() {
		aboutOne := strings.Contains(r.Path, "{project}") || strings.Contains(r.Path, "{name...}")
		if (r.Policy == OfProject) != aboutOne {
			t.Errorf("%s %s: policy %v", r.Method, r.Path, r.Policy)
		}
		if r.Method != "GET" && r.Method != "POST" && r.Method != "DELETE" {
			t.Errorf("%s %s: the tests know no such method", r.Method, r.Path)
		}
	}
}

func TestWhatIsNotOfferedDoesNotExist(t *testing.T) {
	a := start(t, newFakeStore(), func(o *Options) { o.Drain, o.Pprof = nil, false })
	for _, c := range []struct{ method, target string }{
		{"POST", "/v1/admin/drain"}, {"GET", "/v1/admin/drain"}, {"GET", "/debug/pprof/"}, {"GET", "/debug/pprof/heap"}, {"GET", "/debug/pprof"},
		{"GET", "/debug/pprof/cmdline"}, {"GET", "/debug/vars"},
	} {
		ask(t, a.Handler(), c.method, c.target).wantError(t, 404, "no_such_route")
	}
}

// No path is answered with a redirect, which would be an answer in another form,
// and no spelling of a path reaches what another one means.
func TestPathsAreNotNormalized(t *testing.T) {
	a := start(t, newFakeStore("acme/a", "acme/b/c"))
	for target, code := range map[string]string{
		"/v1/admin/streams/acme/../other/x":              "invalid_path",
		"/v1/admin/streams/acme/%2e%2e/x":                "invalid_path",
		"/v1/admin/streams/acme/./a":                     "invalid_path",
		"/v1/admin/streams//acme/a":                      "invalid_path",
		"//v1/admin/streams/acme/a":                      "invalid_path",
		"/v1/admin//streams/acme/a":                      "invalid_path",
		"/v1/admin/streams/acme%2Fa":                     "invalid_path",
		"/v1/admin/streams/acme%2fa":                     "invalid_path",
		"/v1/admin/streams/acme/a%00":                    "invalid_path",
		"/v1/admin/streams/acme/%ff":                     "invalid_path",
		"/v1/admin/streams/acme/%c2%85":                  "invalid_path",
		"/v1/admin/streams/acme/a/":                      "invalid_path",
		"/v1/admin/streams/":                             "invalid_path",
		"/v1/admin/x/../status":                          "invalid_path",
		"/v1/admin/%2e%2e/admin/status":                  "invalid_path",
		"/v1/admin/projects/acme%2Fstreams":              "invalid_path",
		"/v1/admin/projects/../status":                   "invalid_path",
		"/v1/admin/streams":                              "no_such_route",
		"/v1/admin/status/":                              "no_such_route",
		"/v1/admin/projects/":                            "no_such_route",
		"/v1/admin/projects/acme/":                       "no_such_route",
		"/v1/admin/projects/acme/streams/":               "no_such_route",
		"/v1/admin/projects/acme/jobs/":                  "no_such_route",
		"/v1/admin/projects/acme/streams/x":              "no_such_route",
		"/v1/admin":                                      "no_such_route",
		"/V1/admin/status":                               "no_such_route",
		"/":                                              "no_such_route",
		"/metrics/":                                      "no_such_route",
		"/health":                                        "no_such_route",
		"/debug/pprof":                                   "no_such_route",
		"/debug/pprof/nothing":                           "no_such_route",
		"/debug/pprof/cmdline":                           "no_such_route",
		"/debug/pprof/heap/x":                            "no_such_route",
		"/v1/admin/streams/acme/a%252e":                  "not_found",
		"/v1/admin/streams/ACME/a":                       "not_found",
		"/v1/admin/streams/acme/a%20":                    "not_found",
		"/v1/admin/streams/" + strings.Repeat("n", 1025): "invalid_path",
		"/v1/admin/streams/" + strings.Repeat("n", 1024): "not_found",
	} {
		status := 404
		if code == "invalid_path" {
			status = 400
		}
		ask(t, a.Handler(), "GET", target).wantError(t, status, code)
	}
	for _, target := range []string{"/v1/admin/streams/acme/a", "/v1/admin/streams/%61cme/b/%63", "/v1/%61dmin/status", "http://localhost/v1/admin/status"} {
		ask(t, a.Handler(), "GET", target).want(t, 200)
	}
	for _, r := range []*http.Request{
		{Method: "OPTIONS", RequestURI: "*", URL: mustURL("*"), Host: "localhost"},
		{Method: "CONNECT", RequestURI: "localhost:443", URL: mustURL("//localhost:443"), Host: "localhost:443"},
	} {
		ask(t, a.Handler(), "GET", "/", func(to *http.Request) { *to = *r; to.Header = http.Header{} }).wantError(t, 400, "invalid_path")
	}
}

func TestEveryRouteIsCounted(t *testing.T) {
	for _, r := range Routes() {
		if !slices.Contains(countedRoutes, r.Path) {
			t.Errorf("%s is not in the list", r.Path)
		}
	}
	for _, path := range countedRoutes[1:] {
		if !slices.ContainsFunc(Routes(), func(r Route) bool { return r.Path == path }) {
			t.Errorf("there is no route %s", path)
		}
	}
}
