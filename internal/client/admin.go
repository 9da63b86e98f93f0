package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const adminRoot = "/v1/admin/"

// Listed is a stream in a list. Raw is all that the server told, which may be
// more.
type Listed struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Tail        string `json:"tail"`
	Closed      bool   `json:"closed"`
	Gone        bool   `json:"gone"` // deleted or expired, and kept for its forks
	Public      bool   `json:"public"`
	Bytes       int64  `json:"bytes"`

	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps what was decoded.
func (l *Listed) UnmarshalJSON(b []byte) error {
	type plain Listed
	if err := json.Unmarshal(b, (*plain)(l)); err != nil {
		return err
	}
	l.Raw = append([]byte(nil), b...)
	return nil
}

// List delivers the streams of a project whose whole name begins with prefix, in
// the order of their creation. Streams that come and go meanwhile may be in it or
// not; others are in it once.
func (c *Client) List(ctx context.Context, project, prefix string, each func(*Listed) error) error {
	for cursor := ""; ; {
		q := url.Values{"prefix": {prefix}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		var page struct {
			Streams []Listed `json:"streams"`
			Cursor  string   `json:"cursor"`
		}
		r := &request{method: http.MethodGet, path: projectPath(project) + "/streams", query: q, safe: true}
		if err := c.json(ctx, r, &page); err != nil {
			return err
		}
		for i := range page.Streams {
			if err := each(&page.Streams[i]); err != nil {
				return err
			}
		}
		if page.Cursor == "" {
			return nil
		}
		if page.Cursor == cursor {
			return errors.New("the server gives the same part of the list again and again")
		}
		cursor = page.Cursor
	}
}

func projectPath(project string) string { return adminRoot + "projects/" + url.PathEscape(project) }

// Inspect is all that the server knows of a stream, as it tells it.
func (c *Client) Inspect(ctx context.Context, name string) (json.RawMessage, error) {
	return c.member(ctx, adminRoot+"streams/"+escapeName(name), "stream")
}

// Project is the use and the limits of a project.
func (c *Client) Project(ctx context.Context, project string) (json.RawMessage, error) {
	return c.member(ctx, projectPath(project), "project")
}

// Projects is those of all projects, in a list. Only the admin listener tells.
func (c *Client) Projects(ctx context.Context) (json.RawMessage, error) {
	return c.member(ctx, adminRoot+"projects", "projects")
}

// member asks for an object and returns a member of it.
func (c *Client) member(ctx context.Context, path, name string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := c.json(ctx, &request{method: http.MethodGet, path: path, safe: true}, &members); err != nil {
		return nil, err
	}
	if members[name] == nil {
		return nil, fmt.Errorf("the answer to GET %s has no %q", path, name)
	}
	return members[name], nil
}

// Job is a deletion of many streams that the server does by itself.
type Job struct {
	ID      string     `json:"id"`
	State   string     `json:"state"` // running, done, cancelled or failed
	Seen    int64      `json:"seen"`
	Deleted int64      `json:"deleted"`
	Skipped int64      `json:"skipped"` // were gone already
	Failed  int64      `json:"failed"`
	Errors  []JobError `json:"errors"`

	Raw json.RawMessage `json:"-"`
}

// JobError is a reason that streams were not deleted.
type JobError struct {
	Code   string `json:"code"`
	Count  int64  `json:"count"`
	Stream string `json:"stream"` // the first one
}

// UnmarshalJSON keeps what was decoded.
func (j *Job) UnmarshalJSON(b []byte) error {
	type plain Job
	if err := json.Unmarshal(b, (*plain)(j)); err != nil {
		return err
	}
	j.Raw = append([]byte(nil), b...)
	return nil
}

// Running reports whether the job goes on.
func (j *Job) Running() bool { return j.State == "running" }

// jobPollMax is the longest time between two looks at a job.
const jobPollMax = 2 * time.Second

// DeletePrefix has the server delete the streams of a project whose whole name
// begins with prefix, all of them if that is empty, and waits until it has. Each
// look at the job is delivered. When ctx ends, the job goes on: the one returned has
// its ID, for CancelJob, or none if the server did not tell it within two seconds.
func (c *Client) DeletePrefix(ctx context.Context, project, prefix string, look func(*Job)) (Job, error) {
	q := url.Values{"prefix": {prefix}}
	if prefix == "" {
		q.Set("all", "true")
	}
	var answer struct {
		Job Job `json:"job"`
	}
	// To begin it twice is no harm: what the first job deleted the second does not
	// find.
	r := &request{method: http.MethodDelete, path: projectPath(project) + "/streams", query: q, safe: true}
	if err := c.beginJob(ctx, r, &answer); err != nil {
		return Job{}, err
	}
	if answer.Job.ID == "" {
		return Job{}, errors.New("the server named no job")
	}
	path := projectPath(project) + "/jobs/" + url.PathEscape(answer.Job.ID)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, jobPollMax) {
		look(&answer.Job)
		if !answer.Job.Running() {
			return answer.Job, nil
		}
		if err := c.opts.Sleep(ctx, wait); err != nil {
			return answer.Job, err
		}
		last := answer.Job
		answer.Job = Job{}
		if err := c.json(ctx, &request{method: http.MethodGet, path: path, safe: true}, &answer); err != nil {
			return last, err
		}
	}
}

// beginGrace is how long the answer that names a job is waited for after the end of
// the context.
const beginGrace = 2 * time.Second

// beginJob is json, but does not break off as soon as ctx ends: the server may have
// begun the job, and who does not know its name cannot cancel it.
func (c *Client) beginJob(ctx context.Context, r *request, into any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(beginGrace, cancel) })
	defer stop()
	return c.json(lasting, r, into)
}

// CancelJob ends a job before it is done. What it deleted is deleted.
func (c *Client) CancelJob(ctx context.Context, project, id string) error {
	answer, _, err := c.do(ctx, &request{method: http.MethodDelete, path: projectPath(project) + "/jobs/" + url.PathEscape(id), safe: true})
	if err != nil {
		return err
	}
	discard(answer)
	return nil
}

// MintedToken is a short-lived token for a URL or cookie, good for reading one
// stream.
type MintedToken struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// MintToken has the server make one. The life is rounded down to seconds, and the
// server may give less.
func (c *Client) MintToken(ctx context.Context, name string, life time.Duration) (MintedToken, error) {
	h := http.Header{"Token-Life": {strconv.FormatInt(int64(life/time.Second), 10)}}
	r := &request{method: http.MethodPost, path: "/v1/token/" + escapeName(name), header: h, body: []byte{}, safe: true}
	var t MintedToken
	err := c.json(ctx, r, &t)
	if err == nil && t.Token == "" {
		err = errors.New("the server gave no token")
	}
	return t, err
}
