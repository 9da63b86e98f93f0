package client

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CreateOptions says what stream to create. The zero value is an open stream of
// bytes that keeps everything for good.
type CreateOptions struct {
	ContentType string // default application/octet-stream; of a fork, that of its source

	TTL       time.Duration // lives that long after its last use, in whole seconds; 0 = for good
	ExpiresAt string        // the end of its life, as RFC 3339 writes it; "" = none

	Public bool // anybody may read it, if the server asks for credentials

	From       string // the stream to fork; "" = none
	FromOffset string // where; "" = its tail

	KeepAge   time.Duration // keeps each append that long, in whole seconds; 0 = for good
	KeepBytes int64         // keeps that many bytes; 0 = all

	Closed bool // nothing can be appended
}

// Created is a stream that is there now.
type Created struct {
	Existed     bool   // it was there before, with the same configuration
	ContentType string // of the stream
	Next        string // the offset of its tail
}

// Create makes a stream. Of one that exists with the same configuration it says
// so; of one with another, the error is 409 config_mismatch. If the connection
// broke in between, a stream that it made may be told as one that existed.
func (c *Client) Create(ctx context.Context, name string, o CreateOptions) (Created, error) {
	h := make(http.Header)
	setHeader(h, "Content-Type", o.ContentType)
	setHeader(h, "Stream-Expires-At", o.ExpiresAt)
	if err := errors.Join(setSeconds(h, "Stream-TTL", o.TTL), setSeconds(h, "Stream-Retention-Age", o.KeepAge)); err != nil {
		return Created{}, err
	}
	if o.KeepBytes != 0 {
		h.Set("Stream-Retention-Bytes", strconv.FormatInt(o.KeepBytes, 10))
	}
	if o.Public {
		h.Set("Stream-Access", "public-read")
	}
	if o.From != "" {
		h.Set("Stream-Forked-From", streamPath(o.From))
		setHeader(h, "Stream-Fork-Offset", o.FromOffset)
	}
	if o.Closed {
		h.Set("Stream-Closed", "true")
	}
	answer, _, err := c.do(ctx, &request{method: http.MethodPut, path: streamPath(name), header: h, body: []byte{}, safe: true})
	if err != nil {
		return Created{}, err
	}
	defer discard(answer)
	return Created{
		Existed:     answer.StatusCode == http.StatusOK,
		ContentType: answer.Header.Get("Content-Type"),
		Next:        answer.Header.Get("Stream-Next-Offset"),
	}, nil
}

func setHeader(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// setSeconds sets a header in seconds. The server has no smaller unit, and to
// round a life would be to change it.
func setSeconds(h http.Header, name string, d time.Duration) error {
	if d == 0 {
		return nil
	}
	if d < 0 || d%time.Second != 0 {
		return fmt.Errorf("%s: %v is not a number of whole seconds", name, d)
	}
	h.Set(name, strconv.FormatInt(int64(d/time.Second), 10))
	return nil
}

// Info is what a stream says of itself.
type Info struct {
	ContentType string `json:"content_type"`
	Next        string `json:"next_offset"`               // of its tail
	Earliest    string `json:"earliest_offset,omitempty"` // if it has dropped anything
	Closed      bool   `json:"closed"`
	TTL         string `json:"ttl_seconds,omitempty"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	KeepAge     string `json:"retention_age_seconds,omitempty"`
	KeepBytes   string `json:"retention_bytes,omitempty"`
	Access      string `json:"access,omitempty"`
}

// JSON reports whether the stream holds JSON values rather than bytes.
func (i *Info) JSON() bool { return isJSON(i.ContentType) }

// isJSON is the rule of the protocol: application/json, with or without
// parameters.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil && t == "" {
		t, _, _ = strings.Cut(contentType, ";")
		t = strings.ToLower(strings.TrimSpace(t))
	}
	return t == "application/json"
}

func isText(contentType string) bool {
	return len(contentType) >= 5 && strings.EqualFold(contentType[:5], "text/")
}

// Head asks how a stream is. It does not count as a use of it.
func (c *Client) Head(ctx context.Context, name string) (Info, error) {
	answer, _, err := c.do(ctx, &request{method: http.MethodHead, path: streamPath(name), safe: true})
	if err != nil {
		return Info{}, err
	}
	defer answer.Body.Close()
	h := answer.Header
	return Info{
		ContentType: h.Get("Content-Type"), Next: h.Get("Stream-Next-Offset"), Earliest: h.Get("Stream-Earliest-Offset"),
		Closed: isTrue(h, "Stream-Closed"), TTL: h.Get("Stream-TTL"), ExpiresAt: h.Get("Stream-Expires-At"),
		KeepAge: h.Get("Stream-Retention-Age"), KeepBytes: h.Get("Stream-Retention-Bytes"), Access: h.Get("Stream-Access"),
	}, nil
}

func isTrue(h http.Header, name string) bool { return strings.EqualFold(h.Get(name), "true") }

// CloseStream ends a stream: nothing can be appended any more. It returns the
// offset of its end. Closing a closed stream succeeds.
func (c *Client) CloseStream(ctx context.Context, name string) (next string, err error) {
	h := http.Header{"Stream-Closed": {"true"}}
	answer, _, err := c.do(ctx, &request{method: http.MethodPost, path: streamPath(name), header: h, body: []byte{}, safe: true})
	if err != nil {
		return "", err
	}
	defer discard(answer)
	return answer.Header.Get("Stream-Next-Offset"), nil
}

// Delete deletes a stream. If it was lost on the way whether that worked, a
// stream that is gone then counts as deleted.
func (c *Client) Delete(ctx context.Context, name string) error {
	answer, uncertain, err := c.do(ctx, &request{method: http.MethodDelete, path: streamPath(name), safe: true})
	if uncertain && IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	discard(answer)
	return nil
}
