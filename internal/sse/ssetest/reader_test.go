package ssetest

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestReaderFollowsTheStandard(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   []Event
	}{
		// The first four are examples of the standard.
		"lines are joined":           {"data: YHOO\ndata: +2\ndata: 10\n\n", []Event{{Type: "message", Data: "YHOO\n+2\n10"}}},
		"ids, comments, no last end": {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event", []Event{{"message", "first event", "1"}, {"message", "second event", ""}}},
		"empty data is an event":     {"data\n\ndata\ndata\n\ndata:", []Event{{Type: "message"}, {Type: "message", Data: "\n"}}},
		"one space is dropped":       {"data:test\n\ndata: test\n\n", []Event{{Type: "message", Data: "test"}, {Type: "message", Data: "test"}}},

		"only one space":            {"data:  a \n\n", []Event{{Type: "message", Data: " a "}}},
		"no tab":                    {"data:\ta\n\n", []Event{{Type: "message", Data: "\ta"}}},
		"CR":                        {"data: a\rdata: b\r\r", []Event{{Type: "message", Data: "a\nb"}}},
		"CRLF":                      {"data: a\r\ndata: b\r\n\r\n", []Event{{Type: "message", Data: "a\nb"}}},
		"mixed ends":                {"data: a\rdata: b\ndata: c\r\n\n", []Event{{Type: "message", Data: "a\nb\nc"}}},
		"LF CR is two ends":         {"data: a\n\rdata: b\n\n", []Event{{Type: "message", Data: "a"}, {Type: "message", Data: "b"}}},
		"byte order mark":           {"\ufeffdata: a\n\n", []Event{{Type: "message", Data: "a"}}},
		"only one, only first":      {"\ufeff\ufeffdata: a\n\n\ufeffdata: b\n\ndata: \ufeff\n\n", []Event{{Type: "message", Data: "\ufeff"}}},
		"type":                      {"event: x\ndata: a\n\ndata: b\n\n", []Event{{Type: "x", Data: "a"}, {Type: "message", Data: "b"}}},
		"last type wins":            {"event: x\nevent: y\ndata: a\n\n", []Event{{Type: "y", Data: "a"}}},
		"type without data is none": {"event: x\n\ndata: a\n\n", []Event{{Type: "message", Data: "a"}}},
		"id stays":                  {"id: 7\n\ndata: a\n\ndata: b\n\n", []Event{{"message", "a", "7"}, {"message", "b", "7"}}},
		"id with NUL is ignored":    {"id: 7\ndata: a\n\nid: 8\x00\ndata: b\n\n", []Event{{"message", "a", "7"}, {"message", "b", "7"}}},
		"names are exact":           {"Data: a\n data: b\ndata : c\ndatax: d\n\n", nil},
		"colons in the value":       {"data: a: b:c\n\n", []Event{{Type: "message", Data: "a: b:c"}}},
		"comment in an event":       {"data: a\n:data: x\n: \ndata: b\n\n", []Event{{Type: "message", Data: "a\nb"}}},
		"bytes are kept":            {"data: \xff\x00\xc3\n\n", []Event{{Type: "message", Data: "\xff\x00\xc3"}}},
		"nothing":                   {"", nil},
		"no empty line":             {"data: a\n", nil},
	} {
		if got := Parse([]byte(c.stream)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Parse(%q) = %q, want %q", name, c.stream, got, c.want)
		}
	}
}

func TestReaderDoesNotDependOnThePieces(t *testing.T) {
	const stream = "\ufeffid: 1\r\nevent: x\r\ndata: é\r\n\r\ndata: b\r\r:c\n\ndata\n\n"
	want := Parse([]byte(stream))
	if len(want) != 3 {
		t.Fatalf("Parse = %q, want 3 events", want)
	}
	r := NewReader(iotest.OneByteReader(strings.NewReader(stream)))
	for _, w := range want {
		if e, err := r.Next(); err != nil || e != w {
			t.Errorf("Next = %q, %v, want %q", e, err, w)
		}
	}
	if e, err := r.Next(); err != io.EOF {
		t.Errorf("Next at the end = %q, %v, want io.EOF", e, err)
	}
	if r.Comments() != 1 {
		t.Errorf("%d comments, want 1", r.Comments())
	}
}

// A test of a live server waits for each event, so none may be held back until
// the byte after it has come.
func TestReaderReturnsAnEventWithItsLastByte(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\n\r", "\r\r"} {
		lost := errors.New("asked for more")
		r := NewReader(io.MultiReader(strings.NewReader("data: a"+end), iotest.ErrReader(lost)))
		if e, err := r.Next(); err != nil || e.Data != "a" {
			t.Errorf("end %q: Next = %q, %v, want the event", end, e, err)
		}
		if _, err := r.Next(); err != lost {
			t.Errorf("end %q: Next after it = %v, want the reader's error", end, err)
		}
	}
}

func TestReaderGoesOnAfterAnError(t *testing.T) {
	r := NewReader(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("data: a\n\n"))))
	if _, err := r.Next(); err != iotest.ErrTimeout {
		t.Fatalf("Next = %v, want a timeout", err)
	}
	if e, err := r.Next(); err != nil || e.Data != "a" {
		t.Errorf("Next after the timeout = %q, %v, want the event", e, err)
	}
}

func TestReaderKeepsRetryAndLastID(t *testing.T) {
	r := NewReader(strings.NewReader("retry: 1500\nid: a\n\ndata: 1\n\nretry: 12x\nretry:\nretry: -1\nretry: 99999999999999999999\nid: b\ndata: 2\n\nid: c\n"))
	if _, err := r.Next(); err != nil || r.Retry() != 1500*time.Millisecond || r.LastID() != "a" {
		t.Errorf("after the first event: %v, retry %v, id %q", err, r.Retry(), r.LastID())
	}
	if _, err := r.Next(); err != nil || r.Retry() != 1500*time.Millisecond || r.LastID() != "b" {
		t.Errorf("after the second event: %v, retry %v, id %q", err, r.Retry(), r.LastID())
	}
	if _, err := r.Next(); err != io.EOF || r.LastID() != "b" {
		t.Errorf("an id without an empty line took effect: %v, id %q", err, r.LastID())
	}
}

func TestParseFieldsShowsEveryLine(t *testing.T) {
	got := ParseFields([]byte("event: x\r\ndata\n: c\nfoo:bar\n\n:\nlost"))
	want := []Field{{"event", "x"}, {"data", ""}, {":", " c"}, {"foo", "bar"}, {}, {":", ""}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ParseFields = %q, want %q", got, want)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\ufeffid: 1\r\nevent: x\rdata: a\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		want := Parse(stream)
		r := NewReader(iotest.OneByteReader(strings.NewReader(string(stream))))
		for _, w := range want {
			if e, err := r.Next(); err != nil || e != w {
				t.Fatalf("in single bytes: Next = %q, %v, want %q", e, err, w)
			}
			if w.Type == "" || strings.ContainsAny(w.Type+w.ID, "\r\n") || strings.Contains(w.Data, "\r") {
				t.Fatalf("event %q holds an end of line", w)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Fatalf("in single bytes: %v after %d events, want io.EOF", err, len(want))
		}
	})
}
