package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Places to begin at that are not offsets.
const (
	FromStart = "-1"
	FromNow   = "now"
)

// Batch is a part of a stream: whole appends.
type Batch struct {
	Data []byte // of a JSON stream, one array; valid until the function that got it returns
	JSON bool   // the stream is one of JSON values
	Next string // the offset that follows
}

// Position is how far a reader has come.
type Position struct {
	Next        string // the offset to go on from; what a read began from if it got nothing
	ContentType string
	UpToDate    bool // it was the tail
	Closed      bool // it was the end of a closed stream
}

// Read delivers what a stream has from an offset on up to its tail, or up to the
// end if it is closed. It goes on where it was after a connection that broke. An
// error of each ends it, as it is. The position is good in any case: everything
// before it was delivered.
func (c *Client) Read(ctx context.Context, name, from string, each func(*Batch) error) (Position, error) {
	r := c.newReader(name, from, each)
	err := r.catchUp(ctx)
	return r.at, err
}

// reader is where a reader of a stream is.
type reader struct {
	client *Client
	name   string
	each   func(*Batch) error

	at     Position
	cursor string
	body   bytes.Buffer
	batch  Batch
	wait   backoff
}

func (c *Client) newReader(name, from string, each func(*Batch) error) *reader {
	if from == "" {
		from = FromStart
	}
	return &reader{client: c, name: name, each: each, at: Position{Next: from}, wait: backoff{client: c}}
}

func (r *reader) catchUp(ctx context.Context) error {
	for !r.at.UpToDate {
		if _, err := r.fetch(ctx, ""); err != nil {
			return err
		}
	}
	return nil
}

// fetch asks for what comes next, until an answer has arrived whole, and delivers
// it. live is "" or "long-poll". status is that of the answer.
func (r *reader) fetch(ctx context.Context, live string) (status int, err error) {
	for {
		answer, err := r.client.attempt(ctx, r.request(live))
		if err == nil {
			err = r.receive(answer)
			answer.Body.Close()
			if err == nil {
				r.wait.reset()
				return answer.StatusCode, r.deliver(answer)
			}
		}
		if err := r.pause(ctx, err); err != nil {
			return 0, err
		}
	}
}

// pause waits before the next attempt, or returns the error to give up with.
func (r *reader) pause(ctx context.Context, err error) error {
	again, after := (&request{safe: true}).mayRepeat(ctx, err)
	if !again {
		return err
	}
	return r.wait.pause(ctx, err, after)
}

func (r *reader) request(live string) *request {
	q := url.Values{"offset": {r.at.Next}}
	if live != "" {
		q.Set("live", live)
		if r.cursor != "" {
			q.Set("cursor", r.cursor)
		}
	}
	return &request{method: http.MethodGet, path: streamPath(r.name), query: q, safe: true}
}

// receive reads the body of an answer.
func (r *reader) receive(answer *http.Response) error {
	r.body.Reset()
	n, err := r.body.ReadFrom(io.LimitReader(answer.Body, batchBytesMax+1))
	if err == nil && n > batchBytesMax {
		return errLarge
	}
	return err
}

func (r *reader) deliver(answer *http.Response) error {
	h := answer.Header
	next := h.Get("Stream-Next-Offset")
	if next == "" {
		return fmt.Errorf("the answer has no Stream-Next-Offset: %s is no stream", r.name)
	}
	if cursor := h.Get("Stream-Cursor"); cursor != "" {
		r.cursor = cursor
	}
	if t := h.Get("Content-Type"); t != "" && answer.StatusCode == http.StatusOK {
		r.at.ContentType = t
	}
	before, upToDate, closed := r.at.Next, isTrue(h, "Stream-Up-To-Date"), isTrue(h, "Stream-Closed")
	if answer.StatusCode == http.StatusOK && next == before && !upToDate && !closed {
		return fmt.Errorf("the server answers nothing at %s and says that there is more", next)
	}
	if err := r.hand(r.body.Bytes(), next); err != nil {
		return err
	}
	r.at.UpToDate, r.at.Closed = upToDate || closed, closed
	return nil
}

// hand delivers bytes. The position moves when they were taken.
func (r *reader) hand(data []byte, next string) error {
	json := isJSON(r.at.ContentType)
	if len(data) > 0 && !(json && isEmptyArray(data)) {
		r.batch = Batch{Data: data, JSON: json, Next: next}
		if err := r.each(&r.batch); err != nil {
			return err
		}
	}
	r.at.Next = next
	return nil
}

func isEmptyArray(data []byte) bool {
	return len(data) < 16 && string(bytes.Join(bytes.Fields(data), nil)) == "[]"
}
