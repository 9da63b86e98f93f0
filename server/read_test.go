package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/stream"
)

func TestReadStartsWhereItIsTold(t *testing.T) {
	f := start(t)
	f.create("a", "one", text)
	f.append("a", "two", text)
	for query, want := range map[string]string{
		"":                     "onetwo",
		"?":                    "onetwo",
		"?offset=-1":           "onetwo",
		"?offset=0":            "onetwo",
		"?offset=%2D1":         "onetwo",
		"?offset=" + token(0):  "onetwo",
		"?offset=" + token(3):  "onetwo",
		"?offset=" + token(8):  "two",
		"?offset=" + token(9):  "two",
		"?offset=" + token(16): "",
		"?offset=" + token(17): "",
		"?offset=now":          "",
		"?offset=0000000000000001_0000000000000000": "",
		"?offset=9999999999999999_9999999999999999": "",
		"?unknown=1&offset=-1&more":                 "onetwo",
	} {
		r := f.do("GET", root+"a"+query, "").want(t, 200)
		if r.body != want {
			t.Errorf("%s reads %q, want %q", query, r.body, want)
		}
		r.wantHeaders(t, "Content-Type: text/plain", "Stream-Next-Offset: "+token(16),
			"Stream-Up-To-Date: true", "Stream-Closed:", fmt.Sprintf("Content-Length: %d", len(want)))
	}
}

func TestClosureIsToldAtTheEndOnly(t *testing.T) {
	f := start(t)
	big := strings.Repeat("x", 400_000)
	f.create("a", big, text)
	for range 3 {
		f.append("a", big, text)
	}
	f.append("a", "", "Stream-Closed: true")
	r := f.do("GET", root+"a", "").want(t, 200)
	r.wantHeaders(t, "Stream-Closed:", "Stream-Up-To-Date:")
	if len(r.body) != 2*len(big) {
		t.Errorf("read %d bytes, want two appends", len(r.body))
	}
	r = f.do("GET", root+"a?offset="+r.Header.Get("Stream-Next-Offset"), "").want(t, 200)
	r.wantHeaders(t, "Stream-Closed: true", "Stream-Up-To-Date: true")
	r = f.do("GET", root+"a?offset="+r.Header.Get("Stream-Next-Offset"), "").want(t, 200)
	r.wantHeaders(t, "Stream-Closed: true", "Stream-Up-To-Date: true")
	if r.body != "" {
		t.Errorf("read %d bytes at the end", len(r.body))
	}
	f.do("GET", root+"a?offset=now", "").want(t, 200).wantHeaders(t, "Stream-Closed: true", "Cache-Control: no-store")
}

func TestNowIsNeverCached(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	f.create("j", "[1]", jsonCT)
	f.do("GET", root+"a?offset=now", "").want(t, 200).wantHeaders(t, "ETag:", "Cache-Control: no-store", "Stream-Next-Offset: "+token(10))
	if r := f.do("GET", root+"j?offset=now", "").want(t, 200); r.body != "[]" {
		t.Errorf("read %q", r.body)
	}
	f.do("GET", root+"a?offset=now", "", "If-None-Match: *").want(t, 200)
}

func TestLargeReadsAreWhole(t *testing.T) {
	f := start(t)
	for _, ct := range []string{jsonCT, text} {
		name := strings.TrimPrefix(ct, "Content-Type: ")[:4]
		f.create(name, "", ct)
		var want strings.Builder
		for i := range 50 {
			part := fmt.Sprintf("%q", strings.Repeat(string(rune('a'+i%26)), 3000))
			f.append(name, part, ct)
			if ct == jsonCT && i > 0 {
				want.WriteByte(',')
			}
			want.WriteString(part)
		}
		expected := want.String()
		if ct == jsonCT {
			expected = "[" + expected + "]"
		}
		c := f.dial()
		for range 3 { // the buffers of a connection are used again
			if r := c.send(f.request("GET", root+name, "")).read("GET"); r.body != expected {
				t.Errorf("%s: read %d bytes, want %d", name, len(r.body), len(expected))
			}
			c.send(f.request("GET", root+name+"?offset=now", "")).read("GET").want(t, 200)
		}
	}
}

func TestETagTellsWhatIsTheSame(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text)
	get := func(query string, headers ...string) *response { return f.do("GET", root+"a"+query, "", headers...) }
	first := get("").Header.Get("ETag")
	if first == "" || get("").Header.Get("ETag") != first {
		t.Fatalf("the same read has the tags %q and %q", first, get("").Header.Get("ETag"))
	}
	seen := map[string]string{first: "first"}
	differs := func(what string, r *response) {
		tag := r.want(t, 200).Header.Get("ETag")
		if seen[tag] != "" {
			t.Errorf("%s has the tag %s of %s", what, tag, seen[tag])
		}
		seen[tag] = what
	}
	differs("another range", get("?offset="+token(10)))
	f.append("a", "x", text)
	differs("a longer stream", get(""))
	get("", "If-None-Match: "+first).want(t, 200)
	f.append("a", "", "Stream-Closed: true")
	differs("a closed stream", get(""))
	f.do("DELETE", root+"a", "").want(t, 204)
	f.create("a", "12345", text)
	differs("its successor", get(""))
}

func TestNotModifiedSaysTheSameAsTheRead(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text, "Stream-Closed: true")
	r := f.do("GET", root+"a", "").want(t, 200)
	tag := r.Header.Get("ETag")
	for _, condition := range []string{tag, "W/" + tag, "*", `"x", ` + tag, tag + ` , "x"`, `"x",W/` + tag, "\"x\"\r\nIf-None-Match: " + tag} {
		n := f.do("GET", root+"a", "", "If-None-Match: "+condition).want(t, 304)
		for _, h := range []string{"ETag", "Cache-Control", "Stream-Next-Offset", "Stream-Up-To-Date", "Stream-Closed"} {
			n.wantHeaders(t, h+": "+r.Header.Get(h))
		}
		if n.body != "" {
			t.Errorf("a 304 has the body %q", n.body)
		}
	}
	for _, condition := range []string{`"x"`, "", ",", strings.Trim(tag, `"`), tag[:len(tag)-1], "W/*x"} {
		f.do("GET", root+"a", "", "If-None-Match: "+condition).want(t, 200)
	}
}

// A 304 is the use of a stream like the read it stands for.
func TestNotModifiedRenewsTheLife(t *testing.T) {
	f := start(t)
	f.create("a", "12345", text, "Stream-TTL: 100")
	tag := f.do("GET", root+"a", "").Header.Get("ETag")
	for range 3 {
		f.clock.advance(60 * time.Second)
		f.do("GET", root+"a", "", "If-None-Match: "+tag).want(t, 304)
	}
	f.clock.advance(60 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200) // is no use
	f.clock.advance(60 * time.Second)
	f.do("GET", root+"a", "", "If-None-Match: "+tag).wantError(t, 404, "not_found")
}

func TestCachesForgetBeforeTheStreamDoes(t *testing.T) {
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for life, want := range map[time.Duration]string{
		-1:                      "public, max-age=60, stale-while-revalidate=300",
		time.Hour:               "public, max-age=60, stale-while-revalidate=300",
		360 * time.Second:       "public, max-age=60, stale-while-revalidate=300",
		359 * time.Second:       "public, max-age=60, stale-while-revalidate=299",
		61 * time.Second:        "public, max-age=60, stale-while-revalidate=1",
		60 * time.Second:        "public, max-age=60",
		59 * time.Second:        "public, max-age=59",
		1999 * time.Millisecond: "public, max-age=1",
		time.Second:             "public, max-age=1",
		999 * time.Millisecond:  "no-store",
		0:                       "no-store",
	} {
		x, resp := bareExchange(s)
		x.result.ExpiresIn = life
		s.setReadCaching(x)
		if got := string(resp.Header.Peek("Cache-Control")); got != want {
			t.Errorf("life %v: %q, want %q", life, got, want)
		}
	}
}

func TestReadsOfShortLivesAreCachedShortly(t *testing.T) {
	f := start(t)
	f.create("a", "x", text, "Stream-TTL: 10")
	f.do("GET", root+"a", "").want(t, 200).wantHeaders(t, "Cache-Control: public, max-age=10")
	f.create("b", "x", text, "Stream-TTL: 100000")
	f.do("GET", root+"b", "").want(t, 200).wantHeaders(t, "Cache-Control: public, max-age=60, stale-while-revalidate=300")
}

func TestETagHasAllParts(t *testing.T) {
	r := engine.ReadResult{From: 1, Next: 12}
	r.ID = 7
	for _, c := range []struct {
		up, end bool
		coding  coding
		want    string
	}{
		{false, false, codingIdentity, `"7:1:12"`},
		{true, false, codingIdentity, `"7:1:12:u"`},
		{true, true, codingIdentity, `"7:1:12:u:c"`},
		{false, false, codingGzip, `"7:1:12:g"`},
		{true, true, codingGzip, `"7:1:12:u:c:g"`},
		{false, false, codingZstd, `"7:1:12:z"`},
		{true, true, codingZstd, `"7:1:12:u:c:z"`},
	} {
		r.UpToDate, r.AtEnd = c.up, c.end
		if got := string(appendETag(nil, 0, &r, c.coding)); got != c.want {
			t.Errorf("tag %s, want %s", got, c.want)
		}
	}
	r.Next = stream.Offset(1<<53 - 1)
	if got := string(appendETag([]byte("x"), 0, &r, codingIdentity)); got != `x"7:1:9007199254740991:u:c"` {
		t.Errorf("tag %s", got)
	}
}

func TestExpiresAtTakesRFC3339(t *testing.T) {
	for text, want := range map[string]int64{
		"2030-01-02T03:04:05Z":      1893553445000,
		"2030-01-02T03:04:05.678Z":  1893553445678,
		"2030-01-02T03:04:05.6789Z": 1893553445678,
		"2030-01-02T03:04:05+00:00": 1893553445000,
		"2030-01-02T05:34:05+02:30": 1893553445000,
		"1970-01-01T00:00:00Z":      1,
		"1890-01-01T00:00:00Z":      1,
	} {
		if got, ok := parseTime([]byte(text)); !ok || got != want {
			t.Errorf("%s is %d, %v, want %d", text, got, ok, want)
		}
	}
}

// Streams of two stores have the same identities and offsets, and may have the
// same URL after one another.
func TestETagTellsStoresApart(t *testing.T) {
	var tags [2]string
	for i := range tags {
		f := start(t, func(u *setup) { u.server.Instance = uint64(0xabc + i) })
		f.create("a", "one", text)
		tags[i] = f.do("GET", root+"a", "").want(t, 200).Header.Get("ETag")
		f.do("GET", root+"a", "", "If-None-Match: "+tags[i]).want(t, 304)
		f.do("GET", root+"a", "", "If-None-Match: "+tags[0]).want(t, []int{304, 200}[i])
	}
	if !strings.HasPrefix(tags[0], `"abc:`) || tags[0] == tags[1] {
		t.Errorf("the tags are %s and %s", tags[0], tags[1])
	}
}
