package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailrace/engine"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden compares an answer with its file, in which it is indented.
func golden(t *testing.T, name string, r response) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", r.status, r.header.Get("Content-Type"))
	if err := json.Indent(&b, []byte(r.body), "", "  "); err != nil {
		t.Fatalf("%s: %v: %s", name, err, r.body)
	}
	if strings.Count(r.body, "\n") != 1 || !strings.HasSuffix(r.body, "\n") {
		t.Errorf("%s is not one line: %q", name, r.body)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, b.Bytes(), want)
	}
}

// richStore has everything that an answer can show.
func richStore() *fakeStore {
	store := newFakeStore("acme/plain", "acme/rich", "acme/fork", "other/x")
	at := time.Date(2026, 11, 24, 1, 2, 3, 456e6, time.UTC)
	ttl := int64(3600)
	store.change("acme/rich", func(s *Stream) {
		s.Closed, s.Public, s.TTLSeconds, s.ExpiresAt = true, true, &ttl, at
	})
	store.change("acme/fork", func(s *Stream) { s.Gone, s.ContentType = true, `text/plain; x="<&>"` })
	store.inspect = func(name string) (Detail, error) {
		store.mu.Lock()
		defer store.mu.Unlock()
		for _, s := range store.streams {
			if s.Name != name {
				continue
			}
			d := Detail{Stream: s}
			if name == "acme/rich" {
				d.RetentionAgeSeconds, d.RetentionBytes = 86400, 1<<20
				d.ForkedFrom = &ForkedFrom{Name: "acme/plain", ID: 1, Offset: "0000000000000000_0000000000000017"}
				d.Forks, d.LiveReaders = 2, 3
				d.Producers, d.ProducerCount = []Producer{{"till-7", 1, 41}, {"till-8", 0, 0}}, 2
				d.AppendsInMemory, d.BytesInMemory = 4, 400
				d.AppendsInRuns, d.BytesRaw, d.BytesCompressed = 50, 5000, 500
				d.Runs = []Run{{Segment: 7, Level: 1, From: s.Start, To: s.Tail, Appends: 50, BytesRaw: 5000, BytesCompressed: 500, Disk: true, Bucket: true}}
			}
			return d, nil
		}
		return Detail{}, ErrNotFound
	}
	return store
}

// Names in answers are for programs and stay: a golden file that changes in
// anything but what is new breaks somebody.
func TestAnswersKeepTheirForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := richStore()
		a := start(t, store, func(o *Options) {
			o.Ready = func() []Check {
				return []Check{{Name: "log", State: CheckOK}, {"disk", CheckDegraded, "less than 10% is free"}, {"draining", CheckFailed, "the server is about to end"}}
			}
		})
		ids := 0
		a.jobs.newID = func() string { ids++; return fmt.Sprintf("%016x", ids) }
		h := a.Handler()
		rid := header("X-Request-Id", "rid")
		golden(t, "projects", ask(t, h, "GET", "/v1/admin/projects"))
		golden(t, "project", ask(t, h, "GET", "/v1/admin/projects/acme"))
		golden(t, "streams", ask(t, h, "GET", acmeStreams))
		golden(t, "streams_more", ask(t, h, "GET", acmeStreams+"?limit=1&prefix=acme/"))
		golden(t, "streams_none", ask(t, h, "GET", acmeStreams+"?prefix=acme/none"))
		golden(t, "stream_plain", ask(t, h, "GET", "/v1/admin/streams/acme/plain"))
		golden(t, "stream_rich", ask(t, h, "GET", "/v1/admin/streams/acme/rich"))
		golden(t, "status", ask(t, h, "GET", "/v1/admin/status"))
		golden(t, "live", ask(t, h, "GET", "/health/live"))
		golden(t, "ready", ask(t, h, "GET", "/health/ready"))
		golden(t, "drain", ask(t, h, "POST", "/v1/admin/drain"))
		golden(t, "jobs_none", ask(t, h, "GET", "/v1/admin/projects/acme/jobs"))

		release := make(chan struct{})
		store.deleted = func(_ context.Context, name string, _ int) error {
			<-release
			if name == "acme/rich" {
				return &CodeError{Code: "disk_full"}
			}
			return nil
		}
		golden(t, "job_begun", ask(t, h, "DELETE", acmeStreams+"?prefix=acme/"))
		synctest.Wait()
		golden(t, "job_running", ask(t, h, "GET", "/v1/admin/projects/acme/jobs/0000000000000001"))
		time.Sleep(1500 * time.Millisecond)
		close(release)
		synctest.Wait()
		golden(t, "job_failed", ask(t, h, "GET", "/v1/admin/projects/acme/jobs/0000000000000001"))
		golden(t, "job_ended_cancel", ask(t, h, "DELETE", "/v1/admin/projects/acme/jobs/0000000000000001"))
		ask(t, h, "DELETE", acmeStreams+"?prefix=acme/none").want(t, 202)
		synctest.Wait()
		golden(t, "jobs", ask(t, h, "GET", "/v1/admin/projects/acme/jobs"))
		golden(t, "error", ask(t, h, "GET", "/v1/admin/projects/nobody", rid))
	})
}

// The status of a server with a bucket has that of the bucket in it.
func TestStatusShowsTheBucket(t *testing.T) {
	a := start(t, bucketStore{newFakeStore()})
	r := ask(t, a.Handler(), "GET", "/v1/admin/status").want(t, 200)
	if s := decode[struct{ Status Status }](t, r).Status; s.Bucket == nil || s.Bucket.LocalBytes != 77 {
		t.Error(r.body)
	}
}

type bucketStore struct{ *fakeStore }

func (s bucketStore) Status() Status {
	st := s.fakeStore.Status()
	st.Bucket = &engine.TierStats{Phase: engine.TierFenced, LocalBytes: 77}
	return st
}

// Every code of the catalogue has a place in the tests where it is provoked: here
// it is only looked up that what clients see of it is complete.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	last := 0
	for _, e := range Catalogue() {
		if seen[e.Code] || e.Status < last || e.Message == "" || (e.Status == 429 || e.Status == 503) != (e.RetryAfter != "") {
			t.Errorf("entry %+v", e)
		}
		seen[e.Code], last = true, e.Status
	}
}
