package proxytest

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// Location is built of what the proxy says of the client's URL, and not of what
// the client says of it.
func TestLocationIsTheClientsURL(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		res, _ := f.demand(http.StatusCreated, http.MethodPut, "/v1/stream/a/b", "", "Content-Type", plain,
			"X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "elsewhere.example")
		if got, want := res.Header.Get("Location"), f.url+"/v1/stream/a/b"; got != want || !strings.HasPrefix(want, "https:") {
			t.Errorf("Location %s, want %s", got, want)
		}
	})
}

// What is appended is read, in one piece and in the coding that the client wants.
func TestAppendsAreRead(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		f.create("/v1/stream/s")
		text := strings.Repeat("some text ", 1000)
		f.send("/v1/stream/s", text[:10])
		tail := f.send("/v1/stream/s", text[10:])
		res, got := f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "")
		if got != text || res.Header.Get("Stream-Next-Offset") != tail || res.Header.Get("Stream-Up-To-Date") != "true" {
			t.Errorf("%d bytes, %v, want %d up to %s", len(got), res.Header, len(text), tail)
		}
		res, got = f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "", "Accept-Encoding", "gzip")
		if res.Header.Get("Content-Encoding") != "gzip" || len(got) >= len(text) {
			t.Errorf("%d bytes in coding %q", len(got), res.Header.Get("Content-Encoding"))
		}
	})
}

// Who has it already is told so, without a body.
func TestConditionsArePassedOn(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		f.create("/v1/stream/s")
		f.send("/v1/stream/s", "one")
		res, _ := f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "")
		tag := res.Header.Get("ETag")
		res, body := f.demand(http.StatusNotModified, http.MethodGet, "/v1/stream/s?offset=-1", "", "If-None-Match", tag)
		if tag == "" || body != "" || res.Header.Get("ETag") != tag {
			t.Errorf("tag %q, then %q with %q", tag, res.Header.Get("ETag"), body)
		}
		f.send("/v1/stream/s", "two")
		if _, body := f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "", "If-None-Match", tag); body != "onetwo" {
			t.Errorf("after another append: %q", body)
		}
	})
}

// A path arrives as it was sent: names keep what is encoded in them, and what is
// no name is refused by the server in its own words.
func TestPathsArriveAsTheyAre(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		for _, path := range []string{"/v1/stream/any/thing%20else", "/v1/stream/a%252Fb", "/v1/stream/%C3%A4/%3Fx"} {
			f.create(path)
			f.send(path, path)
			if _, got := f.demand(http.StatusOK, http.MethodGet, path, ""); got != path {
				t.Errorf("%s has %q", path, got)
			}
		}
		for _, path := range []string{"/v1/stream/a//b", "/v1/stream/a%2Fb", "/v1/stream/a/%2e%2e/b"} {
			_, got := f.demand(http.StatusBadRequest, http.MethodGet, path, "")
			var answer struct{ Error struct{ Code string } }
			if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Error.Code != "invalid_path" {
				t.Errorf("%s: %.200s", path, got)
			}
		}
	})
}

// As large a body as the server takes comes through, and is read back; a larger
// one is refused, and the next request is served.
func TestLargeBodiesComeThrough(t *testing.T) {
	const most = 16 << 20 // of --body-bytes
	through(t, nil, func(t *testing.T, f *front) {
		b := make([]byte, most+1)
		rand.NewChaCha8([32]byte{1}).Read(b)
		body := string(b)
		f.create("/v1/stream/s")
		f.demand(http.StatusRequestEntityTooLarge, http.MethodPost, "/v1/stream/s", body, "Content-Type", plain)
		tail := f.send("/v1/stream/s", body[:most])
		res, got := f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "")
		if got != body[:most] || res.Header.Get("Stream-Next-Offset") != tail {
			t.Errorf("%d bytes came back, %v, want %d", len(got), res.Header, most)
		}
	})
}

// A body whose length is not known beforehand comes through as well.
func TestBodiesOfUnknownLengthComeThrough(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		f.create("/v1/stream/s")
		in, out := io.Pipe()
		go func() {
			for range 100 {
				io.WriteString(out, strings.Repeat("x", 1000))
			}
			out.Close()
		}()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/stream/s", in)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", plain)
		res, err := f.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		_, got := f.demand(http.StatusOK, http.MethodGet, "/v1/stream/s?offset=-1", "")
		if res.StatusCode != http.StatusNoContent || len(got) != 100_000 {
			t.Errorf("%s, then %d bytes", res.Status, len(got))
		}
	})
}
