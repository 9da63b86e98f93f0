package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// request is one that can be sent several times.
type request struct {
	method string
	path   string // escaped, from /v1 on
	query  url.Values
	header http.Header
	body   []byte

	safe    bool          // nothing happens twice if it is repeated
	written func()        // called when it is on its way, maybe several times
	open    *atomic.Int32 // bodies that the transport may still read; nil = not counted
}

var (
	errStalled = errors.New("the server does not move: nothing came for too long")
	errLarge   = errors.New("the answer is too large to be one of tailrace")
)

// permanent reports whether an error that is no answer will be the same next
// time: a certificate, or a mistake of the request itself.
func permanent(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		record  tls.RecordHeaderError
	)
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &record) ||
		errors.Is(err, errLarge)
}

// attempt sends a request once. An answer that is not a success is an *Error.
func (c *Client) attempt(ctx context.Context, r *request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := &watch{timer: time.AfterFunc(c.opts.Stall, func() { cancel(errStalled) }), stall: c.opts.Stall}
	end := func() {
		watch.timer.Stop()
		cancel(nil)
	}
	req, err := c.newRequest(ctx, r, watch)
	if err != nil {
		end()
		return nil, err
	}
	answer, err := c.http.Do(req)
	if err != nil {
		err = causeOf(ctx, err)
		end()
		return nil, err
	}
	watch.moved()
	answer.Body = &watchedBody{ReadCloser: answer.Body, watch: watch, ctx: ctx, end: end}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	return nil, errorOf(answer)
}

func (c *Client) newRequest(ctx context.Context, r *request, watch *watch) (*http.Request, error) {
	if r.written != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { r.written() }})
	}
	target := c.base.root + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.body) > 0:
		req.Body, req.ContentLength = r.newBody(watch), int64(len(r.body))
		// net/http asks for the body again if the connection it took from the pool
		// was closed before anything was sent.
		req.GetBody = func() (io.ReadCloser, error) { return r.newBody(watch), nil }
	case r.body != nil:
		req.Body = http.NoBody
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "tailrace")
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	return req, nil
}

// causeOf says why a request ended, if it was us.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	// "Post \"http://…\": " in front says nothing that the user does not know.
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// watch ends a request in which nothing moves.
type watch struct {
	timer *time.Timer
	stall time.Duration
}

func (w *watch) moved() { w.timer.Reset(w.stall) }

// newBody is a body that moves the watch as it is sent.
func (r *request) newBody(w *watch) io.ReadCloser {
	if r.open != nil {
		r.open.Add(1)
	}
	return &sentBody{in: bytes.NewReader(r.body), watch: w, open: r.open}
}

// sentBody may be read by the transport after the request has ended, from which
// point on its bytes may be those of another append. So nothing is read of one
// that was closed.
type sentBody struct {
	watch *watch
	open  *atomic.Int32

	mu     sync.Mutex
	in     *bytes.Reader
	closed bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.watch.moved()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	return b.in.Read(p)
}

func (b *sentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && b.open != nil {
		b.open.Add(-1)
	}
	b.closed = true
	return nil
}

// watchedBody is the body of an answer. Closing it ends the request.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	ctx   context.Context
	end   func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watch.moved()
	}
	if err != nil && err != io.EOF {
		err = causeOf(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// discard reads what is left of a small answer, so that its connection can be
// used again.
func discard(answer *http.Response) {
	io.CopyN(io.Discard, answer.Body, errorBytesMax)
	answer.Body.Close()
}

// json sends a request and decodes its answer. One that breaks off is asked for
// again, which is why the request has to be safe.
func (c *Client) json(ctx context.Context, r *request, into any) error {
	b := backoff{client: c}
	for {
		answer, _, err := c.do(ctx, r)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax+1))
		answer.Body.Close()
		switch {
		case err == nil && len(body) > answerBytesMax:
			return errLarge
		case err == nil:
			if err := json.Unmarshal(body, into); err != nil {
				return fmt.Errorf("the answer to %s %s is not what it should be: %w", r.method, r.path, err)
			}
			return nil
		case !r.safe || ctx.Err() != nil:
			return err
		}
		if err := b.pause(ctx, err, 0); err != nil {
			return err
		}
	}
}
