package client

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
)

// Producer is a place in the sequence of an idempotent producer. The server takes
// each only once, and in order from 0 in every epoch.
type Producer struct {
	ID         string
	Epoch, Seq uint64
}

// AppendRequest is one append.
type AppendRequest struct {
	ContentType string // that of the stream
	Body        []byte
	Producer    *Producer // nil: then it is not repeated if its outcome is unknown
	Close       bool      // close the stream in the same step

	StreamSeq      string // "" = none
	ExpectedOffset string // append only at this tail; "" = anywhere
}

// Appended is an append that the server has on its disk.
type Appended struct {
	Next      string // the offset of the tail
	Duplicate bool   // the server had it already
	Closed    bool
}

// Append appends once, however often it has to be sent, if there is a producer.
func (c *Client) Append(ctx context.Context, name string, a AppendRequest) (Appended, error) {
	answer, _, err := c.do(ctx, a.request(name))
	if err != nil {
		return Appended{}, err
	}
	defer discard(answer)
	return appendedOf(answer), nil
}

func (a *AppendRequest) request(name string) *request {
	h := make(http.Header)
	setHeader(h, "Content-Type", a.ContentType)
	setHeader(h, "Stream-Seq", a.StreamSeq)
	setHeader(h, "Stream-Expected-Offset", a.ExpectedOffset)
	if a.Close {
		h.Set("Stream-Closed", "true")
	}
	if p := a.Producer; p != nil {
		h.Set("Producer-Id", p.ID)
		h.Set("Producer-Epoch", strconv.FormatUint(p.Epoch, 10))
		h.Set("Producer-Seq", strconv.FormatUint(p.Seq, 10))
	}
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	return &request{
		method: http.MethodPost, path: streamPath(name), header: h, body: body,
		safe: a.Producer != nil, open: new(atomic.Int32),
	}
}

func appendedOf(answer *http.Response) Appended {
	return Appended{
		Next: answer.Header.Get("Stream-Next-Offset"),
		// To a producer, 200 means new.
		Duplicate: answer.StatusCode == http.StatusNoContent && answer.Header.Get("Producer-Seq") != "",
		Closed:    isTrue(answer.Header, "Stream-Closed"),
	}
}

// isAhead reports whether an append was refused because one before it in the
// sequence is not there yet.
func isAhead(err error, seq uint64) bool {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusConflict {
		return false
	}
	expected, err := strconv.ParseUint(e.Header.Get("Producer-Expected-Seq"), 10, 64)
	return err == nil && expected < seq
}
