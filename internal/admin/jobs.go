package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// jobs are those of a server.
type jobs struct {
	api     *API
	newID   func() string
	stop    context.Context // of all jobs, see job
	cancel  context.CancelFunc
	abandon context.Context
	giveUp  context.CancelFunc

	mu     sync.Mutex
	all    []*job // in the order they began
	closed bool
	ended  sync.WaitGroup // its Go is called under mu, before closed
}

func newJobs(a *API) *jobs {
	s := &jobs{api: a, newID: func() string {
		var b [8]byte
		rand.Read(b[:])
		return hex.EncodeToString(b[:])
	}}
	s.stop, s.cancel = context.WithCancel(context.Background())
	s.abandon, s.giveUp = context.WithCancel(context.Background())
	return s
}

// running is how many are.
func (s *jobs) running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	total, _ := s.countRunning("")
	return total
}

func (s *jobs) countRunning(project string) (total, own int) {
	for _, j := range s.all {
		if j.hasEnded() {
			continue
		}
		total++
		if j.shown.Project == project {
			own++
		}
	}
	return total, own
}

func (j *job) hasEnded() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// start begins a job, unless too many are running.
func (s *jobs) start(project, prefix, requestID string) (Job, code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Job{}, codeShuttingDown
	}
	if total, own := s.countRunning(project); total >= jobsMax || own >= jobsPerProject {
		return Job{}, codeTooManyJobs
	}
	// The request may be in memory that its server uses again, and the job outlives it.
	project, prefix = strings.Clone(project), strings.Clone(prefix)
	j := &job{api: s.api, abandon: s.abandon, ended: make(chan struct{}), shown: Job{
		ID: s.newID(), Project: project, Prefix: prefix, State: JobRunning, StartedAt: s.api.now().UTC(),
	}}
	j.stop, j.cancel = context.WithCancel(s.stop)
	s.all = append(s.all, j)
	s.forget()
	log := s.api.opts.Logger.With("job", j.shown.ID, "project", project, "prefix", prefix)
	log.Info("deleting by prefix", "request_id", requestID)
	first := j.show() // before it does anything, so that clients see how it begins
	s.ended.Go(func() {
		defer close(j.ended)
		defer j.cancel()
		j.run()
		e := j.show()
		s.api.counts.job(e.State, 1)
		log.Info("deleted by prefix", "state", string(e.State), "deleted", e.Deleted, "skipped", e.Skipped, "failed", e.Failed,
			"took", e.EndedAt.Sub(e.StartedAt))
	})
	return first, codeNone
}

// forget drops jobs that ended long ago, and the oldest of whichever project has
// the most when they are too many: who begins many does not make those of others
// disappear. jobs.mu is held.
func (s *jobs) forget() {
	old := s.api.now().Add(-finishedFor)
	s.all = slices.DeleteFunc(s.all, func(j *job) bool { return j.hasEnded() && j.show().EndedAt.Before(old) })
	for {
		finished, of := 0, map[string]int{}
		most := ""
		for _, j := range s.all {
			if j.hasEnded() {
				finished++
				p := j.shown.Project
				if of[p]++; of[p] > of[most] {
					most = p
				}
			}
		}
		if finished <= finishedMax {
			return
		}
		first := slices.IndexFunc(s.all, func(j *job) bool { return j.hasEnded() && j.shown.Project == most })
		s.all = slices.Delete(s.all, first, first+1)
	}
}

// of lists the jobs of a project, the newest first.
func (s *jobs) of(project string) []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	list := []Job{}
	for _, j := range slices.Backward(s.all) {
		if j.shown.Project == project {
			list = append(list, j.show())
		}
	}
	return list
}

// has reports whether a project has jobs.
func (s *jobs) has(project string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return slices.ContainsFunc(s.all, func(j *job) bool { return j.shown.Project == project })
}

// find is the job of a project with an id, or nil.
func (s *jobs) find(project, id string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	i := slices.IndexFunc(s.all, func(j *job) bool { return j.shown.Project == project && j.shown.ID == id })
	if i < 0 {
		return nil
	}
	return s.all[i]
}

func (s *jobs) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	through := make(chan struct{})
	go func() {
		s.ended.Wait()
		close(through)
	}()
	select {
	case <-through:
		return nil
	case <-ctx.Done():
		s.giveUp()
		<-through
		return ctx.Err()
	}
}

type jobAnswer struct {
	Job Job `json:"job"`
}

// listJobs answers with the jobs of a project.
func (a *API) listJobs(x *exchange) {
	x.answer(http.StatusOK, struct {
		Jobs []Job `json:"jobs"`
	}{a.jobs.of(x.project)})
}

// showJob answers with one.
func (a *API) showJob(x *exchange) {
	j := a.jobs.find(x.project, x.req.PathValue("id"))
	if j == nil {
		x.refuse(codeNoSuchJob)
		return
	}
	x.answer(http.StatusOK, jobAnswer{j.show()})
}

// cancelJob has a job begin nothing more. What it has begun still ends, so the job
// runs for another moment. One that has ended stays as it is.
func (a *API) cancelJob(x *exchange) {
	j := a.jobs.find(x.project, x.req.PathValue("id"))
	if j == nil {
		x.refuse(codeNoSuchJob)
		return
	}
	status := http.StatusOK
	if j.show().State == JobRunning {
		status = http.StatusAccepted
	}
	j.cancel()
	x.answer(status, jobAnswer{j.show()})
}
