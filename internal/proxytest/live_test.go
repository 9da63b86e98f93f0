package proxytest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
)

// Each event is there before the next append is sent, so none waits in the proxy
// for more to come.
func TestEventsArriveOneByOne(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		f.create("/v1/stream/s")
		e, status := f.follow("/v1/stream/s", "now")
		if status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		defer e.leave()
		e.next("control") // the reader is at the tail, and has been told
		for i := range 20 {
			message := fmt.Sprintf("message %d", i)
			f.send("/v1/stream/s", message)
			if got := e.next("data"); got != message {
				t.Fatalf("event %q, want %q", got, message)
			}
			e.next("control")
		}
	})
}

// A long-poll is answered by the append that it waits for.
func TestLongPollsAreAnsweredByNews(t *testing.T) {
	through(t, nil, func(t *testing.T, f *front) {
		tail := f.create("/v1/stream/s")
		type answer struct {
			res  *http.Response
			body string
			err  error
		}
		for i := range 10 {
			sent, answers := make(chan struct{}), make(chan answer, 1)
			go func(offset string) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
				res, err := f.ask(ctx, http.MethodGet, "/v1/stream/s?live=long-poll&offset="+offset, "")
				if err != nil {
					answers <- answer{err: err}
					return
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				answers <- answer{res, string(body), err}
			}(tail)
			<-sent
			message := fmt.Sprintf("message %d", i)
			tail = f.send("/v1/stream/s", message)
			a := <-answers
			if a.err != nil || a.res.StatusCode != http.StatusOK || a.body != message || a.res.Header.Get("Stream-Next-Offset") != tail {
				t.Fatalf("poll %d: %+v %q, %v; want %q up to %s", i, a.res, a.body, a.err, message, tail)
			}
		}
	})
}

// A long-poll without news is ended by the server, and not by the proxy.
func TestLongPollsEndByThemselves(t *testing.T) {
	through(t, []string{"--long-poll-timeout", "200ms"}, func(t *testing.T, f *front) {
		tail := f.create("/v1/stream/s")
		res, _ := f.demand(http.StatusNoContent, http.MethodGet, "/v1/stream/s?live=long-poll&offset="+tail, "")
		if got := res.Header.Get("Stream-Next-Offset"); got != tail {
			t.Errorf("offset %s, want %s", got, tail)
		}
	})
}
