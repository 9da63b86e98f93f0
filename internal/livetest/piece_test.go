package livetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// piece is what a reader got in one step.
type piece struct {
	from, next offset
	data       []byte // nil: nothing, not even an empty body
	sse        bool   // lines have lost their ends
}

// judge compares a piece with the truth. It is not known yet if a part of it
// was not acknowledged so far.
func (tr *track) judge(p piece) (known bool, err error) {
	parts, known, err := tr.between(p.from, p.next)
	if !known || err != nil {
		return known, err
	}
	want := bytes.Join(parts, nil)
	got := p.data
	switch {
	case tr.kind == jsonKind && (len(parts) > 0 || len(got) > 0):
		want = append(append([]byte("["), bytes.TrimSuffix(want, []byte(","))...), ']')
		if equalJSON(got, want) {
			return true, nil
		}
	case tr.kind == textKind && p.sse:
		want = foldLines(want)
	}
	if bytes.Equal(got, want) {
		return true, nil
	}
	return true, fmt.Errorf("%s, %v, from %d to %d: %s", tr.id, tr.kind, p.from, p.next, difference(got, want))
}

// foldLines makes LF of all ends of line.
func foldLines(b []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// equalJSON compares by value. Numbers are compared as they are written.
func equalJSON(got, want []byte) bool {
	if bytes.Equal(got, want) {
		return true
	}
	var g, w any
	return decodeJSON(got, &g) == nil && decodeJSON(want, &w) == nil && reflect.DeepEqual(g, w)
}

func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value")
	}
	return nil
}

// difference tells where two contents part.
func difference(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	excerpt := func(b []byte) []byte { return b[max(0, at-40):min(len(b), at+80)] }
	return fmt.Sprintf("%d bytes, want %d; from byte %d they differ: %q, want %q", len(got), len(want), at, excerpt(got), excerpt(want))
}
