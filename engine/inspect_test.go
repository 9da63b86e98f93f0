package engine

import (
	"fmt"
	"strings"
	"testing"

	"tailrace/internal/stream"
)

// TestInspectionTellsWhereEverythingIs follows a stream from memory into segments.
func TestInspectionTellsWhereEverythingIs(t *testing.T) {
	e, _ := openProjects(t)
	inspect := func(path string) Inspection {
		t.Helper()
		var i Inspection
		want(t, e, stream.OK, func(e *Engine) (ticket Ticket) {
			i, ticket = e.Inspect(path)
			return ticket
		})
		return i
	}
	want(t, e, stream.Created, create("acme/a", "text/plain", strings.Repeat("compressible ", 400)))
	want(t, e, stream.Created, create("acme/small", "text/plain", "small"))
	for n := range 120 {
		want(t, e, stream.Appended, func(e *Engine) Ticket {
			return e.Append(&stream.Append{Path: "acme/a", ContentType: "text/plain", Body: []byte("x"), Producer: stream.Producer{ID: fmt.Sprintf("p%03d", n), Epoch: 7}})
		})
	}
	want(t, e, stream.Created, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "acme/f", TTL: stream.NoTTL, From: "acme/a", Public: true, Body: []byte("own")})
	})
	stop, ok := e.Watch("acme/a", e.table.Lookup("acme/a").ID, func() {})
	if !ok {
		t.Fatal("cannot watch")
	}
	i := inspect("acme/a")
	tail := e.table.Lookup("acme/a").Tail
	if i.Path != "acme/a" || i.Project != "acme" || i.Tail != tail || i.StoredBytes != int64(tail) || i.Forks != 1 || i.SourceID != 0 ||
		i.ProducersTotal != 120 || len(i.Producers) != 100 || i.Producers[99] != (stream.Producer{ID: "p099", Epoch: 7}) ||
		i.Watchers != 1 || i.MemoryAppends != 121 || i.MemoryBytes != 5200+120 || i.Runs != nil {
		t.Errorf("in memory: %+v", i)
	}
	stop()
	if f := inspect("acme/f"); f.Source != "acme/a" || f.SourceID != i.ID || f.Base != tail || !f.Public || f.StoredBytes != 8 {
		t.Errorf("the fork: %+v", f)
	}

	flushNow(t, e)
	want(t, e, stream.Appended, appendTo("acme/a", "text/plain", "after"))
	i = inspect("acme/a")
	if len(i.Runs) != 1 || i.MemoryAppends != 1 || i.MemoryBytes != 5 {
		t.Fatalf("after a flush: %+v", i)
	}
	r := i.Runs[0]
	if r.From != 0 || r.To != tail || r.Appends != 121 || r.Raw != 5200+120 || r.Stored == 0 || r.Stored >= r.Raw/2 || !r.Disk || r.Bucket || r.Level != 0 {
		t.Errorf("the run: %+v", r)
	}
	flushNow(t, e)
	if i = inspect("acme/a"); len(i.Runs) != 2 || i.Runs[1].From != tail || i.Runs[1].To != i.Tail || i.Runs[1].Segment == r.Segment {
		t.Errorf("after two flushes: %+v", i.Runs)
	}
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if i = inspect("acme/a"); len(i.Runs) != 1 || i.Runs[0].To != i.Tail || i.Runs[0].Level != 1 {
		t.Errorf("after a merge: %+v", i.Runs)
	}

	// What is on its way is waited for.
	want(t, e, stream.Deleted, remove("acme/a"))
	if i = inspect("acme/a"); !i.Gone || i.Forks != 1 {
		t.Errorf("kept for its fork: %+v", i)
	}
	e.Append(&stream.Append{Path: "acme/small", ContentType: "text/plain", Body: []byte("more"), Producer: stream.Producer{ID: "p"}})
	if i, ticket := e.Inspect("acme/small"); ticket.Ready() || i.Tail != 19 || i.ProducersTotal != 1 {
		t.Errorf("%+v, ready %t", i, ticket.Ready())
	}
	e.Delete("acme/small")
	if _, ticket := e.Inspect("acme/small"); !ticket.Retry || ticket.Ready() {
		t.Error("a delete that is on its way is not waited for")
	}
	settle(t, e)
	if _, ticket := e.Inspect("acme/small"); ticket.Code != stream.NotFound || !ticket.Ready() {
		t.Errorf("of nothing: %s", ticket.Code)
	}
}
