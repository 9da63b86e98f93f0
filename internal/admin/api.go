package admin

import (
	"context"
	"net/http"
	"time"
)

// API is the interface of one server. Close ends what it does in the background.
type API struct {
	opts     Options
	jobs     *jobs
	counts   *counts
	drain    drainer
	everyone *http.ServeMux // all routes
	projects *http.ServeMux // those that belong to a project
	now      func() time.Time
}

// New makes the interface. The error names everything that is wrong with the
// options.
func New(o Options) (*API, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	a := &API{opts: o.withDefaults(), now: time.Now}
	a.counts = newCounts(a)
	a.jobs = newJobs(a)
	a.drain.begin = o.Drain
	a.everyone = a.mux(func(*Route) bool { return true })
	a.projects = a.mux(func(r *Route) bool { return r.Policy == OfProject })
	return a, nil
}

// Close cancels all jobs and waits until the deletes that they have begun are
// durable. When ctx ends before that they are given up, and the error is that of
// ctx. Either way nothing asks the store afterwards, but requests that are still
// being served. Closing again does nothing.
func (a *API) Close(ctx context.Context) error { return a.jobs.close(ctx) }

// Handler serves everything, to whoever reaches it.
func (a *API) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.serve(a.everyone, newExchange(w, r), true)
	})
}

// ProjectHandler serves what belongs to one project. Anything else is answered as
// what does not exist. Whoever mounts it has found out that the client may manage
// the project.
func (a *API) ProjectHandler(project string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := newExchange(w, r)
		x.bound, x.project = true, project
		a.serve(a.projects, x, false)
	})
}
