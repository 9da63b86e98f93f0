package admin

import (
	"bufio"
	"net/http"
	"slices"
	"strconv"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

var (
	requestCount = meter.Counter("tailrace_admin_requests_total", "requests of operators and of who manages a project",
		meter.OneOf("method", "GET", "HEAD", "POST", "DELETE", "other"), meter.OneOf("route", countedRoutes...), meter.OneOf("code", countedCodes...))
	jobsGauge    = meter.Gauge("tailrace_admin_jobs", "jobs that are running")
	jobsEnded    = meter.Counter("tailrace_admin_jobs_ended_total", "jobs that ended", meter.OneOf("state", string(JobDone), string(JobCancelled), string(JobFailed)))
	deletesCount = meter.Counter("tailrace_admin_deletes_total", "streams that jobs came to", meter.OneOf("result", deleteDone, deleteSkipped, deleteFailed))
)

// countedRoutes are the paths of the routes, once each, and the name of no route. They
// are not taken from the table of routes, whose handlers count by them.
var countedRoutes = []string{
	"none",
	"/v1/admin/projects", "/v1/admin/projects/{project}", "/v1/admin/projects/{project}/streams",
	"/v1/admin/projects/{project}/jobs", "/v1/admin/projects/{project}/jobs/{id}",
	"/v1/admin/streams/{name...}", "/v1/admin/status", "/v1/admin/drain",
	"/metrics", "/health/live", "/health/ready", "/debug/pprof/{$}", "/debug/pprof/{profile}",
}

// countedCodes are the statuses that are told apart.
var countedCodes = []string{"200", "202", "400", "403", "404", "405", "429", "500", "503", "other"}

// counts are the metrics of this package.
type counts struct{ set *metrics.Set }

func newCounts(a *API) *counts {
	c := &counts{set: metrics.NewSet()}
	meter.Collect(c.set, func(r *meter.Reading) { r.Gauge(jobsGauge, float64(a.jobs.running())) })
	for _, state := range []JobState{JobDone, JobCancelled, JobFailed} {
		c.job(state, 0)
	}
	for _, result := range []string{deleteDone, deleteSkipped, deleteFailed} {
		c.delete(result, 0)
	}
	return c
}

// request counts an answer. Methods are those of the routes, and paths are their
// patterns, so there are as many series as there are routes and statuses.
func (c *counts) request(method, path string, status int) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
	default:
		method = "other"
	}
	code := strconv.Itoa(status)
	if !slices.Contains(countedCodes, code) {
		code = "other"
	}
	requestCount.In(c.set, method, path, code).Inc()
}

func (c *counts) job(ended JobState, n int) { jobsEnded.In(c.set, string(ended)).Add(n) }

func (c *counts) delete(result string, n int) { deletesCount.In(c.set, result).Add(n) }

// writeMetrics answers with all metrics, in the text format of Prometheus.
func (a *API) writeMetrics(x *exchange) {
	x.Header().Set("Content-Type", meter.ContentType)
	w := bufio.NewWriterSize(x, 64<<10)
	for _, set := range a.opts.Metrics {
		meter.Write(w, set)
	}
	meter.Write(w, a.counts.set)
	metrics.WriteProcessMetrics(w)
	metrics.WriteFDMetrics(w)
	w.Flush() // an error is of a client that is gone
}
