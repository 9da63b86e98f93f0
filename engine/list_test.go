package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// listAll reads a list to its end and returns the paths.
func listAll(t *testing.T, e *Engine, r ListRequest) (paths []string) {
	t.Helper()
	for range 10_000 {
		page, ticket := e.List(r)
		if ticket.Code != stream.OK || len(page.Streams) > max(r.Limit, listLimit) || page.Next < r.After {
			t.Fatalf("%s, %d streams, from %d to %d", ticket.Code, len(page.Streams), r.After, page.Next)
		}
		for _, s := range page.Streams {
			paths = append(paths, s.Path)
		}
		if page.Done {
			return paths
		}
		r.After = page.Next
	}
	t.Fatal("the list has no end")
	return nil
}

// TestListsShowEveryStreamOnce walks in pages of every size, by project and by
// prefix, while others are deleted and created.
func TestListsShowEveryStreamOnce(t *testing.T) {
	seed := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 3))
	e, _ := openProjects(t)
	var all []string
	for i := range 300 {
		path := fmt.Sprintf("%s/%c/%d", []string{"acme", "ac", "other"}[rng.IntN(3)], 'a'+rune(rng.IntN(3)), i)
		want(t, e, stream.Created, create(path, "text/plain", "x"))
		all = append(all, path)
	}
	all = slices.DeleteFunc(all, func(path string) bool {
		if rng.IntN(3) > 0 {
			return false
		}
		want(t, e, stream.Deleted, remove(path))
		return true
	})
	for _, r := range []ListRequest{
		{}, {Limit: 1}, {Limit: 7}, {Limit: 10_000}, {Project: "acme"}, {Project: "ac", Limit: 3}, {Project: "nobody"},
		{Project: "acme", Prefix: "acme/b/"}, {Project: "acme", Prefix: "other/"}, {Prefix: "ac"}, {Project: "ac", Prefix: "a"},
	} {
		wanted := slices.DeleteFunc(slices.Clone(all), func(path string) bool {
			project, _, _ := strings.Cut(path, "/")
			return r.Project != "" && project != r.Project || !strings.HasPrefix(path, r.Prefix)
		})
		if r.Limit > listLimitMax {
			if page, _ := e.List(r); len(page.Streams) > listLimitMax {
				t.Errorf("%d streams on a page", len(page.Streams))
			}
		}
		if got := listAll(t, e, r); !slices.Equal(got, wanted) {
			t.Errorf("-engine.seed=%d: %+v lists %v, want %v", seed, r, got, wanted)
		}
	}
	// What comes and goes between pages moves nothing else.
	first, _ := e.List(ListRequest{Limit: 20})
	want(t, e, stream.Deleted, remove(first.Streams[19].Path))
	want(t, e, stream.Created, create("acme/new", "text/plain", ""))
	rest := listAll(t, e, ListRequest{After: first.Next})
	if wanted := append(slices.Clone(all[20:]), "acme/new"); !slices.Equal(rest, wanted) {
		t.Errorf("after a page that lost its last: %v, want %v", rest, wanted)
	}
}

// TestListsTellWhatTheyShow: a list shows what is staged, and waits for that.
func TestListsTellWhatTheyShow(t *testing.T) {
	e, _ := openProjects(t)
	want(t, e, stream.Created, createPublic("acme/a"))
	want(t, e, stream.Created, createPublic("acme/f", notPublic, forking("acme/a")))
	if _, ticket := e.List(ListRequest{}); !ticket.Ready() {
		t.Error("a list of what is durable has to wait")
	}
	e.Append(&stream.Append{Path: "acme/a", ContentType: "application/octet-stream", Body: []byte("12345")})
	page, ticket := e.List(ListRequest{})
	if ticket.Ready() || !page.Done || len(page.Streams) != 2 {
		t.Fatalf("%+v, ready %t", page, ticket.Ready())
	}
	a, f := page.Streams[0], page.Streams[1]
	if a.Path != "acme/a" || a.Tail != 16 || !a.Public || a.Forks != 1 || a.StoredBytes != 16 || a.Gone ||
		f.Path != "acme/f" || f.Tail != 6 || f.Public || f.StoredBytes != 0 {
		t.Errorf("listed %+v", page.Streams)
	}
	settle(t, e)
	if !ticket.Ready() || ticket.Err() != nil {
		t.Error("what was listed is durable and may not be told")
	}
	e.Delete("acme/a")
	page, ticket = e.List(ListRequest{})
	if ticket.Ready() || !page.Streams[0].Gone {
		t.Errorf("a delete that is on its way: %+v, ready %t", page, ticket.Ready())
	}
	settle(t, e)
}

// TestListsLetOthersThrough: a page of a project with few streams among many ends
// early, and the next one goes on there.
func TestListsLetOthersThrough(t *testing.T) {
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.Projects, o.LogFileBytes = true, 16<<20
	e := mustOpen(t, o)
	const streams = listHoldStreams*listHolds + 1000
	for i := range streams {
		path := fmt.Sprint("other/", i)
		if i == 5 || i == streams-1 {
			path = fmt.Sprint("acme/", i)
		}
		if got := create(path, "text/plain", "")(e); got.Code != stream.Created {
			t.Fatal(got.Code)
		}
		if i%4096 == 0 {
			settle(t, e)
			if err := e.Allocate(); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle(t, e)
	page, _ := e.List(ListRequest{Project: "acme"})
	if page.Done || len(page.Streams) != 1 || page.Next != listHoldStreams*listHolds {
		t.Fatalf("%d streams, up to %d, done %t", len(page.Streams), page.Next, page.Done)
	}
	page, _ = e.List(ListRequest{Project: "acme", After: page.Next})
	if !page.Done || len(page.Streams) != 1 || page.Streams[0].Path != fmt.Sprint("acme/", streams-1) {
		t.Fatalf("%+v", page)
	}
}
