package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Live is how a reader waits for what comes.
type Live int

const (
	// LiveAuto is event streams, and long-polls where an event stream would not
	// deliver the bytes as they are: it ends each line of a text with LF, however
	// it ended.
	LiveAuto Live = iota
	LiveSSE
	LiveLongPoll
)

// TailOptions say how to follow a stream.
type TailOptions struct {
	From string // an offset, FromStart or FromNow; "" = FromStart
	Live Live
}

// Tail delivers what a stream has from an offset on and then what is appended,
// until the stream is closed or the context ends. A connection that ends or
// breaks is replaced by another, which goes on at the offset that was reached.
func (c *Client) Tail(ctx context.Context, name string, o TailOptions, each func(*Batch) error) (Position, error) {
	r := c.newReader(name, o.From, each)
	if err := r.catchUp(ctx); err != nil {
		return r.at, err
	}
	live := r.follow
	if o.Live == LiveLongPoll || o.Live == LiveAuto && isText(r.at.ContentType) {
		live = r.poll
	}
	for !r.at.Closed {
		if err := live(ctx); err != nil {
			return r.at, err
		}
	}
	return r.at, nil
}

// poll waits for one answer.
func (r *reader) poll(ctx context.Context) error {
	_, err := r.fetch(ctx, "long-poll")
	return err
}

// follow reads one event stream to its end.
func (r *reader) follow(ctx context.Context) error {
	answer, err := r.client.attempt(ctx, r.request("sse"))
	if err == nil {
		var told bool
		told, err = r.events(answer)
		answer.Body.Close()
		var own *takenError
		switch {
		case errors.As(err, &own):
			return own.err
		case err == nil && told:
			return nil // the server ends each stream after a while
		case err == nil:
			err = io.ErrUnexpectedEOF
		}
	}
	return r.pause(ctx, err)
}

// takenError is an error that ends the reader, above all one of whoever takes what was read.
type takenError struct{ err error }

func (e *takenError) Error() string { return e.err.Error() }

// control is the event that follows those with data.
type control struct {
	Next     string `json:"streamNextOffset"`
	Cursor   string `json:"streamCursor"`
	UpToDate bool   `json:"upToDate"`
	Closed   bool   `json:"streamClosed"`
}

// events reads events until the stream ends. Data counts when the control event
// after it has told where it ends. told reports whether there was one: a server, or
// what is in front of it, may accept requests and answer nothing.
func (r *reader) events(answer *http.Response) (told bool, err error) {
	if t := answer.Header.Get("Content-Type"); !strings.HasPrefix(t, "text/event-stream") {
		return false, &takenError{fmt.Errorf("the server answers live=sse with %q", t)}
	}
	coded := answer.Header.Get("Stream-SSE-Data-Encoding") == "base64"
	in := newEventReader(answer.Body)
	r.body.Reset()
	for {
		e, err := in.next()
		if errors.Is(err, io.EOF) {
			return told, nil
		}
		if err != nil {
			return told, err
		}
		switch e.kind {
		case "data":
			err = r.gather(e.data, coded)
		case "control":
			told = true
			r.wait.reset()
			err = r.advance(e.data)
		}
		if err != nil || r.at.Closed {
			return told, err
		}
	}
}

// gather keeps the data of an event.
func (r *reader) gather(data []byte, coded bool) error {
	if r.body.Len()+len(data) > batchBytesMax {
		return errLarge
	}
	if !coded {
		r.body.Write(data)
		return nil
	}
	start := r.body.Len()
	r.body.Grow(base64.StdEncoding.DecodedLen(len(data)))
	room := r.body.AvailableBuffer()
	n, err := base64.StdEncoding.Decode(room[:cap(room)], data) // it skips line ends
	if err != nil {
		r.body.Truncate(start)
		return fmt.Errorf("data event: %w", err)
	}
	r.body.Write(room[:n])
	return nil
}

// advance delivers what was kept, as a control event says.
func (r *reader) advance(data []byte) error {
	var c control
	if err := json.Unmarshal(data, &c); err != nil {
		return &takenError{fmt.Errorf("control event %.80q: %w", data, err)}
	}
	if c.Next == "" {
		return &takenError{fmt.Errorf("control event %.80q has no offset", data)}
	}
	if err := r.hand(r.body.Bytes(), c.Next); err != nil {
		return &takenError{err}
	}
	r.body.Reset()
	if c.Cursor != "" {
		r.cursor = c.Cursor
	}
	r.at.UpToDate, r.at.Closed = c.UpToDate || c.Closed, c.Closed
	return nil
}
