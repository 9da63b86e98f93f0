package admin

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestBadInput(t *testing.T) {
	store := newFakeStore(numbered("acme/", 30)...)
	a := start(t, store)
	list := func(query string) string { return "/v1/admin/projects/acme/streams" + query }
	cursor := decode[streamList](t, ask(t, a.Handler(), "GET", list("?limit=2&prefix=acme/"))).Cursor
	if cursor == "" {
		t.Fatal("no cursor")
	}
	flipped := []byte(cursor)
	flipped[3] ^= 1
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", list("?limit=0"), 400, "invalid_limit"},
		{"GET", list("?limit=-1"), 400, "invalid_limit"},
		{"GET", list("?limit=1001"), 400, "invalid_limit"},
		{"GET", list("?limit=007"), 400, "invalid_limit"},
		{"GET", list("?limit=%2B7"), 400, "invalid_limit"},
		{"GET", list("?limit="), 400, "invalid_limit"},
		{"GET", list("?limit=ten"), 400, "invalid_limit"},
		{"GET", list("?limit=99999999999999999999"), 400, "invalid_limit"},
		{"GET", list("?cursor="), 400, "invalid_cursor"},
		{"GET", list("?cursor=x"), 400, "invalid_cursor"},
		{"GET", list("?prefix=acme/&cursor=" + string(flipped)), 400, "invalid_cursor"},
		{"GET", list("?prefix=acme/&cursor=" + cursor + "A"), 400, "invalid_cursor"},
		{"GET", list("?prefix=acme/&cursor=" + cursor[1:]), 400, "invalid_cursor"},
		{"GET", list("?prefix=acme/0&cursor=" + cursor), 400, "invalid_cursor"},
		{"GET", list("?cursor=" + cursor), 400, "invalid_cursor"},
		{"GET", "/v1/admin/projects/other/streams?prefix=acme/&cursor=" + cursor, 400, "invalid_cursor"},
		{"GET", list("?prefix=%ff"), 400, "invalid_prefix"},
		{"GET", list("?prefix=a%00"), 400, "invalid_prefix"},
		{"GET", list("?prefix=" + strings.Repeat("a", 1025)), 400, "invalid_prefix"},
		{"GET", list("?prefix=a&prefix=a"), 400, "duplicate_parameter"},
		{"GET", list("?limt=3"), 400, "invalid_parameter"},
		{"GET", list("?prefix=a;limit=3"), 400, "invalid_parameter"},
		{"GET", list("?prefix=%zz"), 400, "invalid_parameter"},
		{"GET", list("?all=true"), 400, "invalid_parameter"},
		{"DELETE", list(""), 400, "prefix_required"},
		{"DELETE", list("?prefix="), 400, "prefix_required"},
		{"DELETE", list("?all=true"), 400, "prefix_required"},
		{"DELETE", list("?prefix=acme/&all=true"), 400, "invalid_parameter"},
		{"DELETE", list("?prefix=&all=yes"), 400, "invalid_parameter"},
		{"DELETE", list("?prefix=&all="), 400, "invalid_parameter"},
		{"DELETE", list("?prefix=&all=true&all=true"), 400, "duplicate_parameter"},
		{"DELETE", list("?prefix=acme/&limit=1"), 400, "invalid_parameter"},
		{"DELETE", list("?prefix=acme/%01"), 400, "invalid_prefix"},
		{"DELETE", list("?prefix=" + strings.Repeat("a", 1025)), 400, "invalid_prefix"},
		{"DELETE", "/v1/admin/projects/nobody/streams?prefix=&all=true", 404, "unknown_project"},
		{"GET", "/v1/admin/projects/nobody/streams?limit=0", 404, "unknown_project"},
		{"GET", "/v1/admin/projects/nobody", 404, "unknown_project"},
		{"GET", "/v1/admin/projects/nobody/jobs", 404, "unknown_project"},
		{"GET", "/v1/admin/projects/acme/jobs/0011223344556677", 404, "no_such_job"},
		{"DELETE", "/v1/admin/projects/acme/jobs/0011223344556677", 404, "no_such_job"},
		{"GET", "/v1/admin/streams/acme/none", 404, "not_found"},
		{"GET", "/v1/admin/streams/nobody/none", 404, "not_found"},
		{"GET", "/v1/admin/status?x=1", 400, "invalid_parameter"},
		{"POST", "/v1/admin/drain?now=true", 400, "invalid_parameter"},
		{"GET", "/debug/pprof/profile?seconds=0", 400, "invalid_parameter"},
		{"GET", "/debug/pprof/profile?seconds=301", 400, "invalid_parameter"},
		{"GET", "/debug/pprof/heap?seconds=x", 400, "invalid_parameter"},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			r := ask(t, a.Handler(), c.method, c.target).wantError(t, c.status, c.code)
			wantHeaders(t, r)
		})
	}
	if len(store.deletes) > 0 || len(store.names()) != 30 {
		t.Errorf("bad input deleted %v", store.deletes)
	}
}

func TestBodiesAreRefused(t *testing.T) {
	store := newFakeStore("acme/a")
	a := start(t, store)
	for name, change := range map[string]func(*http.Request){
		"of known length": func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1 },
		"in chunks": func(r *http.Request) {
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader("")), -1, []string{"chunked"}
		},
	} {
		for _, method := range []string{"GET", "DELETE"} {
			r := ask(t, a.Handler(), method, "/v1/admin/projects/acme/streams?prefix=acme/", change).wantError(t, 400, "unexpected_body")
			if r.header.Get("Connection") != "close" {
				t.Errorf("%s, %s: the connection is kept, with a body on it", method, name)
			}
		}
	}
	if len(a.jobs.of("acme")) > 0 {
		t.Error("a refused request began a job")
	}
}

func TestOtherOriginsMayNotChangeAnything(t *testing.T) {
	drained := 0
	a := start(t, newFakeStore("acme/a"), func(o *Options) { o.Drain = func() { drained++ } })
	for _, h := range []http.Handler{a.Handler(), a.ProjectHandler("acme")} {
		for _, foreign := range []func(*http.Request){
			header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"), header("Origin", "https://evil.example"), header("Origin", "null"),
		} {
			ask(t, h, "DELETE", "/v1/admin/projects/acme/streams?prefix=acme/", foreign).wantError(t, 403, "cross_origin")
			ask(t, h, "POST", "/v1/admin/drain", foreign).wantError(t, 403, "cross_origin")
			ask(t, h, "GET", "/v1/admin/projects/acme", foreign).want(t, 200)
		}
	}
	if drained > 0 || len(a.jobs.of("acme")) > 0 {
		t.Error("a page of another origin changed something")
	}
	ask(t, a.Handler(), "POST", "/v1/admin/drain", header("Sec-Fetch-Site", "same-origin")).want(t, 202)
	ask(t, a.Handler(), "POST", "/v1/admin/drain").want(t, 202)
	if drained != 1 {
		t.Errorf("drained %d times", drained)
	}
}

func TestRequestIDs(t *testing.T) {
	a := start(t, newFakeStore())
	for id, kept := range map[string]bool{
		"a": true, "A-b_c.9": true, strings.Repeat("x", 128): true, "a:b/c+d=": true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\"b": false, "é": false, "a\x7f": false, "<x>": false, "a,b": false,
	} {
		for _, target := range []string{"/health/live", "/nothing", "/v1/admin/projects/x"} {
			got := ask(t, a.Handler(), "GET", target, header("X-Request-Id", id)).header.Values("X-Request-Id")
			if len(got) != 1 || !validRequestID(got[0]) || (got[0] == id) != kept {
				t.Errorf("id %q is answered with %q", id, got)
			}
		}
	}
	first := ask(t, a.Handler(), "GET", "/health/live").header.Get("X-Request-Id")
	if second := ask(t, a.Handler(), "GET", "/health/live").header.Get("X-Request-Id"); first == second {
		t.Errorf("two requests have the id %s", first)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	_, err := New(Options{ListBudget: -1, Hosts: []string{"ok.example", "Bad.example", "a:80", "127.0.0.1", "", "a..b"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"Store is missing", "ListBudget -1ns", `"Bad.example"`, `"a:80"`, `"127.0.0.1"`, `host ""`, `"a..b"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is missing in:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), "ok.example") {
		t.Error(err)
	}
}
