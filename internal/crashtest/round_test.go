package crashtest

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// round is the life of one server under load. Whoever works in it goes on until
// the server does not answer.
type round struct {
	v          *verdict
	killed     atomic.Bool  // set before the kill: from then on silence is no fault
	overloaded atomic.Int64 // answers that ask to come later
	acked      atomic.Int64 // appends that were acknowledged

	outages bool // a bucket comes and goes: who reads may be told to come later, or be cut

	// final rounds end with everything answered and read instead of a kill.
	final   bool
	targets map[*track]string // where followers are done
	overdue atomic.Bool       // followers give up
}

// backOff is how long a client waits that was told to come later. The answer
// asks for a second, made for clients that have one.
const backOff = 2 * time.Millisecond

// call sends a request and returns the answer; false means that the server is
// gone, or that the answer is one that no healthy server gives. A server that
// has too much to do is asked again: it has done nothing yet, so the caller
// need not know.
func (r *round) call(c *client, q request) (answer, bool) {
	a, err := c.do(q)
	for err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" {
		r.overloaded.Add(1)
		<-time.After(backOff)
		a, err = c.do(q)
	}
	if err != nil {
		r.silence(q, err)
		return a, false
	}
	if a.status >= http.StatusInternalServerError {
		r.v.add(refused, "%s %s: %v", q.method, q.name, a)
		return a, false
	}
	return a, true
}

// silence judges a request that was not answered.
func (r *round) silence(q request, err error) {
	if !r.killed.Load() {
		r.v.add(refused, "%s %s %v: not answered by a server that lives: %v", q.method, q.name, q.query, err)
	}
}

// open sends a request whose answer has no end.
func (r *round) open(ctx context.Context, c *client, q request) (io.ReadCloser, bool) {
	resp, err := c.open(ctx, q)
	for err == nil && r.outages && resp.StatusCode == http.StatusServiceUnavailable {
		resp.Body.Close()
		r.overloaded.Add(1)
		<-time.After(backOff)
		resp, err = c.open(ctx, q)
	}
	if err != nil {
		r.silence(q, err)
		return nil, false
	}
	if resp.StatusCode != http.StatusOK {
		r.v.add(refused, "%s %s %v: %v", q.method, q.name, q.query, resp.Status)
		resp.Body.Close()
		return nil, false
	}
	return resp.Body, true
}
