package admin

import (
	"net/http"
	httppprof "net/http/pprof"
	"runtime/pprof"
	"slices"
	"strconv"
)

// Profiles that take a while and are no snapshots. The command line is not among
// them: it may show a secret.
var timedProfiles = map[string]http.HandlerFunc{"profile": httppprof.Profile, "trace": httppprof.Trace}

// profileSecondsMax bounds how long one is recorded.
const profileSecondsMax = 300

// listProfiles answers with the names of those that there are.
func (a *API) listProfiles(x *exchange) {
	var names []string
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name())
	}
	for name := range timedProfiles {
		names = append(names, name)
	}
	slices.Sort(names)
	x.answer(http.StatusOK, struct {
		Profiles []string `json:"profiles"`
	}{names})
}

// writeProfile answers with one, as the tools of Go read it.
func (a *API) writeProfile(x *exchange) {
	if text, given := x.query["seconds"]; given {
		if n, err := strconv.Atoi(text); err != nil || n < 1 || n > profileSecondsMax {
			x.refuse(codeInvalidParameter)
			return
		}
	}
	name := x.req.PathValue("profile")
	if timed, ok := timedProfiles[name]; ok {
		timed(x, x.req)
		return
	}
	if pprof.Lookup(name) == nil {
		x.refuse(codeNoSuchRoute)
		return
	}
	httppprof.Handler(name).ServeHTTP(x, x.req)
}
