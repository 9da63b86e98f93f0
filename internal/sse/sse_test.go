package sse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tailrace/internal/sse/ssetest"
)

var seed = flag.Int64("sse.seed", 0, "seed of the random tests; 0 takes one from the clock")

func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = time.Now().UnixNano()
	}
	t.Logf("-sse.seed=%d", s)
	return rand.New(rand.NewPCG(uint64(s), 0))
}

// split cuts b into parts, some of them empty.
func split(r *rand.Rand, b []byte) [][]byte {
	var parts [][]byte
	for len(b) > 0 && r.IntN(8) > 0 {
		n := min(r.IntN(5), len(b))
		parts = append(parts, b[:n])
		b = b[n:]
	}
	return append(parts, b, nil)[:len(parts)+1+r.IntN(2)]
}

var asLF = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// checkData encodes a payload, cut into parts, between two other events and
// holds that a reader gets it back, and nothing else. For JSON the payload is in
// the stored form.
func checkData(t *testing.T, enc Encoding, payload []byte, parts [][]byte) {
	t.Helper()
	control := Control{NextOffset: "1", Cursor: "2"}
	prefix := AppendControl(nil, control)
	encoded := AppendData(bytes.Clone(prefix), enc, parts...)
	if !bytes.HasPrefix(encoded, prefix) {
		t.Fatalf("%v of %q changed the bytes before it", enc, parts)
	}
	if !bytes.Equal(bytes.Join(parts, nil), payload) {
		t.Fatalf("%v of %q changed its parts to %q", enc, payload, parts)
	}
	if whole := AppendData(bytes.Clone(prefix), enc, payload); !bytes.Equal(whole, encoded) {
		t.Fatalf("%v of %q depends on the parts %q: %q, %q", enc, payload, parts, whole, encoded)
	}
	encoded = AppendControl(encoded, control)

	events := ssetest.Parse(encoded)
	if len(events) != 3 || events[1].Type != "data" || events[1].ID != "" || events[2] != events[0] {
		t.Fatalf("%v of %q reads as %q", enc, parts, events)
	}
	data := events[1].Data
	switch enc {
	case Text:
		if want := asLF.Replace(string(payload)); data != want {
			t.Fatalf("%v of %q reads as %q, want %q", enc, parts, data, want)
		}
	case Base64:
		got, err := base64.StdEncoding.Strict().DecodeString(data)
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%v of %q reads as %q, decodes to %q, %v", enc, parts, data, got, err)
		}
	case JSON:
		// Without the whitespace between tokens both are the same bytes: numbers,
		// order and duplicates of keys included.
		var got, want bytes.Buffer
		array := "[" + strings.TrimSuffix(string(payload), ",") + "]"
		if err := json.Compact(&want, []byte(array)); err != nil {
			t.Fatalf("the test's own array %q: %v", array, err)
		}
		if err := json.Compact(&got, []byte(data)); err != nil || got.String() != want.String() {
			t.Fatalf("%v of %q reads as %q, want the values of %q: %v", enc, parts, data, array, err)
		}
	}

	// Not one line that the event does not consist of: a client that knows more
	// fields than the standard gets nothing from the payload either.
	fields := ssetest.ParseFields(encoded)
	lines := strings.Count(data, "\n") + 1
	if len(fields) != 3+1+lines+1+3 || fields[3] != (ssetest.Field{Name: "event", Value: "data"}) {
		t.Fatalf("%v of %q has the lines %q", enc, parts, fields)
	}
	if enc == Base64 && lines != 1 {
		t.Fatalf("%v of %q has %d lines, want 1", enc, parts, lines)
	}
	for _, f := range fields[4 : 4+lines] {
		if f.Name != "data" {
			t.Fatalf("%v of %q has the line %q", enc, parts, f)
		}
	}
}

func TestDataEventsHaveTheseBytes(t *testing.T) {
	for _, c := range []struct {
		enc   Encoding
		parts []string
		want  string
	}{
		{Text, []string{"hello"}, "data:hello\n"},
		{Text, nil, "data:\n"},
		{Text, []string{""}, "data:\n"},
		{Text, []string{"a\nb"}, "data:a\ndata:b\n"},
		{Text, []string{"a\r\nb\rc\n"}, "data:a\ndata:b\ndata:c\ndata:\n"},
		{Text, []string{"\n\n"}, "data:\ndata:\ndata:\n"},
		{Text, []string{"\n\r"}, "data:\ndata:\ndata:\n"},
		{Text, []string{"a\r", "\nb"}, "data:a\ndata:b\n"},
		{Text, []string{"a\r", "", "\nb"}, "data:a\ndata:b\n"},
		{Text, []string{"a\r", "\r\n"}, "data:a\ndata:\ndata:\n"},
		{Text, []string{"a\r", "\n", "\n"}, "data:a\ndata:\ndata:\n"},
		{Text, []string{" two\n  spaces"}, "data:  two\ndata:   spaces\n"},
		{Text, []string{"\xe2\x82", "\xac"}, "data:€\n"},
		{Text, []string{"x\n\nevent: control\ndata: {}\n\nid: 1"}, "data:x\ndata:\ndata:event: control\ndata:data: {}\ndata:\ndata:id: 1\n"},
		{Text, []string{"\xff\x00\u2028\u0085\v\f"}, "data:\xff\x00\u2028\u0085\v\f\n"},
		{JSON, nil, "data:[]\n"},
		{JSON, []string{"", ""}, "data:[]\n"},
		{JSON, []string{`{"k":"v"},`}, "data:[{\"k\":\"v\"}]\n"},
		{JSON, []string{`1,2,`, `3,`, ``}, "data:[1,2,3]\n"},
		{JSON, []string{"{\r\n  \"a\": \"\\n\"\r},"}, "data:[{\ndata:   \"a\": \"\\n\"\ndata:}]\n"},
		{Base64, nil, "data:\n"},
		{Base64, []string{"", ""}, "data:\n"},
		{Base64, []string{"\xfb\xff\xfe"}, "data:+//+\n"},
		{Base64, []string{"a"}, "data:YQ==\n"},
		{Base64, []string{"a", "b"}, "data:YWI=\n"},
		{Base64, []string{"a", "", "b", "cdef", "g"}, "data:YWJjZGVmZw==\n"},
	} {
		var parts [][]byte
		for _, p := range c.parts {
			parts = append(parts, []byte(p))
		}
		want := "event: data\n" + c.want + "\n"
		if got := AppendData(nil, c.enc, parts...); string(got) != want {
			t.Errorf("AppendData(%v, %q) = %q, want %q", c.enc, c.parts, got, want)
		}
		checkData(t, c.enc, bytes.Join(parts, nil), parts)
	}
}

func TestControlEventsHaveTheseBytes(t *testing.T) {
	for _, c := range []struct {
		control Control
		want    string
	}{
		{Control{NextOffset: "0_5", Cursor: "1000"}, `{"streamNextOffset":"0_5","streamCursor":"1000"}`},
		{Control{NextOffset: "0_5", Cursor: "1000", UpToDate: true}, `{"streamNextOffset":"0_5","streamCursor":"1000","upToDate":true}`},
		{Control{NextOffset: "0_5"}, `{"streamNextOffset":"0_5"}`},
		{Control{NextOffset: "0_5", Cursor: "1000", Closed: true}, `{"streamNextOffset":"0_5","upToDate":true,"streamClosed":true}`},
		{Control{NextOffset: "\"\\\r\n\x00é"}, `{"streamNextOffset":"\"\\\u000d\u000a\u0000é"}`},
	} {
		want := "event: control\ndata:" + c.want + "\n\n"
		if got := AppendControl(nil, c.control); string(got) != want {
			t.Errorf("AppendControl(%+v) = %q, want %q", c.control, got, want)
		}
	}
}

func TestCommentsAreNoEvents(t *testing.T) {
	stream := AppendComment(nil)
	stream = AppendComment(AppendData(stream, Text, []byte("a")))
	r := ssetest.NewReader(bytes.NewReader(stream))
	if e, err := r.Next(); err != nil || e != (ssetest.Event{Type: "data", Data: "a"}) {
		t.Errorf("Next = %q, %v, want the data event", e, err)
	}
	if e, err := r.Next(); err == nil {
		t.Errorf("a comment reads as %q", e)
	}
	if r.Comments() != 2 {
		t.Errorf("%d comments, want 2", r.Comments())
	}
}

func TestReadersGetBackAnyPayload(t *testing.T) {
	r := random(t)
	pieces := []string{"\r", "\n", "\r\n", " ", "a", ":", "data: ", "event: x", "id: 1", "retry: 1", "é", "\xff", "\x00", "\ufeff"}
	messages := []string{"1,", "{\"a\":\r\n1},", "[\n],", "\"\\n,\",", "\"é\"\n\r,"}
	for range 20_000 {
		var text, stored []byte
		for range r.IntN(12) {
			text = append(text, pieces[r.IntN(len(pieces))]...)
			stored = append(stored, messages[r.IntN(len(messages))]...)
		}
		checkData(t, Text, text, split(r, text))
		checkData(t, Base64, text, split(r, text))
		checkData(t, JSON, stored, split(r, stored))
	}
}

func TestAppendDataRefusesBytesThatAreNoMessages(t *testing.T) {
	for _, parts := range [][][]byte{
		{[]byte(`{"a":1}`)},
		{[]byte(`1,`), []byte("\n")},
		{[]byte("\r"), []byte("\n")},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("JSON of %q did not panic", parts)
				}
			}()
			AppendData(nil, JSON, parts...)
		}()
	}
}

func TestEncodersAllocateNothingIntoAWarmBuffer(t *testing.T) {
	if raceEnabled {
		t.Log("counts are not exact under the race detector")
		return
	}
	dst := make([]byte, 0, 1024)
	first, second := []byte("{\"a\":\r"), []byte("\n\"two words\"},")
	allocs := testing.AllocsPerRun(1000, func() {
		b := AppendComment(dst)
		for _, enc := range []Encoding{Text, JSON, Base64} {
			b = AppendData(b, enc, first, second)
		}
		AppendControl(b, Control{NextOffset: "0000000000000000_0000000000000005", Cursor: "12345", UpToDate: true})
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
