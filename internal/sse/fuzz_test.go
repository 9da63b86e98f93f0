package sse

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"tailrace/internal/sse/ssetest"
)

// FuzzSSE sends any payload in all encodings and reads it back with a parser
// that shares no code with the encoder. cut decides where the parts begin.
func FuzzSSE(f *testing.F) {
	f.Add([]byte("x\r\n\nevent: control\rdata: {}\n\nid: 1"), uint64(1))
	f.Fuzz(func(t *testing.T, payload []byte, cut uint64) {
		r := rand.New(rand.NewPCG(cut, 0))
		checkData(t, Text, payload, split(r, payload))
		checkData(t, Base64, payload, split(r, payload))

		// What is no JSON goes into a string, so that each input tries JSON too.
		stored := append(append([]byte{}, payload...), ',')
		if !json.Valid(payload) {
			message, err := json.Marshal(string(payload))
			if err != nil {
				t.Fatal(err)
			}
			stored = append(message, ',')
		}
		stored = append(stored, stored...)
		checkData(t, JSON, stored, split(r, stored))
	})
}

// FuzzControl holds that neither offset nor cursor can end its string.
func FuzzControl(f *testing.F) {
	f.Add("0_5", "1\"\n\ndata: x", true, false)
	f.Fuzz(func(t *testing.T, offset, cursor string, upToDate, closed bool) {
		events := ssetest.Parse(AppendControl(nil, Control{NextOffset: offset, Cursor: cursor, UpToDate: upToDate, Closed: closed}))
		if len(events) != 1 || events[0].Type != "control" || events[0].ID != "" {
			t.Fatalf("AppendControl(%q, %q) reads as %q", offset, cursor, events)
		}
		var got struct {
			StreamNextOffset       *string
			StreamCursor           string
			UpToDate, StreamClosed bool
		}
		d := json.NewDecoder(strings.NewReader(events[0].Data))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil || d.More() || got.StreamNextOffset == nil {
			t.Fatalf("AppendControl(%q, %q) carries %q: %v", offset, cursor, events[0].Data, err)
		}
		wantCursor := cursor
		if closed {
			wantCursor = ""
		}
		if got.UpToDate != (upToDate || closed) || got.StreamClosed != closed {
			t.Fatalf("AppendControl(upToDate %v, closed %v) carries %q", upToDate, closed, events[0].Data)
		}
		// encoding/json replaces what is not UTF-8, so there is nothing to compare.
		if utf8.ValidString(offset) && *got.StreamNextOffset != offset || utf8.ValidString(cursor) && got.StreamCursor != wantCursor {
			t.Fatalf("AppendControl(%q, %q) carries %q", offset, cursor, events[0].Data)
		}
	})
}
