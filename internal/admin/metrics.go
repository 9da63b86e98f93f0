package admin

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"

	"github.com/VictoriaMetrics/metrics"
)

// counts are the metrics of this package.
type counts struct{ set *metrics.Set }

func newCounts(a *API) *counts {
	c := &counts{set: metrics.NewSet()}
	c.set.NewGauge("tailrace_admin_jobs", func() float64 { return float64(a.jobs.running()) })
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
	c.set.GetOrCreateCounter(fmt.Sprintf(`tailrace_admin_requests_total{method=%q,route=%q,status="%s"}`,
		method, path, strconv.Itoa(status))).Inc()
}

func (c *counts) job(ended JobState, n int) {
	c.set.GetOrCreateCounter(fmt.Sprintf(`tailrace_admin_jobs_ended_total{state=%q}`, ended)).Add(n)
}

func (c *counts) delete(result string, n int) {
	c.set.GetOrCreateCounter(fmt.Sprintf(`tailrace_admin_deletes_total{result=%q}`, result)).Add(n)
}

// writeMetrics answers with all metrics, in the text format of Prometheus.
func (a *API) writeMetrics(x *exchange) {
	x.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w := bufio.NewWriterSize(x, 64<<10)
	for _, set := range a.opts.Metrics {
		set.WritePrometheus(w)
	}
	a.counts.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
	w.Flush() // an error is of a client that is gone
}
