package fuzz

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var offsetToken = regexp.MustCompile(`^[0-9]{16}_[0-9]{16}$`)

// offsetHouse is opened once: no offset may change anything in it.
var offsetHouse = sync.OnceValue(func() *house {
	t := &testing.T{} // its end is that of the process
	h := openHouse(t, newClock())
	h.ask(t, "PUT", streamURL("open"), []string{"Content-Type: text/plain"}, []byte("one"))
	h.ask(t, "POST", streamURL("open"), []string{"Content-Type: text/plain"}, []byte("two"))
	h.ask(t, "PUT", streamURL("shut"), []string{"Content-Type: text/plain", "Stream-Closed: true"}, []byte("end"))
	return h
})

// askOffset gives the same offset in all places there are, and holds the
// answers to the one grammar.
func askOffset(t testing.TB, text string) {
	h := offsetHouse()
	token := offsetToken.MatchString(text)
	want := 400
	if token || text == "-1" || text == "0" || text == "now" {
		want = 200
	}
	read := func(query string) answer {
		t.Helper()
		a := h.ask(t, "GET", streamURL("open")+"?"+query, nil, nil)
		if a.StatusCode != want || want == 400 && a.code != "invalid_offset" {
			t.Fatalf("offset %q as %q is %d %s, want %d", text, query, a.StatusCode, a.code, want)
		}
		return a
	}
	a := read("offset=" + url.QueryEscape(text))
	if want == 200 {
		next := a.Header.Get("Stream-Next-Offset")
		if !offsetToken.MatchString(next) || !a.has("Stream-Up-To-Date") {
			t.Fatalf("offset %q: next is %q, up to date %t", text, next, a.has("Stream-Up-To-Date"))
		}
		if !strings.HasSuffix("onetwo", string(a.body)) {
			t.Fatalf("offset %q reads %q", text, a.body)
		}
		if token && text < next && len(a.body) == 0 || token && text >= next && len(a.body) != 0 {
			t.Fatalf("offset %q, tail %q, reads %q", text, next, a.body)
		}
		if again := h.ask(t, "GET", streamURL("open")+"?offset="+next, nil, nil); len(again.body) > 0 || again.Header.Get("Stream-Next-Offset") != next {
			t.Fatalf("the next offset %q reads %q", next, again.body)
		}
	}
	if !strings.ContainsAny(text, "#&+%") && strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0 {
		read("offset=" + text)
	}

	if text == "" || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return // no value of a header
	}
	trimmed := strings.Trim(text, " ")
	code := "invalid_offset"
	if offsetToken.MatchString(trimmed) {
		code = "stream_closed"
	}
	a = h.ask(t, "POST", streamURL("shut"), []string{"Content-Type: text/plain", "Stream-Expected-Offset: " + text}, []byte("x"))
	if a.code != code {
		t.Fatalf("Stream-Expected-Offset %q is %d %q, want %q", text, a.StatusCode, a.code, code)
	}
	if code == "stream_closed" {
		code = "config_mismatch"
	}
	a = h.ask(t, "PUT", streamURL("open"), []string{"Stream-Forked-From: /v1/stream/shut", "Stream-Fork-Offset: " + text}, nil)
	if a.code != code {
		t.Fatalf("Stream-Fork-Offset %q is %d %q, want %q", text, a.StatusCode, a.code, code)
	}
	h.check(t)
}

var someOffsets = []string{
	"", "0", "-1", "now", "0000000000000000_0000000000000000", "0000000000000000_0000000000000008",
	"0000000000000000_0000000000000016", "0000000000000001_0000000000000000", "9999999999999999_9999999999999999",
	"00000000000000000_000000000000000", "+000000000000000_0000000000000000", "0000000000000000_000000000000000\xd9\xa0",
	"0000000000000000-0000000000000000", "0000000000000000x0000000000000000", " 0000000000000000_0000000000000000", "NOW", "00", "-2", "0x10", "%30", "a b",
}

// TestOffsetsHaveOneGrammar asks for offsets that are nearly right.
func TestOffsetsHaveOneGrammar(t *testing.T) {
	for _, text := range someOffsets {
		askOffset(t, text)
	}
}

// FuzzOffset asks for arbitrary ones.
func FuzzOffset(f *testing.F) {
	for _, text := range someOffsets {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return // too large for a request line is another law
		}
		askOffset(t, text)
	})
}
