package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Error is a request that the server refused.
type Error struct {
	Status    int
	Code      string // as in docs/errors.md; "" if something else than tailrace answered
	Message   string
	RequestID string // "" if the server gave none

	RetryAfter time.Duration // 0 if the server did not say
	Header     http.Header   // of the answer

	mute bool // it had no room to tell more: it answers a HEAD
}

func (e *Error) Error() string {
	text := e.Code + ": " + e.Message
	if e.Code == "" {
		text = fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
		if !e.mute {
			text += ", and no answer of tailrace"
		}
	}
	if e.RequestID != "" {
		text += " (request id " + e.RequestID + ")"
	}
	return text
}

// IsNotFound reports whether an error says that a stream, job or project is not
// there: 404, or 410 of a stream that is kept for its forks only. With
// authentication on, it may be there all the same, for others.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Code == "gone")
}

// passes reports whether the same request may succeed later, and certainly did
// nothing so far.
func (e *Error) passes() bool {
	switch e.Status {
	case http.StatusTooManyRequests:
		// The number of producers does not go down by waiting.
		return e.Code != "too_many_producers"
	case http.StatusServiceUnavailable, http.StatusRequestTimeout:
		return e.Code != ""
	}
	return false
}

// unknown reports whether the answer leaves open what happened: a gateway gave up
// waiting for the server.
func (e *Error) unknown() bool {
	switch e.Status {
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable:
		return e.Code == ""
	}
	return false
}

// errorOf reads an answer that is a refusal, and closes it.
func errorOf(r *http.Response) *Error {
	defer r.Body.Close()
	e := &Error{Status: r.StatusCode, Header: r.Header, RetryAfter: retryAfter(r.Header)}
	e.RequestID = r.Header.Get("X-Request-Id")
	var envelope struct {
		Error struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, errorBytesMax))
	if err == nil && json.Unmarshal(body, &envelope) == nil && envelope.Error.Code != "" {
		e.Code, e.Message = envelope.Error.Code, envelope.Error.Message
		if envelope.Error.RequestID != "" {
			e.RequestID = envelope.Error.RequestID
		}
		return e
	}
	// An answer to HEAD has no body to tell more.
	if r.Request != nil && r.Request.Method == http.MethodHead {
		e.Code, e.Message, e.mute = headCode(r.StatusCode), http.StatusText(r.StatusCode), true
	}
	return e
}

// headCode names what a HEAD cannot tell. Whether a 503 comes from tailrace or from
// what is in front of it stays open.
func headCode(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusGone:
		return "gone"
	case status < 500:
		return "status_" + strconv.Itoa(status)
	}
	return ""
}

// retryAfter is the wait that an answer asks for, by seconds or by a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
