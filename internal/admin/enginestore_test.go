package admin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tailrace/engine"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// world is an engine with an interface over it.
type world struct {
	*testing.T
	fs     *faultfs.FS
	engine *engine.Engine
	store  Store
	api    *API
}

func open(t *testing.T, o EngineOptions) *world {
	t.Helper()
	w := &world{T: t, fs: faultfs.New(memfs.New())}
	var err error
	w.engine, err = engine.Open(engine.Options{FS: w.fs, Dir: "store", LogFileBytes: 1 << 20, Projects: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.engine.Close() }) // after that of the interface; an error is of tests that break the log
	w.store = NewEngineStore(w.engine, o)
	w.api = start(t, w.store)
	return w
}

func (w *world) done(ticket engine.Ticket) {
	w.Helper()
	if err := ticket.Wait(); err != nil || !ticket.Code.Success() {
		w.Fatalf("%v, %v", ticket.Code, err)
	}
}

func (w *world) create(name string, change ...func(*stream.Create)) {
	w.Helper()
	c := stream.Create{Path: name, TTL: stream.NoTTL, Body: []byte("hello")}
	for _, f := range change {
		f(&c)
	}
	w.done(w.engine.Create(&c))
}

func (w *world) stream(name string) Detail {
	w.Helper()
	r := ask(w.T, w.api.Handler(), "GET", "/v1/admin/streams/"+name).want(w.T, 200)
	return decode[struct{ Stream Detail }](w.T, r).Stream
}

func TestEngineLists(t *testing.T) {
	w := open(t, EngineOptions{})
	ttl := func(c *stream.Create) { c.TTL = 60 }
	public := func(c *stream.Create) { c.Public, c.Closed, c.ExpiresAt, c.ExpiresText = true, true, 4e12, "then" }
	w.create("acme/1", ttl)
	w.create("other/1")
	w.create("acme/2", public)
	w.create("acme/x/3", func(c *stream.Create) { c.From = "acme/1"; c.Body = nil })
	if ticket := w.engine.Delete("acme/1"); ticket.Wait() != nil || ticket.Code != stream.Deleted {
		t.Fatal(ticket.Code)
	}
	names, _ := all(t, w.api, "limit=1")
	if got := strings.Join(names, " "); got != "acme/1 acme/2 acme/x/3" {
		t.Errorf("listed %s", got)
	}
	l := decode[streamList](t, ask(t, w.api.Handler(), "GET", acmeStreams)).Streams
	if s := l[0]; !s.Gone || s.TTLSeconds == nil || *s.TTLSeconds != 60 || s.Public || s.Tail != "0000000000000000_0000000000000010" || s.Bytes != 10 {
		t.Errorf("%+v", s)
	}
	if s := l[1]; s.Gone || s.TTLSeconds != nil || !s.Public || !s.Closed || s.ExpiresAt.UnixMilli() != 4e12 || s.ContentType != "application/octet-stream" {
		t.Errorf("%+v", s)
	}
	if d := w.stream("acme/x/3"); d.ForkedFrom == nil || *d.ForkedFrom != (ForkedFrom{"acme/1", l[0].ID, l[0].Tail}) {
		t.Errorf("%+v", d.ForkedFrom)
	}
	if d := w.stream("acme/1"); !d.Gone || d.Forks != 1 {
		t.Errorf("%+v", d)
	}
}

func TestEngineInspects(t *testing.T) {
	w := open(t, EngineOptions{})
	w.create("acme/a", func(c *stream.Create) { c.KeepAge, c.KeepBytes = 100, 1000 })
	if err := w.engine.Flush(); err != nil {
		t.Fatal(err)
	}
	w.done(w.engine.Append(&stream.Append{Path: "acme/a", ContentType: "application/octet-stream", Body: []byte("more"), Producer: stream.Producer{ID: "p", Epoch: 2}}))
	d := w.stream("acme/a")
	if d.Project != "acme" || d.RetentionAgeSeconds != 100 || d.RetentionBytes != 1000 || d.ProducerCount != 1 || d.Producers[0] != (Producer{"p", 2, 0}) {
		t.Errorf("%+v", d)
	}
	if d.AppendsInMemory != 1 || d.AppendsInRuns != 1 || len(d.Runs) != 1 || d.BytesRaw != 5 || d.BytesCompressed == 0 || d.Bytes != 19 {
		t.Errorf("%+v", d)
	}
	if r := d.Runs[0]; r.Appends != 1 || r.BytesRaw != 5 || !r.Disk || r.Bucket || r.From != token(0) || r.To != token(10) {
		t.Errorf("%+v", r)
	}
	stop, ok := w.engine.Watch("acme/a", stream.ID(d.ID), func() {})
	if !ok || w.stream("acme/a").LiveReaders != 1 {
		t.Error("a reader is not counted")
	}
	stop()
	ask(t, w.api.Handler(), "GET", "/v1/admin/streams/acme/none").wantError(t, 404, "not_found")
}

func TestEngineDeletesByPrefix(t *testing.T) {
	w := open(t, EngineOptions{})
	for _, name := range append(numbered("acme/chat/", 300), "acme/keep", "other/chat/1") {
		w.create(name)
	}
	job := begin(t, w.api.Handler(), "acme", "acme/chat/")
	<-w.api.jobs.find("acme", job.ID).ended
	wantJob(t, shown(t, w.api.Handler(), job), JobDone, 300, 300, 0, 0)
	if p, _ := w.store.Project("acme"); p.Use != (Use{StoredBytes: 10, Streams: 1}) {
		t.Errorf("what is left: %+v", p.Use)
	}
	if p, _ := w.store.Project("other"); p.Use.Streams != 1 {
		t.Errorf("the other project: %+v", p.Use)
	}
	if err := w.store.Delete(t.Context(), "acme/chat/0001"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

// What is on its way to the log is waited for, by all that ask about it.
func TestEngineIsWaitedFor(t *testing.T) {
	w := open(t, EngineOptions{})
	w.create("acme/a")
	gate := make(chan struct{})
	held := make(chan struct{}, 1)
	w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind != faultfs.SyncData {
			return faultfs.Fault{}
		}
		select {
		case held <- struct{}{}:
		default:
		}
		return faultfs.Fault{Hold: gate}
	})
	if ticket := w.engine.Create(&stream.Create{Path: "acme/b", TTL: stream.NoTTL}); ticket.Ready() {
		t.Fatal("durable already")
	}
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.store.Delete(ctx, "acme/b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v", err)
	}
	if _, err := w.store.List(ctx, "acme", "", 0, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v", err)
	}
	if _, err := w.store.Inspect(ctx, "acme/b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Inspect: %v", err)
	}
	deleted := make(chan error, 1)
	waits := waitingContext{context.Background(), make(chan struct{}, 9)}
	go func() { deleted <- w.store.Delete(waits, "acme/b") }()
	<-waits.asked // it is told to come again when the stream is there
	close(gate)
	if err := <-deleted; err != nil {
		t.Error(err)
	}
	w.fs.Inject(nil)
	if _, err := w.store.Inspect(t.Context(), "acme/b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("inspected what was deleted: %v", err)
	}
}

// waitingContext tells when somebody begins to wait for it, among other things.
type waitingContext struct {
	context.Context
	asked chan struct{}
}

func (c waitingContext) Done() <-chan struct{} {
	c.asked <- struct{}{}
	return nil
}

// Nothing is told about what a log that failed may or may not have.
func TestEngineWithAFailedLog(t *testing.T) {
	w := open(t, EngineOptions{})
	w.create("acme/a")
	w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.SyncData {
			return faultfs.Fault{Err: errors.New("broken")}
		}
		return faultfs.Fault{}
	})
	job := begin(t, w.api.Handler(), "acme", "acme/")
	<-w.api.jobs.find("acme", job.ID).ended
	wantJob(t, shown(t, w.api.Handler(), job), JobFailed, 1, 0, 0, 1, JobError{"failed", 1, "acme/a"})
	<-w.engine.Failed()
}

func TestEngineProjects(t *testing.T) {
	configured := []project.Project{{Name: "quiet", Limits: project.Limits{StoredBytes: 7, Streams: 2, LiveReaders: 3}}, {Name: "acme"}}
	w := open(t, EngineOptions{
		Configured:  func() []project.Project { return configured },
		LiveReaders: func(name string) int { return len(name) },
		Status:      func(s *Status) { s.Version, s.Connections = "v9", 5 },
	})
	w.create("acme/a")
	w.create("removed/a")
	list := w.store.Projects()
	if len(list) != 3 || list[0].Name != "acme" || list[1].Name != "quiet" || list[2].Name != "removed" {
		t.Fatalf("%+v", list)
	}
	if q := list[1]; q.Limits != (Limits{StoredBytes: 7, Streams: 2, LiveReaders: 3}) || q.Use != (Use{LiveReaders: 5}) {
		t.Errorf("%+v", q)
	}
	for _, want := range list {
		if got, ok := w.store.Project(want.Name); !ok || got != want {
			t.Errorf("%+v, %t; listed as %+v", got, ok, want)
		}
	}
	if _, ok := w.store.Project("nobody"); ok {
		t.Error("nobody exists")
	}
	// One that is not configured any more is there until its last stream is deleted.
	job := begin(t, w.api.Handler(), "removed", "removed/")
	<-w.api.jobs.find("removed", job.ID).ended
	ask(t, w.api.Handler(), "GET", "/v1/admin/projects/removed").wantError(t, 404, "unknown_project")
	if s := w.store.Status(); s.Version != "v9" || s.Connections != 5 || s.Streams != 1 || s.Projects != 2 || s.StoredBytes != 10 || s.Bucket != nil {
		t.Errorf("%+v", s)
	}
}

// Without projects everything belongs to one.
func TestEngineWithoutProjects(t *testing.T) {
	e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", LogFileBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, err := New(Options{Store: NewEngineStore(e, EngineOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	if ticket := e.Create(&stream.Create{Path: "any/thing", TTL: stream.NoTTL}); ticket.Wait() != nil || !ticket.Code.Success() {
		t.Fatal(ticket.Code)
	}
	l := decode[streamList](t, ask(t, a.Handler(), "GET", "/v1/admin/projects/default/streams?prefix=any").want(t, 200))
	if len(l.Streams) != 1 || l.Streams[0].Name != "any/thing" {
		t.Errorf("%+v", l)
	}
	ask(t, a.Handler(), "GET", "/v1/admin/streams/any/thing").want(t, 200)
	ask(t, a.ProjectHandler("default"), "GET", "/v1/admin/streams/any/thing").want(t, 200)
	ask(t, a.Handler(), "GET", "/v1/admin/projects/any").wantError(t, 404, "unknown_project")
	ask(t, a.ProjectHandler("default"), "GET", "/v1/admin/streams/any/none").wantError(t, 404, "not_found")
}
