package admin

import "net/http"

// CheckState is how it stands with one thing that a server needs.
type CheckState string

const (
	CheckOK       CheckState = "ok"
	CheckDegraded CheckState = "degraded" // the server works, and somebody should look
	CheckFailed   CheckState = "failed"   // it is not ready
)

// Check is one thing that a server needs.
type Check struct {
	Name   string     `json:"name"` // such as "log", "disk"; stable
	State  CheckState `json:"state"`
	Detail string     `json:"detail,omitempty"` // for people
}

type readiness struct {
	Ready    bool    `json:"ready"`
	Degraded bool    `json:"degraded"`
	Checks   []Check `json:"checks"`
}

// showLive says that the process serves. It asks nothing else, since whoever reads
// it can only start the process anew.
func (a *API) showLive(x *exchange) {
	x.answer(http.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

// showReady says whether requests should be sent to the server.
func (a *API) showReady(x *exchange) {
	r := readiness{Ready: true, Checks: []Check{}}
	for _, c := range a.opts.Ready() {
		switch c.State {
		case CheckOK:
		case CheckDegraded:
			r.Degraded = true
		default:
			r.Ready = false
		}
		r.Checks = append(r.Checks, c)
	}
	status := http.StatusOK
	if !r.Ready {
		status = http.StatusServiceUnavailable
	}
	x.answer(status, r)
}
