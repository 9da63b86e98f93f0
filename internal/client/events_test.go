package client

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tailrace/internal/sse/ssetest"
)

// TestEventsAreThoseOfTheStandard compares with the reader that other tests of
// events use, on streams of what matters in them, cut anywhere.
func TestEventsAreThoseOfTheStandard(t *testing.T) {
	r := random(t)
	pieces := []string{"event:", "event: ", "data:", "data: ", "data", "control", "x", ":comment", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "id: 7", " "}
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(20) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		text := b.String()
		want := ssetest.NewReader(strings.NewReader(text))
		in := newEventReader(iotest.OneByteReader(strings.NewReader(text)))
		if r.IntN(2) == 0 {
			in = newEventReader(strings.NewReader(text))
		}
		for {
			w, wantErr := want.Next()
			got, err := in.next()
			if !errors.Is(err, wantErr) {
				t.Fatalf("%q: %v, want %v", text, err, wantErr)
			}
			if err != nil {
				break
			}
			kind := got.kind
			if kind == "" {
				kind = "message"
			}
			if kind != w.Type || string(got.data) != w.Data {
				t.Fatalf("%q: event %q %q, want %q %q", text, kind, got.data, w.Type, w.Data)
			}
		}
	}
}

// TestEventsComeWithoutWaitingForMore: nothing follows the empty line.
func TestEventsComeWithoutWaitingForMore(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		out, w := io.Pipe()
		go io.WriteString(w, "event:data"+end+"data:x"+end+end)
		if e, err := newEventReader(out).next(); err != nil || e.kind != "data" || string(e.data) != "x" {
			t.Errorf("%q: %+v, %v", end, e, err)
		}
		out.Close()
	}
}
