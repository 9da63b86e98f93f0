package admin

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// JobState is how far a job is.
type JobState string

const (
	JobRunning   JobState = "running"
	JobDone      JobState = "done"      // everything that was seen is deleted
	JobCancelled JobState = "cancelled" // by a client or the end of the server, before it was through
	JobFailed    JobState = "failed"    // it is through, but for what Errors count
)

// Job deletes the streams of a project whose names begin with a prefix. It is kept
// in memory only: the end of the process ends it, and the same request again goes on
// with what is left.
type Job struct {
	ID        string    `json:"id"`
	Project   string    `json:"project"`
	Prefix    string    `json:"prefix"`
	State     JobState  `json:"state"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	// Of those seen, deleted, skipped and failed are through; the rest is under way.
	Seen    int64      `json:"seen"`
	Deleted int64      `json:"deleted"`
	Skipped int64      `json:"skipped"` // somebody else deleted them, or they expired
	Failed  int64      `json:"failed"`
	Errors  []JobError `json:"errors"` // by code, in the order they were met
}

// JobError is a reason that streams were not deleted.
type JobError struct {
	Code   string `json:"code"`
	Count  int64  `json:"count"`
	Stream string `json:"stream,omitempty"` // the first one
}

// Results of deletes in metrics.
const (
	deleteDone    = "deleted"
	deleteSkipped = "skipped"
	deleteFailed  = "failed"
)

// job is one that runs, or has run.
type job struct {
	api *API

	// stop ends what the job begins; abandon also ends the waiting for what it has
	// begun.
	stop    context.Context
	cancel  context.CancelFunc
	abandon context.Context
	ended   chan struct{} // closed when it has

	mu    sync.Mutex
	shown Job
}

// show is the job as it is now.
func (j *job) show() Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	shown := j.shown
	shown.Errors = append([]JobError{}, shown.Errors...)
	return shown
}

// run lists and deletes until there is nothing left or the job is to stop, and
// returns when every delete that was begun is through.
func (j *job) run() {
	free := make(chan struct{}, deletesInFlight)
	var begun sync.WaitGroup
	through := j.eachStream(func(name string) bool {
		select {
		case free <- struct{}{}:
		case <-j.stop.Done():
			return false
		}
		j.mu.Lock()
		j.shown.Seen++
		j.mu.Unlock()
		begun.Go(func() {
			j.note(name, j.delete(name))
			<-free
		})
		return true
	})
	begun.Wait()

	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !through, j.stop.Err() != nil && j.shown.Failed > 0:
		j.shown.State = JobCancelled
	case j.shown.Failed > 0 || len(j.shown.Errors) > 0:
		j.shown.State = JobFailed
	default:
		j.shown.State = JobDone
	}
	j.shown.EndedAt = j.api.now().UTC()
}

// eachStream calls f for every stream that the job is about, in order of creation,
// until f is false. It is false if the job was stopped before the end. What is
// created meanwhile comes last, so it may be seen or not.
func (j *job) eachStream(f func(name string) bool) bool {
	for after := uint64(0); ; {
		if j.stop.Err() != nil {
			return false
		}
		p, err := j.api.page(j.abandon, j.shown.Project, j.shown.Prefix, after, listMax)
		if err != nil {
			j.mu.Lock()
			j.addError("", err)
			j.mu.Unlock()
			return true
		}
		for i := range p.Streams {
			if !p.Streams[i].Gone && !f(p.Streams[i].Name) {
				return false
			}
		}
		if !p.More {
			return true
		}
		after = p.Next
	}
}

// delete deletes one, and is patient with a store that is busy.
func (j *job) delete(name string) error {
	pause := deleteRetryMin
	for try := 1; ; try++ {
		err := j.api.opts.Store.Delete(j.abandon, name)
		var refused *CodeError
		if err == nil || !errors.As(err, &refused) || !refused.Temporary || try == deleteTries {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-j.stop.Done():
			timer.Stop()
			return err
		}
		pause = min(2*pause, deleteRetryMax)
	}
}

// note counts what became of a stream.
func (j *job) note(name string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	result := deleteDone
	switch {
	case err == nil:
		j.shown.Deleted++
	case errors.Is(err, ErrNotFound):
		j.shown.Skipped++
		result = deleteSkipped
	default:
		j.shown.Failed++
		j.addError(name, err)
		result = deleteFailed
	}
	j.api.counts.delete(result, 1)
}

// addError counts a reason. The first of each kind is logged. Job.mu is held.
func (j *job) addError(name string, err error) {
	known := j.shown.Errors
	at := func(c string) int { return slices.IndexFunc(known, func(e JobError) bool { return e.Code == c }) }
	c := string(codeInternal)
	var refused *CodeError
	switch {
	case errors.As(err, &refused):
		c = refused.Code
	case j.abandon.Err() != nil:
		c = "interrupted"
	}
	if at(c) < 0 && len(known) >= jobErrorsMax-1 {
		c = "other"
	}
	i := at(c)
	if i < 0 {
		i = len(known)
		j.shown.Errors = append(known, JobError{Code: c, Stream: name})
		j.api.opts.Logger.Warn("cannot delete a stream by prefix", "job", j.shown.ID, "code", c, "stream", name, "error", err)
	}
	j.shown.Errors[i].Count++
}
