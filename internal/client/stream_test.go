package client

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLifeOfAStream(t *testing.T) {
	c := newClient(t, Options{Server: serveStore(t, "tcp")})
	ctx := t.Context()
	name := "acme/a b/ü%?#"
	made, err := c.Create(ctx, name, CreateOptions{ContentType: "text/plain", TTL: time.Hour, KeepAge: time.Minute, KeepBytes: 1000})
	if err != nil || made.Existed || made.ContentType != "text/plain" || made.Next == "" {
		t.Fatalf("%+v, %v", made, err)
	}
	if again, err := c.Create(ctx, name, CreateOptions{ContentType: "text/plain", TTL: time.Hour, KeepAge: time.Minute, KeepBytes: 1000}); err != nil || !again.Existed {
		t.Errorf("%+v, %v", again, err)
	}
	var refused *Error
	if _, err := c.Create(ctx, name, CreateOptions{}); !errors.As(err, &refused) || refused.Code != "config_mismatch" || refused.Status != 409 {
		t.Errorf("another configuration: %v", err)
	}
	appended, err := c.Append(ctx, name, AppendRequest{ContentType: "text/plain", Body: []byte("one"), Producer: &Producer{ID: "p"}})
	if err != nil || appended.Duplicate || appended.Next <= made.Next {
		t.Errorf("%+v, %v", appended, err)
	}
	appended, err = c.Append(ctx, name, AppendRequest{ContentType: "text/plain", Body: []byte("one"), Producer: &Producer{ID: "p"}})
	if err != nil || !appended.Duplicate {
		t.Errorf("%+v, %v", appended, err)
	}
	if fork, err := c.Create(ctx, "fork", CreateOptions{From: name, FromOffset: made.Next}); err != nil || fork.ContentType != "text/plain" || fork.Next != made.Next {
		t.Errorf("%+v, %v", fork, err)
	}
	info, err := c.Head(ctx, name)
	if err != nil || info.TTL != "3600" || info.KeepAge != "60" || info.KeepBytes != "1000" || info.Closed || info.Next != appended.Next || info.JSON() {
		t.Errorf("%+v, %v", info, err)
	}
	for range 2 {
		if next, err := c.CloseStream(ctx, name); err != nil || next != appended.Next {
			t.Errorf("close: %s, %v", next, err)
		}
	}
	at, err := c.Read(ctx, name, FromStart, func(*Batch) error { return nil })
	if err != nil || !at.Closed || !at.UpToDate || at.Next != appended.Next || at.ContentType != "text/plain" {
		t.Errorf("%+v, %v", at, err)
	}
	if err := errors.Join(c.Delete(ctx, "fork"), c.Delete(ctx, name)); err != nil {
		t.Error(err)
	}
	if _, err := c.Head(ctx, name); !IsNotFound(err) {
		t.Errorf("after the deletion: %v", err)
	}
	if err := c.Delete(ctx, name); !IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestPublicStreamsAreAskedForByAHeader(t *testing.T) {
	got := make(chan http.Header, 1)
	c := newClient(t, Options{Token: "secret", Server: handle(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		w.WriteHeader(http.StatusCreated)
	})})
	if _, err := c.Create(t.Context(), "a", CreateOptions{Public: true, ExpiresAt: "2030-01-01T00:00:00Z"}); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for name, want := range map[string]string{"Stream-Access": "public-read", "Stream-Expires-At": "2030-01-01T00:00:00Z", "Authorization": "Bearer secret"} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}

func TestTimesAreWholeSeconds(t *testing.T) {
	c := newClient(t, Options{Server: "http://127.0.0.1:1"})
	for _, o := range []CreateOptions{{TTL: 1500 * time.Millisecond}, {KeepAge: -time.Second}} {
		if _, err := c.Create(t.Context(), "a", o); err == nil || !strings.Contains(err.Error(), "whole seconds") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestReadGoesOnUpToTheTail(t *testing.T) {
	c := newClient(t, Options{Server: serveStore(t, "tcp")})
	mustCreate(t, c, "a", "application/octet-stream")
	r := random(t)
	var want []byte
	for range 40 {
		body := make([]byte, 100_000)
		for i := range body {
			body[i] = byte(r.Uint32())
		}
		mustAppend(t, c, "a", "application/octet-stream", body)
		want = append(want, body...)
	}
	var g gatherer
	batches, offsets := 0, []string{FromStart}
	at, err := c.Read(t.Context(), "a", "", func(b *Batch) error {
		batches++
		offsets = append(offsets, b.Next)
		return g.each(b)
	})
	if err != nil || batches < 3 || !bytes.Equal(g.Bytes(), want) {
		t.Errorf("%d batches, %d bytes of %d, %v", batches, g.Len(), len(want), err)
	}
	if at.Next != offsets[len(offsets)-1] || !at.UpToDate || at.Closed {
		t.Errorf("%+v", at)
	}
	// From the offset of a batch on comes the rest.
	var rest gatherer
	if _, err := c.Read(t.Context(), "a", offsets[2], rest.each); err != nil || !bytes.HasSuffix(want, rest.Bytes()) || rest.Len() == 0 {
		t.Errorf("%d bytes, %v", rest.Len(), err)
	}
	// Who takes it may end it; the position is behind what was taken.
	stop := errors.New("enough")
	n := 0
	at, err = c.Read(t.Context(), "a", "", func(*Batch) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || at.Next != offsets[1] {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestUnixSocket(t *testing.T) {
	c := newClient(t, Options{Server: serveStore(t, "unix")})
	mustCreate(t, c, "a", "text/plain")
	mustAppend(t, c, "a", "text/plain", []byte("through a socket"))
	if got := content(t, c, "a"); string(got) != "through a socket" {
		t.Errorf("read %q", got)
	}
}
