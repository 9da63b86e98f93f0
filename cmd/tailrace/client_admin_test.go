package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// fakeAdmin answers like the admin API, from a list of streams.
type fakeAdmin struct {
	mu        sync.Mutex
	looks     int
	state     string // of a job when it ends
	cancelled bool
	deleted   []string
	onLook    func()
}

func (f *fakeAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/admin/projects":
		fmt.Fprint(w, `{"projects":[{"name":"acme","use":{"stored_bytes":12,"streams":2,"live_readers":1},"limits":{"streams":5}},{"name":"b"}]}`)
	case "GET /v1/admin/projects/acme/streams", "GET /v1/admin/projects/default/streams":
		if q.Get("cursor") == "" {
			fmt.Fprintf(w, `{"streams":[{"name":"%sone","bytes":1234,"content_type":"text/plain","closed":true}],"cursor":"c"}`, q.Get("prefix"))
			return
		}
		fmt.Fprintf(w, `{"streams":[{"name":"%stwo","content_type":"application/json"}]}`, q.Get("prefix"))
	case "GET /v1/admin/streams/acme/one":
		fmt.Fprint(w, `{"stream":{"name":"acme/one","bytes":1234,"forked_from":null,"producers":[{"id":"p", "epoch":0}],"live_readers":0}}`)
	case "DELETE /v1/admin/projects/acme/streams", "DELETE /v1/admin/projects/default/streams":
		f.deleted = append(f.deleted, r.URL.RequestURI())
		f.looks = 0
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"job":{"id":"7","state":"running","deleted":0,"seen":0}}`)
	case "GET /v1/admin/projects/acme/jobs/7", "GET /v1/admin/projects/default/jobs/7":
		if f.onLook != nil {
			f.onLook()
		}
		state := "running"
		if f.looks++; f.looks == 3 {
			state = f.state
		}
		errs := `[]`
		if state == "failed" {
			errs = `[{"code":"internal","count":2,"stream":"acme/old/3"}]`
		}
		fmt.Fprintf(w, `{"job":{"id":"7","state":%q,"deleted":%d,"seen":30,"skipped":1,"failed":2,"errors":%s}}`, state, 10*f.looks, errs)
	case "DELETE /v1/admin/projects/acme/jobs/7":
		f.cancelled = true
		fmt.Fprint(w, `{"job":{"id":"7","state":"cancelled"}}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"not_found","message":"there is nothing","request_id":"r1"}}`)
	}
}

func newFakeAdmin(t *testing.T, env ...string) (*fakeAdmin, *shell) {
	t.Helper()
	f := &fakeAdmin{state: "done"}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, newShell(t, s.URL, env...)
}

func TestListPrintsNames(t *testing.T) {
	_, x := newFakeAdmin(t)
	if got := x.ok("", "ls", "demo/"); got != "demo/one\ndemo/two\n" {
		t.Errorf("ls prints %q", got)
	}
	if got := x.ok("", "ls", "--project", "acme", "-l"); got != ""+
		"        1234  closed  text/plain                one\n"+
		"           0  -       application/json          two\n" {
		t.Errorf("ls prints %q", got)
	}
	if got := x.ok("", "ls", "--json"); strings.Count(got, "\n") != 2 || !strings.HasPrefix(got, `{"name":"one","bytes":1234,`) {
		t.Errorf("ls prints %q", got)
	}
	if got := x.ok("", "ls", "--projects"); got != "acme: 2 streams, 12 bytes, 1 live readers\nb: 0 streams, 0 bytes, 0 live readers\n" {
		t.Errorf("ls prints %q", got)
	}
	if got := x.ok("", "ls", "--projects", "--json"); !strings.Contains(got, `"limits":{"streams":5}`) || strings.Count(got, "\n") != 2 {
		t.Errorf("ls prints %q", got)
	}
	x.fails(exitNotFound, "not_found: there is nothing (request id r1)", "", "ls", "--project", "other")
}

// TestProjectIsThatOfThePrefix if a token says that there are projects.
func TestProjectIsThatOfThePrefix(t *testing.T) {
	_, x := newFakeAdmin(t, tokenVariable+"=t")
	if got := x.ok("", "ls", "acme/x/"); got != "acme/x/one\nacme/x/two\n" {
		t.Errorf("ls prints %q", got)
	}
	x.fails(exitUsage, "--project is needed", "", "ls")
	x.fails(exitUsage, "--project is needed", "", "ls", "acme")
	x.fails(exitNotFound, "not_found", "", "ls", "other/")
}

func TestInspectPrintsMembers(t *testing.T) {
	_, x := newFakeAdmin(t)
	if got := x.ok("", "inspect", "acme/one"); got != ""+
		"name                     acme/one\n"+
		"bytes                    1234\n"+
		"forked from              \n"+
		"producers                [{\"id\":\"p\",\"epoch\":0}]\n"+
		"live readers             0\n" {
		t.Errorf("inspect prints %q", got)
	}
	if got := x.ok("", "inspect", x.server+"/v1/stream/acme/one", "--json"); got != `{"name":"acme/one","bytes":1234,"forked_from":null,"producers":[{"id":"p","epoch":0}],"live_readers":0}`+"\n" {
		t.Errorf("inspect prints %q", got)
	}
	x.fails(exitNotFound, "not_found", "", "inspect", "acme/two")
	x.fails(exitFailed, "no/such/file", "", "inspect", "wal", "/no/such/file")
	x.fails(exitUsage, "soup", "", "inspect", "soup", "/no/such/file")
}

func TestDeletionByPrefix(t *testing.T) {
	f, x := newFakeAdmin(t)
	if got := x.ok("", "delete", "--prefix", "acme/old/", "--project", "acme", "--yes"); got != "deleted 30 streams, 1 were gone already\n" {
		t.Errorf("delete prints %q", got)
	}
	x.fails(exitUsage, "--all", "", "delete", "--prefix", "", "--yes") // such as of a variable that is not set
	x.ok("", "delete", "--prefix", "", "--all", "--yes")
	if len(f.deleted) != 2 || !strings.HasSuffix(f.deleted[0], "acme/streams?prefix=acme%2Fold%2F") || !strings.HasSuffix(f.deleted[1], "default/streams?all=true&prefix=") {
		t.Errorf("asked for %v", f.deleted)
	}
	if got := x.ok("", "delete", "--prefix", "a", "--yes", "--json"); !strings.HasPrefix(got, `{"id":"7","state":"done","deleted":30,`) {
		t.Errorf("delete prints %q", got)
	}
	f.state = "failed"
	x.fails(exitFailed, `internal: 2 streams, the first of them "acme/old/3"`, "", "delete", "--prefix", "a", "--yes")
	x.fails(exitFailed, "ended as failed", "", "delete", "--prefix", "a", "--yes")
}

// TestInterruptCancelsTheJob: nobody would know of it any more.
func TestInterruptCancelsTheJob(t *testing.T) {
	f, x := newFakeAdmin(t)
	f.state = "running"
	var once sync.Once
	f.onLook = func() { once.Do(func() { x.signals <- os.Interrupt }) }
	x.fails(exitFailed, "interrupted: job 7 is cancelled", "", "delete", "--prefix", "acme/", "--project", "acme", "--yes")
	if !f.cancelled {
		t.Error("the job goes on")
	}
}

// TestQuestionIsAsked where somebody sits at a terminal, and only a yes is one.
func TestQuestionIsAsked(t *testing.T) {
	_, x := newFakeAdmin(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // a device like a terminal, where nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out, errs strings.Builder
	if code := x.start(null, &out, &errs, "delete", "--prefix", "a/"); code != exitFailed || !strings.Contains(errs.String(), `begin with "a/"? [y/N]`) || !strings.Contains(errs.String(), "nothing was deleted") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes": true, "\n": false, "": false, "no\n": false, "yo\n": false} {
		s := &session{stdin: strings.NewReader(answer), stderr: &errs}
		if s.confirm("acme", "") != want {
			t.Errorf("%q: %t", answer, !want)
		}
	}
}
