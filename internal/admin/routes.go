package admin

import (
	"net/http"
	"slices"
	"strings"
)

// Policy says to whom a route belongs.
type Policy uint8

const (
	// Global routes are served by the admin listener only.
	Global Policy = iota
	// OfProject routes are about one project, which the path names, by itself or by
	// a stream. They are served to those who may manage it, too.
	OfProject
)

// String is the name of the policy in the documentation.
func (p Policy) String() string {
	if p == OfProject {
		return "project"
	}
	return "global"
}

// Route is one thing that a client can ask for.
type Route struct {
	Method     string
	Path       string   // as http.ServeMux takes it
	Parameters []string // of the query
	Policy     Policy

	ofJobs  bool // a project that is gone is still known by its jobs
	handle  func(*API, *exchange)
	offered func(*Options) bool // nil = always
}

// routes is the whole interface.
var routes = []Route{
	{Method: "GET", Path: "/v1/admin/projects", handle: (*API).listProjects},
	{Method: "GET", Path: "/v1/admin/projects/{project}", Policy: OfProject, handle: (*API).showProject},
	{Method: "GET", Path: "/v1/admin/projects/{project}/streams", Parameters: []string{"prefix", "cursor", "limit"},
		Policy: OfProject, handle: (*API).listStreams},
	{Method: "DELETE", Path: "/v1/admin/projects/{project}/streams", Parameters: []string{"prefix", "all"},
		Policy: OfProject, handle: (*API).deleteStreams},
	{Method: "GET", Path: "/v1/admin/projects/{project}/jobs", Policy: OfProject, ofJobs: true, handle: (*API).listJobs},
	{Method: "GET", Path: "/v1/admin/projects/{project}/jobs/{id}", Policy: OfProject, ofJobs: true, handle: (*API).showJob},
	{Method: "DELETE", Path: "/v1/admin/projects/{project}/jobs/{id}", Policy: OfProject, ofJobs: true, handle: (*API).cancelJob},
	{Method: "GET", Path: "/v1/admin/streams/{name...}", Policy: OfProject, handle: (*API).inspectStream},
	{Method: "GET", Path: "/v1/admin/status", handle: (*API).showStatus},
	{Method: "POST", Path: "/v1/admin/drain", handle: (*API).startDrain, offered: func(o *Options) bool { return o.Drain != nil }},
	{Method: "GET", Path: "/metrics", handle: (*API).writeMetrics},
	{Method: "GET", Path: "/health/live", handle: (*API).showLive},
	{Method: "GET", Path: "/health/ready", handle: (*API).showReady},
	{Method: "GET", Path: "/debug/pprof/{$}", handle: (*API).listProfiles, offered: pprofOffered},
	{Method: "GET", Path: "/debug/pprof/{profile}", Parameters: []string{"seconds", "debug", "gc"}, handle: (*API).writeProfile, offered: pprofOffered},
}

func pprofOffered(o *Options) bool { return o.Pprof }

// Routes lists every route that there can be, those that an option turns on
// included.
func Routes() []Route { return slices.Clone(routes) }

// mux serves those of the offered routes that are wanted. Everything else is
// refused in the form of this interface.
func (a *API) mux(wanted func(*Route) bool) *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for i := range routes {
		r := &routes[i]
		if !wanted(r) || r.offered != nil && !r.offered(&a.opts) {
			continue
		}
		mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, req *http.Request) {
			x := w.(*exchange)
			x.req, x.route = req, r
			if c := a.admit(x); c != codeNone {
				x.refuse(c)
				return
			}
			r.handle(a, x)
		})
		methods[r.Path] = append(methods[r.Path], r.Method)
		if r.Method == http.MethodGet {
			methods[r.Path] = append(methods[r.Path], http.MethodHead)
		}
	}
	for path, allowed := range methods {
		allow := strings.Join(allowed, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			w.(*exchange).refuse(codeMethodNotAllowed)
		})
		// A path that lacks the slash at the end is no route either. Left to itself the
		// mux would answer it with a redirect.
		if at := strings.LastIndex(path, "/"); strings.HasSuffix(path, "...}") || strings.HasSuffix(path, "{$}") {
			mux.HandleFunc(path[:at], noSuchRoute)
		}
	}
	mux.HandleFunc("/", noSuchRoute)
	return mux
}

func noSuchRoute(w http.ResponseWriter, _ *http.Request) { w.(*exchange).refuse(codeNoSuchRoute) }

// admit takes in the parameters of a request whose route has matched, and decides
// whether the client may ask for what it is about. What is wrong with the request by
// itself comes first, so that it is refused alike whatever it is about.
func (a *API) admit(x *exchange) code {
	if c := x.readQuery(); c != codeNone {
		return c
	}
	if x.route.Policy == OfProject {
		return a.belongs(x)
	}
	return codeNone
}

// belongs finds the project that a request is about. One that the client has
// nothing to do with does not exist for it.
func (a *API) belongs(x *exchange) code {
	name, missing := x.req.PathValue("project"), codeUnknownProject
	if name == "" {
		stream := x.req.PathValue("name")
		if stream == "" || strings.HasSuffix(stream, "/") || len(stream) > nameBytesMax {
			return codeInvalidPath
		}
		name, missing = a.opts.Owner(stream), codeNotFound
	}
	if x.bound && name != x.project {
		return missing
	}
	x.project = name
	if missing == codeUnknownProject {
		var known bool
		if x.about, known = a.opts.Store.Project(name); !known && !(x.route.ofJobs && a.jobs.has(name)) {
			return missing
		}
	}
	return codeNone
}
