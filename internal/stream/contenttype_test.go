package stream

import (
	"strings"
	"testing"
)

func TestSameContentType(t *testing.T) {
	var others []string
	for _, group := range [][]string{
		{"text/plain", "TEXT/Plain", " text/plain ", "text/plain;", "text/plain; charset=utf-8", "text/plain;charset=UTF-8", `text/plain; charset="Utf-8"`, "text/plain ; CHARSET=utf-8"},
		{"text/plain; charset=latin1", "text/plain;CHARSET=latin1", `text/plain; charset="latin1"`},
		{"text/plain; charset=Latin1"},
		{"text/plain; a=1; b=2", "text/plain;b=2;a=1", `text/plain; A="1"; charset=utf-8; b=2`},
		{"text/plain; a=1"},
		{"text/plain; a=2"},
		{"text/plain; a=X"},
		{"text/plain; a=x"},
		// One parameter whose value looks like two.
		{`text/plain; a="1;b=2"`},
		{`text/plain; a="1; b=2"`},
		{"application/json", "Application/JSON", "application/json; charset=utf-8"},
		{"application/json;charset=utf8"},
		{"application/json; profile=x"},
		{"application/ld+json"},
		{"application/octet-stream"},
		{"multipart/mixed; boundary=a"},
		{"multipart/mixed; boundary=A"},
		// Not well formed: the same only as itself.
		{"text/plain; charset", "TEXT/plain; charset"},
		{"text/plain; charset=utf-8; charset=latin1"},
		{""},
	} {
		for _, a := range group {
			for _, b := range group {
				if !SameContentType(a, b) {
					t.Errorf("%q and %q differ", a, b)
				}
			}
		}
		for _, other := range others {
			for _, a := range group {
				if SameContentType(a, other) || SameContentType(other, a) {
					t.Errorf("%q and %q are the same", a, other)
				}
			}
		}
		others = append(others, group...)
	}
}

func TestContentTypeModes(t *testing.T) {
	for _, c := range []struct {
		contentType string
		json, text  bool
	}{
		{"application/json", true, false},
		{"Application/JSON", true, false},
		{" application/json ;charset=utf-8", true, false},
		{"application/json; charset=latin1", true, false},
		{"application/json;", true, false},
		{"application/problem+json", false, false},
		{"application/jsonl", false, false},
		{"application/json-seq", false, false},
		{"text/json", false, true},
		{"text/plain", false, true},
		{"TEXT/html; charset=utf-8", false, true},
		{"text", false, false},
		{"texts/plain", false, false},
		{"application/text", false, false},
		{"application/octet-stream", false, false},
		{"application/octet-stream; as=application/json", false, false},
		{"", false, false},
	} {
		if IsJSON(c.contentType) != c.json || IsText(c.contentType) != c.text {
			t.Errorf("%q: json %t, text %t", c.contentType, IsJSON(c.contentType), IsText(c.contentType))
		}
	}
}

func TestValidContentType(t *testing.T) {
	for _, s := range []string{
		"text/plain", "TEXT/PLAIN", "application/json; charset=utf-8", `text/plain; a="b;c"`, "application/vnd.x+json",
		"text/plain;", " text/plain", "a/b", "x-a/x-b; c=d; e=f",
	} {
		if !ValidContentType(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		"", " ", "/", "text", "text/", "/plain", "text/plain/x", "text plain", "text/pl ain", "text/plain, text/html",
		"text/plain; charset", "text/plain; =x", "text/plain; a=1; a=2", "text/plain\r\nX: y", "text/plain; a=\"b", "tex\x00t/plain",
		"inline", "form-data; name=x", "text/plain; a=b c", "*", "t\u00e9xt/plain",
	} {
		if ValidContentType(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

// TestSameContentTypeIsSymmetric includes what no parser likes.
func TestSameContentTypeIsSymmetric(t *testing.T) {
	r := newRand(newSeed(t))
	pieces := []string{"text", "/", "plain", ";", "charset", "=", "utf-8", "\"", "a", " ", "b", "A", "\\"}
	random := func() string {
		var b strings.Builder
		b.WriteString("text/plain")
		for range r.IntN(10) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	for range 20_000 {
		a, b := random(), random()
		if SameContentType(a, b) != SameContentType(b, a) || !SameContentType(a, a) {
			t.Fatalf("%q and %q", a, b)
		}
		if SameContentType(a, b) && (IsJSON(a) != IsJSON(b) || IsText(a) != IsText(b)) {
			t.Fatalf("%q and %q are the same, but not their modes", a, b)
		}
	}
}
