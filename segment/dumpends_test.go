package segment

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// endsOf is what the disk keeps of a segment whose blocks are elsewhere.
func endsOf(t testing.TB, b []byte) []byte {
	return slices.Concat(b[:headerBytes], b[open(t, b).BlocksEnd():])
}

// The ends of a segment are listed as in the listing of the whole.
func TestDumpOfTheEndsIsThatOfTheSegment(t *testing.T) {
	b := smallSegment(t)
	var whole, ends strings.Builder
	if err := Dump(&whole, bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	kept := endsOf(t, b)
	if err := DumpEnds(&ends, bytes.NewReader(kept), int64(len(kept))); err != nil {
		t.Fatalf("%v\n%s", err, ends.String())
	}
	without := regexp.MustCompile(`(?s)block at .*?page of`).ReplaceAllString(whole.String(), "page of")
	if got := regexp.MustCompile(`left out\n.*\n`).ReplaceAllString(ends.String(), ""); got != without || got == ends.String() {
		t.Errorf("the ends are listed as\n%s\nof the segment\n%s", ends.String(), whole.String())
	}
}

func TestDumpOfTheEndsShowsTheFault(t *testing.T) {
	pristine := endsOf(t, smallSegment(t))
	footer := len(pristine) - footerBytes
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		fault  string
	}{
		{"nothing", func([]byte) []byte { return nil }, "header is cut short"},
		{"header", func(b []byte) []byte { b[20] ^= 1; return b }, "header does not match"},
		{"header alone", func(b []byte) []byte { return b[:headerBytes] }, "file is cut short"},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, "no footer"},
		{"length of the blocks", func(b []byte) []byte { b[footer+14] ^= 1; return b }, "footer does not match"},
		{"page", func(b []byte) []byte { b[headerBytes+20] ^= 1; return b }, "page does not match"},
		{"a byte more", func(b []byte) []byte { return slices.Insert(b, headerBytes, 0) }, "do not fill the file"},
		{"a segment", func([]byte) []byte { return smallSegment(t) }, "do not fill the file"},
	} {
		b := c.damage(bytes.Clone(pristine))
		var out strings.Builder
		err := DumpEnds(&out, bytes.NewReader(b), int64(len(b)))
		if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(out.String(), c.fault) {
			t.Errorf("%s: %v, want %s\n%s", c.name, err, c.fault, out.String())
		}
	}
}
