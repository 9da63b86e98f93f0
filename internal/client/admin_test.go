package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestListFollowsTheCursor: an answer may also be empty and go on.
func TestListFollowsTheCursor(t *testing.T) {
	var asked []string
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		switch r.URL.Query().Get("cursor") {
		case "":
			fmt.Fprint(w, `{"streams":[{"name":"acme/1","bytes":5,"closed":true,"other":{"x":1}},{"name":"acme/2"}],"cursor":"c1"}`)
		case "c1":
			fmt.Fprint(w, `{"streams":[],"cursor":"c2"}`)
		default:
			fmt.Fprint(w, `{"streams":[{"name":"acme/3"}]}`)
		}
	})})
	var got []Listed
	if err := c.List(t.Context(), "acme", "acme/", func(l *Listed) error { got = append(got, *l); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Bytes != 5 || !got[0].Closed || !strings.Contains(string(got[0].Raw), `"other":{"x":1}`) || got[2].Name != "acme/3" {
		t.Errorf("%+v", got)
	}
	want := "GET /v1/admin/projects/acme/streams?prefix=acme%2F|GET /v1/admin/projects/acme/streams?cursor=c1&prefix=acme%2F|GET /v1/admin/projects/acme/streams?cursor=c2&prefix=acme%2F"
	if strings.Join(asked, "|") != want {
		t.Errorf("asked %v", asked)
	}
}

func TestListThatGoesInCirclesEnds(t *testing.T) {
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"streams":[],"cursor":"same"}`)
	})})
	if err := c.List(t.Context(), "acme", "", nil); err == nil {
		t.Error("no error")
	}
}

func TestDeletionByPrefixIsAJob(t *testing.T) {
	looks := 0
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "DELETE /v1/admin/projects/acme/streams?prefix=acme%2Fold%2F", "DELETE /v1/admin/projects/acme/streams?all=true&prefix=":
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"job":{"id":"j 1","state":"running","deleted":0}}`)
		case "GET /v1/admin/projects/acme/jobs/j%201":
			if looks++; looks == 2 {
				fmt.Fprint(w, `{"job":{"id":"j 1","state":"running","deleted":10}}`)
				return
			}
			if looks > 2 {
				fmt.Fprint(w, `{"job":{"id":"j 1","state":"done","deleted":20}}`)
				return
			}
			refuse(w, 503, "overloaded")
		case "DELETE /v1/admin/projects/acme/jobs/j%201":
			w.WriteHeader(http.StatusAccepted)
		default:
			refuse(w, 404, "no_such_route")
		}
	})})
	for _, prefix := range []string{"acme/old/", ""} {
		looks = 0
		var seen []int64
		job, err := c.DeletePrefix(t.Context(), "acme", prefix, func(j *Job) { seen = append(seen, j.Deleted) })
		if err != nil || job.Running() || job.Deleted != 20 || fmt.Sprint(seen) != "[0 10 20]" {
			t.Errorf("%+v, %v, %v", job, seen, err)
		}
	}
	if err := c.CancelJob(t.Context(), "acme", "j 1"); err != nil {
		t.Error(err)
	}
}

// TestAJobThatIsBegunIsKnown: who breaks off while the server begins a job learns
// which one it is.
func TestAJobThatIsBegunIsKnown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"job":{"id":"7","state":"running"}}`)
	})})
	job, err := c.DeletePrefix(ctx, "acme", "acme/", func(*Job) {})
	if job.ID != "7" || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestInspectAndProjectsAreAsTheServerTells(t *testing.T) {
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case "/v1/admin/streams/acme/a%20b":
			fmt.Fprint(w, `{"stream":{"name":"acme/a b","x":[1]}}`)
		case "/v1/admin/projects/acme":
			fmt.Fprint(w, `{"project":{"name":"acme"}}`)
		case "/v1/admin/projects":
			fmt.Fprint(w, `{"projects":[{"name":"acme"}]}`)
		case "/v1/admin/streams/acme/odd":
			fmt.Fprint(w, `{"name":"acme/odd"}`)
		default:
			refuse(w, 404, "not_found")
		}
	})})
	if raw, err := c.Inspect(t.Context(), "acme/a b"); err != nil || string(raw) != `{"name":"acme/a b","x":[1]}` {
		t.Errorf("%s, %v", raw, err)
	}
	if _, err := c.Inspect(t.Context(), "acme/other"); !IsNotFound(err) {
		t.Error(err)
	}
	if _, err := c.Inspect(t.Context(), "acme/odd"); err == nil {
		t.Error("an answer of another form is taken")
	}
	if raw, err := c.Project(t.Context(), "acme"); err != nil || string(raw) != `{"name":"acme"}` {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err := c.Projects(t.Context()); err != nil || string(raw) != `[{"name":"acme"}]` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestMintedTokens(t *testing.T) {
	c := newClient(t, Options{Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/token/acme/chat" || r.Header.Get("Token-Life") != "60" {
			refuse(w, 404, "not_found")
			return
		}
		fmt.Fprint(w, `{"token":"t","expires_at":"2026-01-02T03:04:05Z"}`)
	})})
	if got, err := c.MintToken(t.Context(), "acme/chat", time.Minute); err != nil || got.Token != "t" || got.ExpiresAt.Minute() != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.MintToken(t.Context(), "acme/other", time.Minute); !IsNotFound(err) {
		t.Error(err)
	}
}
