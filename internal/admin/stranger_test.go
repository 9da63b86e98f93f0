package admin

import (
	"strings"
	"testing"
	"testing/synctest"
)

// Whoever may manage one project finds the same wherever something of another one
// is, and where there is nothing: status, headers and body.
func TestStrangersSeeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("acme/a", "other/secret")
		a := start(t, store)
		h := a.ProjectHandler("acme")
		secret := begin(t, a.Handler(), "other", "other/none")
		synctest.Wait()

		same := func(method, there, nowhere string) {
			t.Helper()
			id := header("X-Request-Id", "same")
			got, want := ask(t, h, method, there, id), ask(t, h, method, nowhere, id)
			if got.status < 400 || got.status != want.status || got.body != want.body {
				t.Errorf("%s %s: %d %s\n%s: %d %s", method, there, got.status, got.body, nowhere, want.status, want.body)
			}
			if len(got.header) != len(want.header) {
				t.Errorf("%s %s has headers %v\n%s has %v", method, there, got.header, nowhere, want.header)
			}
			for name := range want.header {
				if got.header.Get(name) != want.header.Get(name) {
					t.Errorf("%s %s has %s: %s\n%s has %s", method, there, name, got.header.Get(name), nowhere, want.header.Get(name))
				}
			}
		}
		for _, method := range allMethods {
			for _, path := range paths() {
				if !offers("GET", path, isOfProject) && !offers("DELETE", path, isOfProject) {
					continue
				}
				for _, query := range []string{"", "?prefix=other/", "?prefix=&all=true", "?limit=0", "?x=%zz", "?cursor=x"} {
					same(method, placed(path, "other", "other/secret", secret.ID)+query, placed(path, "nobody", "acme/none", "0011223344556677")+query)
				}
			}
			same(method, "/v1/admin/streams/other", "/v1/admin/streams/none")
			same(method, "/v1/admin/streams/other/secret", "/v1/admin/streams/other/none")
			same(method, "/v1/admin/projects/acme/jobs/"+secret.ID, "/v1/admin/projects/acme/jobs/0011223344556677")
			same(method, "/v1/admin/projects/ACME", "/v1/admin/projects/nobody")
		}

		if r := ask(t, h, "GET", "/v1/admin/projects/acme/streams?prefix=other/").want(t, 200); r.body != "{\"streams\":[]}\n" {
			t.Error(r.body)
		}
		for _, target := range []string{"/v1/admin/projects/acme", "/v1/admin/projects/acme/streams", "/v1/admin/projects/acme/jobs", "/v1/admin/streams/acme/a"} {
			if r := ask(t, h, "GET", target).want(t, 200); strings.Contains(r.body, "other") || strings.Contains(r.body, secret.ID) {
				t.Errorf("%s: %s", target, r.body)
			}
		}
		j := begin(t, h, "acme", "other/")
		synctest.Wait()
		wantJob(t, shown(t, h, j), JobDone, 0, 0, 0, 0)
		if len(store.deletes) > 0 {
			t.Errorf("deleted %v", store.deletes)
		}
	})
}

// A fork across projects should not be there. If it is, it tells nothing of its
// source to those who may manage the fork alone.
func TestForksDoNotNameWhatBelongsToOthers(t *testing.T) {
	store := newFakeStore()
	from := ""
	store.inspect = func(name string) (Detail, error) {
		return Detail{Stream: Stream{Name: name}, ForkedFrom: &ForkedFrom{Name: from}}, nil
	}
	a := start(t, store)
	for _, c := range []struct {
		from      string
		toManager bool
	}{{"acme/source", true}, {"other/source", false}} {
		from = c.from
		if r := ask(t, a.ProjectHandler("acme"), "GET", "/v1/admin/streams/acme/fork").want(t, 200); strings.Contains(r.body, from) != c.toManager {
			t.Errorf("a manager sees %s", r.body)
		}
		if r := ask(t, a.Handler(), "GET", "/v1/admin/streams/acme/fork").want(t, 200); !strings.Contains(r.body, from) {
			t.Errorf("an operator sees %s", r.body)
		}
	}
}

// A project of its own name is all that a handler has, even if the store does not
// know the project (any more).
func TestHandlerOfAProjectThatIsGone(t *testing.T) {
	a := start(t, newFakeStore("acme/a"))
	h := a.ProjectHandler("nobody")
	ask(t, h, "GET", "/v1/admin/projects/nobody").wantError(t, 404, "unknown_project")
	ask(t, h, "GET", "/v1/admin/projects/acme").wantError(t, 404, "unknown_project")
	ask(t, h, "GET", "/v1/admin/streams/acme/a").wantError(t, 404, "not_found")
}
