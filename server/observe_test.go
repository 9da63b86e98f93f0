package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	f := start(t)
	made := regexp.MustCompile("^[0-9a-f]{16}$")
	seen := map[string]bool{}
	for name, r := range f.everyKind() {
		id := r.Header.Get("X-Request-Id")
		if !made.MatchString(id) || seen[id] {
			t.Errorf("%s has the request id %q, seen before: %v", name, id, seen[id])
		}
		seen[id] = true
	}
	given := "a-Z_0.9:/+="
	f.do("GET", root+"none", "", "X-Request-Id: "+given).wantError(t, 404, "not_found").wantHeaders(t, "X-Request-Id: "+given)
	f.do("GET", root+"a%zz", "", "X-Request-Id: "+given).wantError(t, 400, "invalid_path").wantHeaders(t, "X-Request-Id: "+given)
	for _, bad := range []string{"", "a b", `a"b`, "a\\b", "é", strings.Repeat("x", requestIDBytesMax+1), "a,b", "<a>"} {
		r := f.do("GET", root+"none", "", "X-Request-Id: "+bad).wantError(t, 404, "not_found")
		if !made.MatchString(r.Header.Get("X-Request-Id")) {
			t.Errorf("to the request id %q the answer has %q", bad, r.Header.Get("X-Request-Id"))
		}
	}
}

func TestServerTimingIsToldWhenAskedFor(t *testing.T) {
	f := start(t)
	f.create("a", "", text)
	f.do("POST", root+"a", "x", text).want(t, 204).wantHeaders(t, "Server-Timing:")
	form := regexp.MustCompile(`^parse;dur=\d+\.\d{3}(, (auth|body|lock|log|read|encode);dur=\d+\.\d{3})*$`)
	for _, r := range []*response{
		f.do("POST", root+"a", "x", text, "Stream-Timing: true").want(t, 204),
		f.do("POST", root+"a", strings.Repeat("x", 2*prefetchBytes), text, "Stream-Timing: true").want(t, 204),
	} {
		told := r.Header.Get("Server-Timing")
		if !form.MatchString(told) {
			t.Errorf("Server-Timing is %q", told)
		}
		for _, phase := range []string{"lock", "log"} {
			if !strings.Contains(told, phase+";") {
				t.Errorf("%s is not in %q", phase, told)
			}
		}
	}
	for _, target := range []string{"?offset=-1", "?offset=-1&live=long-poll"} {
		r := f.do("GET", root+"a"+target, "", "Stream-Timing: true").want(t, 200)
		if !form.MatchString(r.Header.Get("Server-Timing")) {
			t.Errorf("a read has the Server-Timing %q", r.Header.Get("Server-Timing"))
		}
	}
}

// schema is a line of the log with its values left out.
func schema(t *testing.T, line string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	var b strings.Builder
	for {
		tok, err := d.Token()
		if err != nil {
			return b.String()
		}
		if name, ok := tok.(string); ok {
			var value any
			if err := d.Decode(&value); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			fmt.Fprintf(&b, "%s:%T ", name, value)
		}
	}
}

func TestBrokenRequestsAreNotQuoted(t *testing.T) {
	var log lines
	f := start(t, func(u *setup) { u.server.Logger = log.logger() })
	const host, end, secret = "Host: x\r\n", "\r\n\r\n", "secret"
	get := "GET " + root + "a HTTP/1.1\r\n" + host
	for _, broken := range []string{
		get + "Authorization Bearer " + secret + end,
		get + "Authorization: Bearer " + secret + "\x01" + end,
		get + "Authorization\x01" + secret + ": Bearer" + end,
		get + "Transfer-Encoding: " + secret + end,
		get + "Content-Length: " + secret + end,
		"GET " + root + "a?token=" + secret + " HTTP/7.7\r\n" + host + end,
		"GET " + root + "a?token=" + secret + end,
		"GET\x01" + secret + end,
		"GET http://x:" + secret + "/ HTTP/1.1\r\n" + host + end,
	} {
		if r := f.dial().send(broken).read("GET"); r.StatusCode < 400 || r.StatusCode > 505 || strings.Contains(r.body, secret) {
			t.Errorf("%q is answered with %d and %s", broken, r.StatusCode, r.body)
		}
	}
	if err := f.shutdown(); err != nil {
		t.Fatal(err)
	}
	said := log.all()
	if strings.Contains(said, secret) || strings.Contains(said, "Bearer") {
		t.Errorf("the log quotes requests:\n%s", said)
	}
	if !strings.Contains(said, "error when reading request headers: malformed") {
		t.Errorf("the log does not say what was wrong:\n%s", said)
	}
}

func TestRequestsAreLogged(t *testing.T) {
	var log lines
	f, k := guarded(t, func(u *setup, _ *keys) {
		u.server.Settings.LogRequests = 1
		u.server.Logger = log.logger()
	})
	all := k.token(t, everything)
	f.do("PUT", root+"acme/a", "payload-secret", text, all, "X-Request-Id: one").want(t, 201)
	m := struct{ Token string }{}
	r := f.do("POST", roots[routeToken]+"acme/a", "", all).want(t, 201)
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatal(err)
	}
	f.do("GET", root+"acme/a?token="+m.Token, "").want(t, 200)
	f.do("GET", root+"acme/a", "", "Authorization: Bearer query-secret").wantError(t, 401, "unauthorized")
	f.do("GET", root+"acme/a?offset=-1&live=sse&x=query-secret", "", "X-Request-Id: two").wantError(t, 401, "unauthorized")
	f.server.Configure(Settings{Projects: k.all, SlowRequest: time.Nanosecond})
	f.do("POST", root+"acme/a", "payload-secret", text, all).want(t, 204)
	if err := f.shutdown(); err != nil {
		t.Fatal(err)
	}

	said := log.all()
	for _, secret := range []string{"payload-secret", "query-secret", m.Token, strings.TrimPrefix(all, "Authorization: Bearer ")} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	const (
		short  = "time:string level:string msg:string request_id:string route:string method:string status:float64 took:float64 request_bytes:float64 response_bytes:float64 "
		golden = short + "stream:string "
	)
	got := map[string]string{}
	for line := range strings.Lines(said) {
		var l struct {
			Msg, Route string
			Status     int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if strings.Contains(l.Msg, "request") {
			got[fmt.Sprintf("%s %s %d", l.Msg, l.Route, l.Status)] = schema(t, line)
		}
	}
	for line, want := range map[string]string{
		"request create 201":      golden + "project:string subject:string ",
		"request token 201":       short + "project:string subject:string ",
		"request read 200":        golden + "project:string subject:string ",
		"request read 401":        short + "code:string ",
		"slow request append 204": golden + "project:string subject:string ",
	} {
		if got[line] != want {
			t.Errorf("%s is logged as\n%s, want\n%s", line, got[line], want)
		}
	}
	if !strings.Contains(said, `"request_id":"one"`) || !strings.Contains(said, `"request_id":"two"`) {
		t.Errorf("the ids of the requests are not in the log:\n%s", said)
	}
}

// page is the metrics of a set, by series.
func page(t *testing.T, set *metrics.Set) map[string]string {
	t.Helper()
	var b bytes.Buffer
	set.WritePrometheus(&b)
	series := map[string]string{}
	for line := range strings.Lines(b.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			series[name] = value
		}
	}
	return series
}

func TestRequestsAreCounted(t *testing.T) {
	set := metrics.NewSet()
	f := start(t, func(u *setup) { u.server.Metrics = set })
	f.everyKind()
	for series, want := range map[string]string{
		`tailrace_http_requests_total{route="create",code="201"}`:    "3",
		`tailrace_http_requests_total{route="create",code="200"}`:    "1",
		`tailrace_http_requests_total{route="append",code="204"}`:    "3",
		`tailrace_http_requests_total{route="append",code="200"}`:    "1",
		`tailrace_http_requests_total{route="long_poll",code="200"}`: "1",
		`tailrace_http_requests_total{route="long_poll",code="204"}`: "1",
		`tailrace_http_requests_total{route="sse",code="200"}`:       "1",
		`tailrace_http_requests_total{route="preflight",code="204"}`: "1",
		`tailrace_http_requests_total{route="read",code="304"}`:      "1",
		`tailrace_http_requests_total{route="head",code="200"}`:      "2",
		`tailrace_http_requests_total{route="delete",code="204"}`:    "1",
		`tailrace_http_refusals_total{error="not_found"}`:            "1",
		`tailrace_http_refusals_total{error="offset_trimmed"}`:       "1",
		`tailrace_internal_errors_total`:                             "0",
		`tailrace_http_request_seconds_count{route="append"}`:        "4",
	} {
		if got := page(t, set)[series]; got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
}

// Whatever clients send, there are no more series than there were.
func TestClientsMakeNoSeries(t *testing.T) {
	set := metrics.NewSet()
	f, k := guarded(t, func(u *setup, _ *keys) { u.server.Metrics = set })
	all := k.token(t, everything)
	before := len(page(t, set))
	for i := range 300 {
		name := fmt.Sprintf("%sacme/%d", root, i)
		f.do("PUT", name, "x", all, fmt.Sprintf("X-%d: y", i), fmt.Sprintf("X-Request-Id: %d", i))
		f.do("GET", fmt.Sprintf("%sunknown%d/x", root, i), "", all)
		f.do("GET", fmt.Sprintf("/%d", i), "", all)
		f.do(fmt.Sprintf("M%d", i), name, "")
	}
	after := page(t, set)
	if len(after) != before {
		t.Errorf("%d series became %d", before, len(after))
	}
	for series := range after {
		if strings.Contains(series, "unknown") {
			t.Errorf("%s has a name of a stranger", series)
		}
	}
}

// What the administration answers goes out as an answer of the server.
func TestAdministrationIsMounted(t *testing.T) {
	f, k := guarded(t, func(u *setup, _ *keys) {
		u.server.Admin = func(owner string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(202)
				fmt.Fprintf(w, `{"owner":%q,"path":%q,"query":%q,"id":%q,"method":%q}`, owner, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Request-Id"), r.Method)
			})
		}
	})
	all := k.token(t, everything)
	for _, method := range []string{"GET", "DELETE"} {
		r := f.do(method, roots[routeAdmin]+"projects/acme/streams?prefix=acme/a", "", all, "X-Request-Id: me").want(t, 202)
		r.wantHeaders(t, "Content-Type: application/json", "X-Request-Id: me", "Cache-Control: private, no-store")
		want := fmt.Sprintf(`{"owner":"acme","path":"/v1/admin/projects/acme/streams","query":"prefix=acme/a","id":"me","method":"%s"}`, method)
		if r.body != want {
			t.Errorf("the answer is %s, want %s", r.body, want)
		}
	}
	f.do("GET", roots[routeAdmin]+"streams/acme/a%20b", "", all).want(t, 202)
	f.do("GET", roots[routeAdmin]+"projects/acme", "x", all).wantError(t, 400, "unexpected_body")
	f.do("POST", roots[routeAdmin]+"projects/acme", "", all).wantError(t, 405, "method_not_allowed").wantHeaders(t, "Allow: GET, DELETE")
	for _, path := range []string{"projects", "drain", "x/acme", "projects/globex", "streams/globex/a"} {
		if r := f.do("GET", roots[routeAdmin]+path, "", all); !slices.Contains([]int{401, 404}, r.StatusCode) {
			t.Errorf("%s is answered %d", path, r.StatusCode)
		}
	}
	g := start(t)
	g.do("GET", roots[routeAdmin]+"projects/acme", "").wantError(t, 404, "no_such_route")
	g.do("POST", roots[routeToken]+"a", "").wantError(t, 404, "no_such_route")
}
