package server

import (
	"fmt"
	"testing"
	"time"
)

// Reads from before the start are refused, wherever a read comes from, and told
// where the stream begins now. Reads of the beginning get what is left.
func TestReadsOfWhatWasTrimmedAreRefused(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a")
		f.do("GET", root+"a", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset:")
		f.patch("a", "Stream-Trim: "+token(10)).want(t, 204).
			wantHeaders(t, "Stream-Next-Offset: "+token(30), "Stream-Earliest-Offset: "+token(10), "Stream-Closed:", "Content-Type:", "ETag:")
		for _, query := range []string{"?offset=%s", "?live=long-poll&offset=%s", "?live=sse&offset=%s", "?live=sse&ids=true&offset=%s"} {
			for _, from := range []int{0, 1, 9} {
				f.do("GET", root+"a"+fmt.Sprintf(query, token(from)), "").wantError(t, 410, "offset_trimmed").
					wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset:", "ETag:")
			}
		}
		for _, query := range []string{"", "?offset=-1", "?offset=0", "?offset=" + token(10), "?live=long-poll&offset=-1", "?live=long-poll&offset=" + token(10)} {
			r := f.do("GET", root+"a"+query, "").want(t, 200).
				wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset: "+token(30))
			if r.body != "2econthird" {
				t.Errorf("%q reads %q", query, r.body)
			}
		}
		for _, from := range []string{"-1", token(10)} {
			if data, _, ctl := f.follow("a?offset=" + from).next(); data != "2econthird" || ctl.Next != token(30) {
				t.Errorf("an event from %s is %q up to %s", from, data, ctl.Next)
			}
		}
		f.do("GET", root+"a?offset=now", "").want(t, 200).wantHeaders(t, "Stream-Next-Offset: "+token(30), "Stream-Earliest-Offset: "+token(10))
		f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset: "+token(10), "Stream-Next-Offset: "+token(30))

		// From inside of an append the read begins with that append.
		f.patch("a", "Stream-Trim: "+token(15)).want(t, 204).wantHeaders(t, "Stream-Earliest-Offset: "+token(15))
		if r := f.do("GET", root+"a", "").want(t, 200); r.body != "2econthird" {
			t.Errorf("from inside an append: %q", r.body)
		}

		// Of a stream that is gone nothing else is told.
		f.create("fork", "", fork("a")...)
		f.do("DELETE", root+"a", "").want(t, 204)
		f.do("GET", root+"a?offset="+token(0), "").wantError(t, 410, "gone").wantHeaders(t, "Stream-Earliest-Offset:")
	})
}

// A read that is refused is no use of the stream, however it was to be read.
func TestRefusedReadsAreNoUse(t *testing.T) {
	for _, live := range []string{"", "&live=long-poll", "&live=sse"} {
		f := start(t)
		f.three("a", "Stream-TTL: 100")
		f.patch("a", "Stream-Trim: "+token(10)).want(t, 204)
		f.clock.advance(60 * time.Second)
		f.do("GET", root+"a?offset="+token(0)+live, "").wantError(t, 410, "offset_trimmed")
		f.clock.advance(60 * time.Second)
		f.do("HEAD", root+"a", "").want(t, 404)
	}
}

// What a stream has dropped, its forks go on to show if they did.
func TestForksOfWhatIsTrimmed(t *testing.T) {
	f := start(t)
	f.three("a", "Stream-Retention-Age: 1000")
	f.create("early", "", fork("a", "Stream-Fork-Offset: "+token(20))...)
	f.patch("a", "Stream-Trim: "+token(20)).want(t, 204)
	if got := f.content("early"); got != "first2econ" {
		t.Errorf("a fork from before shows %q", got)
	}
	f.do("PUT", root+"n", "", fork("a", "Stream-Fork-Offset: "+token(19))...).wantError(t, 409, "fork_offset_trimmed")
	f.create("late", "", fork("a")...)
	f.do("HEAD", root+"late", "").want(t, 200).wantHeaders(t, "Stream-Earliest-Offset: "+token(20), "Stream-Retention-Age:")
	f.do("GET", root+"late?offset="+token(19), "").wantError(t, 410, "offset_trimmed")
	if got := f.content("late"); got != "third" {
		t.Errorf("a fork from after shows %q", got)
	}
	f.patch("early", "Stream-Trim: "+token(10)).want(t, 204)
	if got := f.content("early"); got != "2econ" {
		t.Errorf("a fork that was trimmed shows %q", got)
	}
}

// How a stream begins is asked for anew if it may have lost its front; what lies
// at an offset may be kept, but not longer than the stream keeps it.
func TestCachingOfWhatMayBeTrimmed(t *testing.T) {
	f := start(t)
	const shared = "Cache-Control: public, max-age=60, stale-while-revalidate=300"
	cached := func(target, want string) *response {
		t.Helper()
		return f.do("GET", root+target, "").want(t, 200).wantHeaders(t, want)
	}
	f.three("plain")
	f.three("bytes", "Stream-Retention-Bytes: 1000")
	f.three("day", "Stream-Retention-Age: 86400")
	f.three("short", "Stream-Retention-Age: 100")
	f.three("second", "Stream-Retention-Age: 1", "Stream-TTL: 1000")
	for _, begin := range []string{"", "?offset=-1", "?offset=0", "?offset=-1&live=long-poll"} {
		cached("plain"+begin, shared)
		cached("bytes"+begin, "Cache-Control: no-cache")
		cached("day"+begin, "Cache-Control: no-cache")
		cached("short"+begin, "Cache-Control: no-cache")
	}
	at := "?offset=" + token(10)
	cached("plain"+at, shared)
	cached("bytes"+at, shared)
	cached("day"+at, shared)
	cached("short"+at, "Cache-Control: public, max-age=60, stale-while-revalidate=40")
	cached("second"+"?offset="+token(30), "Cache-Control: public, max-age=1")

	// A tag is that of what was sent: it holds until the front is trimmed.
	tag := f.do("GET", root+"bytes", "").Header.Get("ETag")
	f.do("GET", root+"bytes", "", "If-None-Match: "+tag).want(t, 304).wantHeaders(t, "Cache-Control: no-cache")
	f.patch("bytes", "Stream-Trim: "+token(10)).want(t, 204)
	if r := f.do("GET", root+"bytes", "", "If-None-Match: "+tag).want(t, 200); r.body != "2econthird" {
		t.Errorf("got %q", r.body)
	}
	f.patch("plain", "Stream-Trim: "+token(10)).want(t, 204)
	tag = cached("plain", "Cache-Control: no-cache").Header.Get("ETag")
	f.do("GET", root+"plain", "", "If-None-Match: "+tag).want(t, 304).wantHeaders(t, "Stream-Earliest-Offset: "+token(10))
	if other := cached("plain"+at, shared).Header.Get("ETag"); other != tag {
		t.Errorf("the same range has the tags %s and %s", tag, other)
	}
}
