package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

const acmeStreams = "/v1/admin/projects/acme/streams"

// begin starts a job of a project.
func begin(t *testing.T, h http.Handler, project, prefix string) Job {
	t.Helper()
	r := ask(t, h, "DELETE", "/v1/admin/projects/"+project+"/streams?prefix="+prefix).want(t, 202)
	j := jobOf(t, r)
	if r.header.Get("Location") != "/v1/admin/projects/"+project+"/jobs/"+j.ID || j.State != JobRunning || j.Seen != 0 {
		t.Errorf("a job begins as %s, at %s", r.body, r.header.Get("Location"))
	}
	return j
}

func shown(t *testing.T, h http.Handler, j Job) Job {
	t.Helper()
	return jobOf(t, ask(t, h, "GET", "/v1/admin/projects/"+j.Project+"/jobs/"+j.ID).want(t, 200))
}

// wantJob compares all but what differs from run to run.
func wantJob(t *testing.T, got Job, state JobState, seen, deleted, skipped, failed int64, errs ...JobError) {
	t.Helper()
	if got.State != state || got.Seen != seen || got.Deleted != deleted || got.Skipped != skipped || got.Failed != failed || !slices.Equal(got.Errors, errs) {
		t.Errorf("the job is %+v, want %s with %d, %d, %d, %d, %v", got, state, seen, deleted, skipped, failed, errs)
	}
	if (got.State == JobRunning) != got.EndedAt.IsZero() {
		t.Errorf("%s, and ended at %v", got.State, got.EndedAt)
	}
}

func TestJobsDeleteWhatHasThePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := []string{"acme/chat", "other/chat/1", "acme/x/chat/1", "acme/chat/gone"}
		store := newFakeStore(append(numbered("acme/chat/", 2500), keep...)...)
		store.change("acme/chat/gone", func(s *Stream) { s.Gone = true })
		store.deleted = func(context.Context, string, int) error { time.Sleep(2 * time.Millisecond); return nil }
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/chat/")
		synctest.Wait()
		// As many as may be are under way, the next one was seen.
		wantJob(t, shown(t, a.Handler(), j), JobRunning, deletesInFlight, 0, 0, 0)
		time.Sleep(3 * time.Millisecond)
		synctest.Wait()
		wantJob(t, shown(t, a.Handler(), j), JobRunning, 2*deletesInFlight, deletesInFlight, 0, 0)
		time.Sleep(time.Second)
		ended := shown(t, a.Handler(), j)
		wantJob(t, ended, JobDone, 2500, 2500, 0, 0)
		if got := store.names(); !slices.Equal(got, keep) {
			t.Errorf("left: %v", got)
		}
		if took := ended.EndedAt.Sub(ended.StartedAt); took != 80*time.Millisecond { // 2500/64 rounds
			t.Errorf("took %v", took)
		}
		again := begin(t, a.Handler(), "acme", "acme/chat/")
		synctest.Wait()
		wantJob(t, shown(t, a.Handler(), again), JobDone, 0, 0, 0, 0)
	})
}

func TestJobsDeleteEverythingOfAProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("acme", "other/1", "acme/2")
		a := start(t, store)
		ask(t, a.Handler(), "DELETE", acmeStreams+"?prefix=&all=true").want(t, 202)
		synctest.Wait()
		if got := store.names(); !slices.Equal(got, []string{"other/1"}) {
			t.Errorf("left: %v", got)
		}
	})
}

func TestJobsCountWhatWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(numbered("acme/", 40)...)
		store.deleted = func(_ context.Context, name string, try int) error {
			var n int
			fmt.Sscanf(name, "acme/%d", &n)
			switch {
			case n < 10:
				return &CodeError{Code: "disk_full"}
			case n < 12:
				return ErrNotFound
			case n < 14:
				return &CodeError{Code: "overloaded", Temporary: true}
			case n < 20 && try < deleteTries:
				return &CodeError{Code: "overloaded", Temporary: true}
			case n == 20:
				return errors.New("something else")
			case n > 30:
				time.Sleep(time.Duration(n) * time.Millisecond)
				return &CodeError{Code: fmt.Sprintf("code_%d", n)}
			}
			return nil
		}
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		time.Sleep(time.Hour / 2)
		got := shown(t, a.Handler(), j)
		// Which of those that fail at once comes first is not determined.
		for i := range got.Errors {
			if c := got.Errors[i].Code; c == "disk_full" || c == "overloaded" {
				got.Errors[i].Stream = ""
			}
		}
		slices.SortFunc(got.Errors[:2], func(a, b JobError) int { return strings.Compare(a.Code, b.Code) })
		wantJob(t, got, JobFailed, 40, 16, 2, 22,
			JobError{"disk_full", 10, ""}, JobError{"internal", 1, "acme/0020"},
			JobError{"code_31", 1, "acme/0031"}, JobError{"code_32", 1, "acme/0032"}, JobError{"code_33", 1, "acme/0033"},
			JobError{"code_34", 1, "acme/0034"}, JobError{"code_35", 1, "acme/0035"}, JobError{"other", 6, "acme/0036"})
		if n := store.deletes["acme/0012"]; n != deleteTries {
			t.Errorf("a busy store was asked %d times", n)
		}
		if n := store.deletes["acme/0000"]; n != 1 {
			t.Errorf("a full disk was tried %d times", n)
		}
	})
}

func TestJobsFailWhenTheListDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("acme/a")
		store.listed = func() error { return &CodeError{Code: "failed"} }
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		synctest.Wait()
		wantJob(t, shown(t, a.Handler(), j), JobFailed, 0, 0, 0, 0, JobError{"failed", 1, ""})
	})
}

func TestJobsAreCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(numbered("acme/", 200)...)
		release := make(chan struct{})
		store.deleted = func(ctx context.Context, _ string, _ int) error {
			select {
			case <-release:
			case <-ctx.Done():
				t.Error("a delete under way was given up")
			}
			return nil
		}
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		synctest.Wait()
		target := "/v1/admin/projects/acme/jobs/" + j.ID
		wantJob(t, jobOf(t, ask(t, a.Handler(), "DELETE", target).want(t, 202)), JobRunning, deletesInFlight, 0, 0, 0)
		synctest.Wait()
		wantJob(t, shown(t, a.Handler(), j), JobRunning, deletesInFlight, 0, 0, 0) // what was begun ends first
		close(release)
		synctest.Wait()
		wantJob(t, jobOf(t, ask(t, a.Handler(), "DELETE", target).want(t, 200)), JobCancelled, deletesInFlight, deletesInFlight, 0, 0)
		if n := len(store.names()); n != 200-deletesInFlight {
			t.Errorf("%d streams are left", n)
		}
	})
}

// A job that waits for a busy store is cancelled at once, and one that looks for
// streams.
func TestJobsThatWaitAreCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("acme/a")
		store.deleted = func(context.Context, string, int) error { return &CodeError{Code: "overloaded", Temporary: true} }
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		synctest.Wait()
		began := time.Now()
		ask(t, a.Handler(), "DELETE", "/v1/admin/projects/acme/jobs/"+j.ID).want(t, 202)
		synctest.Wait()
		wantJob(t, shown(t, a.Handler(), j), JobCancelled, 1, 0, 0, 1, JobError{"overloaded", 1, "acme/a"})
		if time.Since(began) != 0 {
			t.Errorf("that took %v", time.Since(began))
		}

		store.scanMax = 1
		for range 100 {
			store.add("other/x")
		}
		store.listed = func() error { time.Sleep(time.Second); return nil }
		j = begin(t, a.Handler(), "acme", "acme/none")
		time.Sleep(10500 * time.Millisecond)
		ask(t, a.Handler(), "DELETE", "/v1/admin/projects/acme/jobs/"+j.ID).want(t, 202)
		time.Sleep(time.Second)
		wantJob(t, shown(t, a.Handler(), j), JobCancelled, 0, 0, 0, 0)
	})
}

func TestJobsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("acme/a", "other/a")
		release := make(chan struct{})
		store.deleted = func(context.Context, string, int) error { <-release; return nil }
		owner := map[string]bool{}
		a := start(t, projectsOf{store, owner})
		var all []Job
		for i := range jobsMax / jobsPerProject {
			name := fmt.Sprintf("p%d", i)
			owner[name] = true
			store.add(name + "/a")
			for range jobsPerProject {
				all = append(all, begin(t, a.Handler(), name, name+"/"))
			}
			r := ask(t, a.Handler(), "DELETE", "/v1/admin/projects/"+name+"/streams?prefix="+name).wantError(t, 429, "too_many_jobs")
			if r.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		owner["acme"] = true
		ask(t, a.Handler(), "DELETE", acmeStreams+"?prefix=acme").wantError(t, 429, "too_many_jobs")
		synctest.Wait() // all of them have seen their stream
		close(release)
		synctest.Wait()
		begin(t, a.Handler(), "acme", "acme/")
		synctest.Wait()
		deleted := int64(0)
		for _, j := range all {
			ended := shown(t, a.Handler(), j)
			wantJob(t, ended, JobDone, 1, ended.Deleted, 1-ended.Deleted, 0)
			deleted += ended.Deleted
		}
		if deleted != jobsMax/jobsPerProject { // each stream once, though four jobs were about it
			t.Errorf("%d deleted", deleted)
		}
	})
}

// A project may be gone with its last stream, and what became of that is still to
// be seen.
func TestJobsOutliveTheirProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := map[string]bool{"p": true}
		a := start(t, projectsOf{newFakeStore("p/1"), names})
		j := begin(t, a.Handler(), "p", "p/")
		synctest.Wait()
		delete(names, "p")
		for _, h := range []http.Handler{a.Handler(), a.ProjectHandler("p")} {
			wantJob(t, shown(t, h, j), JobDone, 1, 1, 0, 0)
			ask(t, h, "GET", "/v1/admin/projects/p/jobs").want(t, 200)
			ask(t, h, "GET", "/v1/admin/projects/p").wantError(t, 404, "unknown_project")
			ask(t, h, "GET", "/v1/admin/projects/p/streams").wantError(t, 404, "unknown_project")
		}
		ask(t, a.ProjectHandler("q"), "GET", "/v1/admin/projects/p/jobs").wantError(t, 404, "unknown_project")
		time.Sleep(finishedFor + time.Second)
		ask(t, a.Handler(), "GET", "/v1/admin/projects/p/jobs").wantError(t, 404, "unknown_project")
	})
}

// A server such as fasthttp gives requests in memory that it uses again.
func TestJobsKeepNothingOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, newFakeStore())
		path, query := []byte("/v1/admin/projects/acme/streams"), []byte("prefix=acme/chat/")
		j := jobOf(t, ask(t, a.ProjectHandler("acme"), "DELETE", "/", func(r *http.Request) {
			r.URL.Path, r.URL.RawQuery = unsafe.String(&path[0], len(path)), unsafe.String(&query[0], len(query))
		}).want(t, 202))
		copy(path, strings.Repeat("x", len(path)))
		copy(query, strings.Repeat("x", len(query)))
		synctest.Wait()
		if got := shown(t, a.Handler(), j); got.Project != "acme" || got.Prefix != "acme/chat/" {
			t.Errorf("%+v", got)
		}
	})
}

// projectsOf is a store with other projects.
type projectsOf struct {
	*fakeStore
	names map[string]bool
}

func (s projectsOf) Project(name string) (Project, bool) { return Project{Name: name}, s.names[name] }

func TestEndedJobsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, newFakeStore())
		quiet := begin(t, a.Handler(), "other", "other/")
		synctest.Wait()
		var busy []Job
		for range finishedMax + 20 {
			busy = append(busy, begin(t, a.Handler(), "acme", "acme/"))
			synctest.Wait()
		}
		list := decode[struct{ Jobs []Job }](t, ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/jobs")).Jobs
		if len(list) != finishedMax-1 || list[0].ID != busy[len(busy)-1].ID {
			t.Errorf("%d jobs, the first of them %+v", len(list), list[0])
		}
		// One project's jobs do not drive out those of another.
		wantJob(t, shown(t, a.Handler(), quiet), JobDone, 0, 0, 0, 0)
		ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/jobs/"+busy[0].ID).wantError(t, 404, "no_such_job")

		time.Sleep(finishedFor)
		shown(t, a.Handler(), quiet)
		time.Sleep(time.Second)
		ask(t, a.Handler(), "GET", "/v1/admin/projects/other/jobs/"+quiet.ID).wantError(t, 404, "no_such_job")
		if r := ask(t, a.Handler(), "GET", "/v1/admin/projects/acme/jobs"); r.body != "{\"jobs\":[]}\n" {
			t.Error(r.body)
		}
	})
}

// The end of the server lets deletes that were begun become durable, and begins no
// more.
func TestShutdownEndsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(numbered("acme/", 200)...)
		store.deleted = func(ctx context.Context, _ string, _ int) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		time.Sleep(1500 * time.Millisecond)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantJob(t, shown(t, a.Handler(), j), JobCancelled, 2*deletesInFlight, 2*deletesInFlight, 0, 0)
		ask(t, a.Handler(), "DELETE", acmeStreams+"?prefix=acme").wantError(t, 503, "shutting_down")
	})
}

// When there is no time for that, they are given up, and the store is not asked
// any more.
func TestShutdownInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(numbered("acme/", 200)...)
		var asking sync.WaitGroup
		store.deleted = func(ctx context.Context, _ string, _ int) error {
			asking.Add(1)
			defer asking.Done()
			<-ctx.Done()
			return ctx.Err()
		}
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		asking.Wait()
		got := shown(t, a.Handler(), j)
		if len(got.Errors) == 1 {
			got.Errors[0].Stream = ""
		}
		wantJob(t, got, JobCancelled, deletesInFlight, 0, 0, deletesInFlight, JobError{"interrupted", deletesInFlight, ""})
	})
}

// Streams that come while a job runs may be deleted or not, but nothing else
// happens to them, and the job ends.
func TestStreamsCreatedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore(numbered("acme/chat/", 100)...)
		var once sync.Once
		store.deleted = func(context.Context, string, int) error {
			once.Do(func() { store.add("acme/chat/new"); store.add("acme/new") })
			return nil
		}
		a := start(t, store)
		j := begin(t, a.Handler(), "acme", "acme/chat/")
		synctest.Wait()
		if got := shown(t, a.Handler(), j); got.State != JobDone || got.Deleted < 100 {
			t.Errorf("%+v", got)
		}
		if names := store.names(); !slices.Contains(names, "acme/new") || len(names) > 2 {
			t.Errorf("left: %v", names)
		}
	})
}
