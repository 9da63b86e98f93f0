package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// backoff spaces the repetitions of one request, or of one reader. It is for one
// goroutine.
type backoff struct {
	client *Client
	failed int       // attempts since the last success
	since  time.Time // of the first of them
}

// reset is called when something was achieved.
func (b *backoff) reset() { b.failed = 0 }

// pause waits before the request is repeated that ended with err, or returns the
// error to give up with. after is what the server asked to wait at least.
func (b *backoff) pause(ctx context.Context, err error, after time.Duration) error {
	o := &b.client.opts
	if b.failed == 0 {
		b.since = time.Now()
	}
	b.failed++
	if o.Patience < 0 {
		return err
	}
	bound := o.BackoffMax
	if n := b.failed - 1; n < 30 {
		bound = min(bound, o.BackoffMin<<n)
	}
	// Everything below the bound is as likely, so that many clients that failed
	// together do not come back together. That holds after Retry-After too, which
	// is the same for all of them.
	wait := after + time.Duration(o.Rand()*float64(bound))
	if time.Since(b.since)+wait > o.Patience {
		return err
	}
	if o.Again != nil {
		o.Again(err, b.failed)
	}
	if canceled := o.Sleep(ctx, wait); canceled != nil {
		return fmt.Errorf("%w, before it could be repeated: %w", canceled, err)
	}
	return nil
}

// do sends a request until it is answered, as long as patience lasts. The answer
// has a status below 300, or is one of those that the request accepts; the caller
// closes it. uncertain reports whether an earlier attempt may have had effect.
func (c *Client) do(ctx context.Context, r *request) (answer *http.Response, uncertain bool, err error) {
	b := backoff{client: c}
	for {
		answer, err := c.attempt(ctx, r)
		if err == nil {
			return answer, uncertain, nil
		}
		again, after := r.mayRepeat(ctx, err)
		if !again {
			return nil, uncertain, err
		}
		if refused := (*Error)(nil); !errors.As(err, &refused) || refused.unknown() {
			uncertain = true
		}
		if err := b.pause(ctx, err, after); err != nil {
			return nil, uncertain, err
		}
	}
}

// mayRepeat judges an error.
func (r *request) mayRepeat(ctx context.Context, err error) (again bool, after time.Duration) {
	if ctx.Err() != nil {
		return false, 0
	}
	var refused *Error
	if errors.As(err, &refused) {
		return refused.passes() || r.safe && refused.unknown(), refused.RetryAfter
	}
	return r.safe && !permanent(err), 0
}
