package admin

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

func TestHealth(t *testing.T) {
	var checks []Check
	a := start(t, newFakeStore(), func(o *Options) { o.Ready = func() []Check { return checks } })
	ok, degraded, failed := Check{Name: "log", State: CheckOK}, Check{"disk", CheckDegraded, "90% full"}, Check{"draining", CheckFailed, ""}
	for _, c := range []struct {
		checks          []Check
		status          int
		ready, degraded bool
	}{
		{nil, 200, true, false},
		{[]Check{ok}, 200, true, false},
		{[]Check{ok, degraded}, 200, true, true},
		{[]Check{failed, ok}, 503, false, false},
		{[]Check{degraded, failed}, 503, false, true},
		{[]Check{{Name: "forgotten"}}, 503, false, false},
	} {
		checks = c.checks
		r := ask(t, a.Handler(), "GET", "/health/ready").want(t, c.status)
		if got := decode[readiness](t, r); got.Ready != c.ready || got.Degraded != c.degraded || !slices.Equal(got.Checks, c.checks) {
			t.Errorf("%v: %s", c.checks, r.body)
		}
		ask(t, a.Handler(), "GET", "/health/live").want(t, 200)
	}
	ask(t, start(t, newFakeStore()).Handler(), "GET", "/health/ready").want(t, 200)
}

// metricLines are what a scrape shows of this package and of the sets it was given.
func metricLines(t *testing.T, a *API) (lines []string) {
	t.Helper()
	for line := range strings.Lines(ask(t, a.Handler(), "GET", "/metrics").want(t, 200).body) {
		if strings.HasPrefix(line, "tailrace_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestMetrics(t *testing.T) {
	one, two := metrics.NewSet(), metrics.NewSet()
	one.NewCounter("tailrace_one_total").Add(1)
	two.NewCounter(`tailrace_two_total{x="y"}`).Add(2)
	store := newFakeStore("acme/a", "acme/b")
	a := start(t, store, func(o *Options) { o.Metrics = []*metrics.Set{one, two} })
	j := begin(t, a.Handler(), "acme", "acme/a")
	<-a.jobs.find("acme", j.ID).ended
	ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams")
	ask(t, a.ProjectHandler("acme"), "GET", "/v1/admin/projects/acme/streams")
	ask(t, a.Handler(), "GET", "/v1/admin/projects/nobody/streams?limit=3")
	for _, nothing := range []string{"/v1/admin/x", "/y/" + strings.Repeat("z", 100), "/..", "/%ff"} {
		ask(t, a.Handler(), "GET", nothing)
		ask(t, a.Handler(), "BREW", nothing)
	}
	want := []string{
		`tailrace_one_total 1`,
		`tailrace_two_total{x="y"} 2`,
		`tailrace_admin_deletes_total{result="deleted"} 1`,
		`tailrace_admin_deletes_total{result="failed"} 0`,
		`tailrace_admin_deletes_total{result="skipped"} 0`,
		`tailrace_admin_jobs 0`,
		`tailrace_admin_jobs_ended_total{state="cancelled"} 0`,
		`tailrace_admin_jobs_ended_total{state="done"} 1`,
		`tailrace_admin_jobs_ended_total{state="failed"} 0`,
		`tailrace_admin_requests_total{method="DELETE",route="/v1/admin/projects/{project}/streams",code="202"} 1`,
		`tailrace_admin_requests_total{method="GET",route="/v1/admin/projects/{project}/streams",code="200"} 2`,
		`tailrace_admin_requests_total{method="GET",route="/v1/admin/projects/{project}/streams",code="404"} 1`,
		`tailrace_admin_requests_total{method="GET",route="none",code="400"} 2`,
		`tailrace_admin_requests_total{method="GET",route="none",code="404"} 2`,
		`tailrace_admin_requests_total{method="other",route="none",code="400"} 2`,
		`tailrace_admin_requests_total{method="other",route="none",code="404"} 2`,
	}
	if got := metricLines(t, a); !slices.Equal(got, want) {
		t.Errorf("metrics are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r := ask(t, a.Handler(), "GET", "/metrics").want(t, 200)
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") || !strings.Contains(r.body, "\nprocess_cpu_seconds_total ") || !strings.Contains(r.body, "\ngo_goroutines ") {
		t.Errorf("%v:\n%s", r.header, r.body)
	}
}

// Whatever clients send, there are no more series than routes, methods and statuses.
func TestMetricsAreBounded(t *testing.T) {
	a := start(t, newFakeStore("acme/a"))
	for _, path := range paths() {
		for _, method := range append([]string{"BREW", "A", "B"}, allMethods...) {
			for _, id := range []string{"a", "b", "c", "d"} {
				if strings.Contains(path, "pprof") || strings.Contains(path, "drain") {
					continue
				}
				ask(t, a.Handler(), method, placed(path, id, id, id))
				ask(t, a.Handler(), method, placed(path, "acme", "acme/"+id, id)+"?"+id)
				ask(t, a.Handler(), method, "/"+id+path)
			}
		}
	}
	if n := len(metricLines(t, a)); n > 100 {
		t.Errorf("%d series", n)
	}
}

func TestProfiles(t *testing.T) {
	a := start(t, newFakeStore())
	list := decode[struct{ Profiles []string }](t, ask(t, a.Handler(), "GET", "/debug/pprof/").want(t, 200)).Profiles
	for _, name := range []string{"heap", "goroutine", "profile", "trace"} {
		if !slices.Contains(list, name) {
			t.Errorf("%s is not among %v", name, list)
		}
	}
	if slices.Contains(list, "cmdline") {
		t.Error("the command line is no profile")
	}
	if r := ask(t, a.Handler(), "GET", "/debug/pprof/goroutine?debug=1").want(t, 200); !strings.HasPrefix(r.body, "goroutine profile:") {
		t.Error(r.body)
	}
	heap := ask(t, a.Handler(), "GET", "/debug/pprof/heap?gc=1").want(t, 200)
	z, err := gzip.NewReader(bytes.NewReader([]byte(heap.body)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Error(err)
	}
	off := start(t, newFakeStore(), func(o *Options) { o.Pprof = false })
	ask(t, off.Handler(), "GET", "/debug/pprof/").wantError(t, 404, "no_such_route")
}
