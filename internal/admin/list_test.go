package admin

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// all goes through a list by its cursors and returns the names and the number of
// answers.
func all(t *testing.T, a *API, query string) (names []string, answers int) {
	t.Helper()
	for cursor := ""; ; {
		target := "/v1/admin/projects/acme/streams?" + query
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		l := decode[streamList](t, ask(t, a.Handler(), "GET", target).want(t, 200))
		answers++
		for _, s := range l.Streams {
			names = append(names, s.Name)
		}
		if cursor = l.Cursor; cursor == "" {
			return names, answers
		}
	}
}

// Whatever the limit and however little the store looks at in one go, a list has
// every stream once and in order.
func TestListsAreComplete(t *testing.T) {
	var names, want []string
	for i := range 60 {
		names = append(names, "acme/"+strconv.Itoa(i), "other/"+strconv.Itoa(i))
		want = append(want, "acme/"+strconv.Itoa(i))
	}
	for _, scan := range []int{1, 7, 1000} {
		store := newFakeStore(names...)
		store.scanMax = scan
		a := start(t, store)
		for limit, answers := range map[int]int{1: 60, 7: 9, 59: 2, 60: 1, 1000: 1} {
			got, n := all(t, a, "limit="+strconv.Itoa(limit))
			if !slices.Equal(got, want) {
				t.Errorf("scan %d, limit %d: listed %v", scan, limit, got)
			}
			// What follows the last one may be for others, so there may be one more.
			if n != answers && n != answers+1 {
				t.Errorf("scan %d, limit %d: %d answers, want %d", scan, limit, n, answers)
			}
		}
		if got, _ := all(t, a, "prefix=acme/5"); len(got) != 11 {
			t.Errorf("scan %d: with a prefix: %v", scan, got)
		}
		if got, _ := all(t, a, "prefix=other/"); len(got) != 0 {
			t.Errorf("the streams of another project: %v", got)
		}
	}
}

func TestListsGoOnAfterDeletions(t *testing.T) {
	store := newFakeStore(numbered("acme/", 10)...)
	a := start(t, store)
	l := decode[streamList](t, ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams?limit=5"))
	for _, name := range numbered("acme/", 7) {
		store.Delete(t.Context(), name)
	}
	l = decode[streamList](t, ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams?limit=5&cursor="+l.Cursor))
	if len(l.Streams) != 3 || l.Streams[0].Name != "acme/0007" || l.Cursor != "" {
		t.Errorf("the list goes on with %+v", l)
	}
}

// A list that takes long is answered in parts, which may be empty.
func TestListsKeepToTheirBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(append(numbered("other/", 40), "acme/last")...)
		store.scanMax = 10
		store.listed = func() error { time.Sleep(100 * time.Millisecond); return nil }
		a := start(t, store)
		l := decode[streamList](t, ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams").want(t, 200))
		if len(l.Streams) != 0 || l.Cursor == "" || store.lists != 3 {
			t.Errorf("after 250 ms, %d looks: %+v", store.lists, l)
		}
		if names, n := all(t, a, ""); !slices.Equal(names, []string{"acme/last"}) || n != 2 {
			t.Errorf("all is %v, in %d answers", names, n)
		}
	})
}

// What the store must not list is told to nobody.
func TestStoresAreHeldToTheirPromise(t *testing.T) {
	for name, broken := range map[string]func(*Page){
		"a stream of others":         func(p *Page) { p.Streams[1].Name = "other/secret" },
		"one without the prefix":     func(p *Page) { p.Streams[1].Name = "acme" },
		"the same again":             func(p *Page) { p.Streams[1].ID = p.Streams[0].ID },
		"more than was asked for":    func(p *Page) { p.Streams = append(p.Streams, Stream{Name: "acme/y", ID: 99}) },
		"a page that leads nowhere":  func(p *Page) { p.More, p.Next = true, 0 },
		"a page that leads backward": func(p *Page) { p.More, p.Next = true, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore(numbered("acme/", 3)...)
			store.broken = broken
			a := start(t, store)
			ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/streams?prefix=acme/&limit=3").wantError(t, 500, "internal")
			if name == "more than was asked for" {
				return // not by a job, which asks for more than there are
			}
			job := jobOf(t, ask(t, a.Handler(), "DELETE", "/v1/admin/projects/acme/streams?prefix=acme/").want(t, 202))
			<-a.jobs.find("acme", job.ID).ended
			if ended := a.jobs.find("acme", job.ID).show(); ended.State != JobFailed || len(store.deletes) > 0 {
				t.Errorf("deleted %v: %+v", store.deletes, ended)
			}
		})
	}
}

func TestFaultsOfTheStore(t *testing.T) {
	store := newFakeStore("acme/a")
	a := start(t, store)
	for _, c := range []struct {
		err        error
		status     int
		code, wait string
	}{
		{&CodeError{Code: "overloaded", Temporary: true}, 503, "overloaded", "1"},
		{&CodeError{Code: "data_corrupt"}, 500, "internal", ""},
		{errors.New("a secret of the store"), 500, "internal", ""},
	} {
		store.listed = func() error { return c.err }
		store.inspect = func(string) (Detail, error) { return Detail{}, c.err }
		for _, target := range []string{"/v1/admin/projects/acme/streams", "/v1/admin/streams/acme/a"} {
			r := ask(t, a.Handler(), "GET", target).wantError(t, c.status, c.code)
			if got := r.header.Get("Retry-After"); got != c.wait {
				t.Errorf("Retry-After: %q, want %q", got, c.wait)
			}
		}
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	store := newFakeStore("acme/a")
	store.inspect = func(string) (Detail, error) { panic("a secret of the store") }
	a := start(t, store)
	ask(t, a.Handler(), "GET", "/v1/admin/streams/acme/a").wantError(t, 500, "internal")
	ask(t, a.Handler(), "GET", "/health/live").want(t, 200)
}
