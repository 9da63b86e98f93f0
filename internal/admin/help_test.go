package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/internal/project"
)

// fakeStore is a store of what a test puts in. Its projects are "acme" and "other".
type fakeStore struct {
	mu      sync.Mutex
	streams []Stream // by identity
	scanMax int      // how many it looks at for a page
	lists   int
	deletes map[string]int // tries

	listed  func() error // before a page, or nil
	deleted func(ctx context.Context, name string, try int) error
	inspect func(name string) (Detail, error)
	broken  func(*Page) // changes what is listed
}

func newFakeStore(names ...string) *fakeStore {
	s := &fakeStore{scanMax: 1 << 20, deletes: map[string]int{}}
	for _, name := range names {
		s.add(name)
	}
	return s
}

func (s *fakeStore) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.streams)
	id := uint64(1)
	if n > 0 {
		id = s.streams[n-1].ID + 1
	}
	s.streams = append(s.streams, Stream{
		Name: name, ID: id, ContentType: "application/json", Tail: "0000000000000000_0000000000000017",
		Start: "0000000000000000_0000000000000000", Bytes: 12,
	})
}

func (s *fakeStore) change(name string, f func(*Stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.streams[slices.IndexFunc(s.streams, func(x Stream) bool { return x.Name == name })])
}

func (s *fakeStore) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, x := range s.streams {
		names = append(names, x.Name)
	}
	return names
}

func (s *fakeStore) Projects() []Project {
	acme, _ := s.Project("acme")
	other, _ := s.Project("other")
	return []Project{acme, other}
}

func (s *fakeStore) Project(name string) (Project, bool) {
	if name != "acme" && name != "other" {
		return Project{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Project{Name: name, Limits: Limits{StoredBytes: 1 << 30, Streams: 1000, BodyBytes: 1 << 20}}
	for _, x := range s.streams {
		if project.Of(x.Name) == name {
			p.Use.Streams++
			p.Use.StoredBytes += x.Bytes
		}
	}
	return p, true
}

func (s *fakeStore) List(_ context.Context, of, prefix string, after uint64, limit int) (Page, error) {
	if s.listed != nil {
		if err := s.listed(); err != nil {
			return Page{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	p := Page{Next: after}
	seen := 0
	for _, x := range s.streams {
		if x.ID <= after {
			continue
		}
		if seen == s.scanMax || len(p.Streams) == limit {
			p.More = true
			break
		}
		seen++
		p.Next = x.ID
		if project.Of(x.Name) == of && strings.HasPrefix(x.Name, prefix) {
			p.Streams = append(p.Streams, x)
		}
	}
	if s.broken != nil {
		s.broken(&p)
	}
	return p, nil
}

func (s *fakeStore) Inspect(_ context.Context, name string) (Detail, error) {
	if s.inspect != nil {
		return s.inspect(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.streams, func(x Stream) bool { return x.Name == name })
	if i < 0 {
		return Detail{}, ErrNotFound
	}
	return Detail{Stream: s.streams[i]}, nil
}

func (s *fakeStore) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	s.deletes[name]++
	try := s.deletes[name]
	s.mu.Unlock()
	if s.deleted != nil {
		if err := s.deleted(ctx, name, try); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.streams, func(x Stream) bool { return x.Name == name })
	if i < 0 {
		return ErrNotFound
	}
	s.streams = slices.Delete(s.streams, i, i+1)
	return nil
}

func (s *fakeStore) Status() Status {
	return Status{
		Version: "v1.2.3", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Projects: 2, Streams: len(s.names()),
		Connections: 3, LiveReaders: 2, Segments: 4, Layers: 1, MemoryBytes: 4096, FrameBytes: 1024, Batches: 99,
	}
}

// start makes an interface over a store, with everything that can be turned on.
func start(t *testing.T, s Store, change ...func(*Options)) *API {
	t.Helper()
	o := Options{Store: s, Owner: project.Of, Drain: func() {}, Pprof: true, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, f := range change {
		f(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

// response is what a handler answered.
type response struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to a handler. A change may be made to it.
func ask(t *testing.T, h http.Handler, method, target string, change ...func(*http.Request)) response {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: localhost:4438\r\n\r\n")))
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(t.Context()))
	return response{w.Code, w.Result().Header, w.Body.String()}
}

func (r response) want(t *testing.T, status int) response {
	t.Helper()
	if r.status != status {
		t.Fatalf("answered %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// wantError checks that the answer is a refusal in the one form that there is.
func (r response) wantError(t *testing.T, status int, code string) response {
	t.Helper()
	if c := r.code(t); r.status != status || c != code {
		t.Errorf("answered %d %s, want %d %s: %s", r.status, c, status, code, r.body)
	}
	return r
}

func (r response) code(t *testing.T) string {
	t.Helper()
	var b errorBody
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatalf("not an error of this interface: %v: %d %s", err, r.status, r.body)
	}
	if b.Error.Message == "" || b.Error.RequestID == "" || b.Error.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("incomplete: %s, with X-Request-Id %q", r.body, r.header.Get("X-Request-Id"))
	}
	return b.Error.Code
}

func decode[T any](t *testing.T, r response) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

func jobOf(t *testing.T, r response) Job { t.Helper(); return decode[jobAnswer](t, r).Job }

// numbered are n names of streams.
func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return names
}
