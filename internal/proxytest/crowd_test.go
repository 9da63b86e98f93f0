package proxytest

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// crowd is how many live readers there may be, and are.
const crowd = 100

// A crowd of readers shares one connection to the proxy; each of them gets
// everything, and counts at the server for itself. Who leaves makes room there,
// whether it says so or its connection is gone.
func TestACrowdOnOneConnection(t *testing.T) {
	through(t, []string{"--live-readers", strconv.Itoa(crowd)}, func(t *testing.T, f *front) {
		f.create("/v1/stream/s")
		readers := make([]*events, crowd)
		enter := func(i int) {
			t.Helper()
			e, status := f.follow("/v1/stream/s", "now")
			if status != http.StatusOK {
				t.Fatalf("reader %d: status %d", i, status)
			}
			e.next("control")
			readers[i] = e
		}
		for i := range readers {
			enter(i)
		}
		if n := f.conns.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		if _, status := f.follow("/v1/stream/s", "now"); status != http.StatusServiceUnavailable {
			t.Fatalf("one reader too many: status %d", status)
		}
		everybody := func(message string) {
			t.Helper()
			f.send("/v1/stream/s", message)
			for i, e := range readers {
				if got := e.next("data"); got != message {
					t.Fatalf("reader %d got %q, want %q", i, got, message)
				}
			}
		}
		everybody("one")

		readers[7].leave()
		readers[7] = f.admitted("/v1/stream/s")
		everybody("two")

		f.hangUp()
		for i := range readers {
			readers[i] = f.admitted("/v1/stream/s")
		}
		everybody("three")
		if n := f.conns.Load(); n != 2 {
			t.Errorf("%d connections after one was lost", n)
		}
	})
}

// admitted follows a stream as soon as there is room for a reader. That somebody
// has left is seen by it only.
func (f *front) admitted(path string) *events {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	for {
		e, status := f.follow(path, "now")
		switch {
		case status == http.StatusOK:
			e.next("control")
			return e
		case status != http.StatusServiceUnavailable:
			f.t.Fatalf("status %d", status)
		}
		select {
		case <-time.After(10 * time.Millisecond): // it is another process that has to notice
		case <-ctx.Done():
			f.t.Fatal("a reader who left is there for the server")
		}
	}
}
