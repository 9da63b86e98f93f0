package server

import (
	"testing"
	"time"
)

// patch changes a stream.
func (f *fixture) patch(name string, headers ...string) *response {
	f.t.Helper()
	return f.do("PATCH", root+name, "", headers...)
}

// both runs a test by loops, where there are any, and by goroutines.
func both(t *testing.T, test func(t *testing.T, driver func(*setup))) {
	for name, portable := range map[string]bool{"loops": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) { test(t, func(u *setup) { u.server.Portable = portable }) })
	}
}

// three is a stream of three appends of 5 bytes, which end at 10, 20 and 30.
func (f *fixture) three(name string, headers ...string) {
	f.t.Helper()
	f.create(name, "first", append(headers, text)...)
	f.append(name, "2econ", text)
	f.append(name, "third", text)
}

// A change does what it names and leaves the rest, works again and again, and
// before a start that is further on there is nothing to trim.
func TestChanges(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a", "Stream-TTL: 1000")
		f.do("POST", root+"a", "", "Stream-Closed: true").want(t, 204)
		shown := func(headers ...string) {
			t.Helper()
			f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, headers...)
		}
		shown("Stream-Retention-Age:", "Stream-Retention-Bytes:", "Stream-TTL: 1000", "Stream-Earliest-Offset:")
		const end = "2099-01-01T00:00:00Z"
		for _, c := range []struct {
			change string
			start  int
			shows  []string
		}{
			{"Stream-Retention-Age: 9007199254740991", 0, []string{"Stream-Retention-Age: 9007199254740991", "Stream-Retention-Bytes:"}},
			{"Stream-Retention-Bytes: 9007199254740991", 0, []string{"Stream-Retention-Age: 9007199254740991", "Stream-Retention-Bytes: 9007199254740991"}},
			{"Stream-Retention-Age: 3600", 0, []string{"Stream-Retention-Age: 3600", "Stream-Retention-Bytes: 9007199254740991"}},
			{"Stream-Retention-Age: none", 0, []string{"Stream-Retention-Age:", "Stream-Retention-Bytes: 9007199254740991", "Stream-TTL: 1000"}},
			{"Stream-TTL: 2000", 0, []string{"Stream-TTL: 2000"}},
			{"Stream-Expires-At: none", 0, []string{"Stream-TTL: 2000"}},
			{"Stream-Expires-At: " + end, 0, []string{"Stream-TTL:", "Stream-Expires-At: " + end}},
			{"Stream-TTL: none", 0, []string{"Stream-TTL:", "Stream-Expires-At: " + end}},
			{"Stream-Expires-At: none", 0, []string{"Stream-TTL:", "Stream-Expires-At:"}},
			{"Stream-TTL: 500", 0, []string{"Stream-TTL: 500", "Stream-Expires-At:"}},
			{"Stream-TTL: none", 0, []string{"Stream-TTL:", "Stream-Expires-At:"}},
			{"Stream-Trim: " + token(0), 0, []string{"Stream-Earliest-Offset:"}},
			{"Stream-Trim: " + token(10), 10, []string{"Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Trim: " + token(5), 10, []string{"Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Retention-Bytes: 18", 10, []string{"Stream-Retention-Bytes: 18", "Stream-Earliest-Offset: " + token(10)}},
			{"Stream-Retention-Bytes: 10", 20, []string{"Stream-Retention-Bytes: 10", "Stream-Earliest-Offset: " + token(20)}},
			{"Stream-Retention-Bytes: none", 20, []string{"Stream-Retention-Bytes:"}},
			{"Stream-Trim: now", 30, []string{"Stream-Earliest-Offset: " + token(30)}},
		} {
			for range 2 {
				f.patch("a", c.change).want(t, 204).wantHeaders(t, "Stream-Next-Offset: "+token(30),
					"Stream-Earliest-Offset: "+token(c.start), "Stream-Closed: true")
				shown(append(c.shows, "Stream-Closed: true")...)
			}
		}
		f.patch("a", "Stream-Trim: "+token(31)).wantError(t, 400, "trim_beyond_tail").wantHeaders(t, "Stream-Next-Offset: "+token(30))
		f.patch("a", "Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70", "Stream-TTL: 80").want(t, 204)
		shown("Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70", "Stream-TTL: 80")
	})
}

// A repeated PUT matches what the stream keeps by now.
func TestRepeatedCreatesNameWhatIsKept(t *testing.T) {
	f := start(t)
	const age, bytes = "Stream-Retention-Age: 60", "Stream-Retention-Bytes: 70"
	put := func(status int, headers ...string) {
		t.Helper()
		f.do("PUT", root+"a", "", headers...).want(t, status)
	}
	put(201, age, bytes)
	f.do("HEAD", root+"a", "").want(t, 200).wantHeaders(t, age, bytes)
	put(200, age, bytes)
	put(409)
	put(409, age)
	put(409, bytes)
	put(409, age, "Stream-Retention-Bytes: 71")
	put(409, "Stream-Retention-Age: 61", bytes)
	f.patch("a", "Stream-Retention-Age: none").want(t, 204)
	put(409, age, bytes)
	put(200, bytes)
	f.patch("a", "Stream-Retention-Bytes: none").want(t, 204)
	put(200)
	f.patch("a", "Stream-TTL: 90").want(t, 204)
	put(409)
	put(200, "Stream-TTL: 90")
}

// A lifetime that a change brings counts from the change.
func TestALifetimeThatIsChangedCountsAnew(t *testing.T) {
	f := start(t)
	f.create("a", "", text, "Stream-TTL: 100")
	f.clock.advance(90 * time.Second)
	f.patch("a", "Stream-TTL: 100").want(t, 204)
	f.clock.advance(90 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.patch("a", "Stream-TTL: none").want(t, 204)
	f.clock.advance(1000 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.patch("a", "Stream-TTL: 50").want(t, 204)
	f.clock.advance(40 * time.Second)
	f.patch("a", "Stream-Trim: now").want(t, 204) // any change is a use
	f.clock.advance(40 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 200)
	f.clock.advance(20 * time.Second)
	f.do("HEAD", root+"a", "").want(t, 404)
	f.patch("a", "Stream-TTL: 50").wantError(t, 404, "not_found")
}

// Policies drop by themselves: what is too much with the append, what is too old
// with time.
func TestPoliciesDropTheFront(t *testing.T) {
	f := start(t)
	f.three("bytes", "Stream-Retention-Bytes: 20")
	f.do("GET", root+"bytes?offset="+token(0), "").wantError(t, 410, "offset_trimmed").
		wantHeaders(t, "Stream-Earliest-Offset: "+token(10))
	if got := f.content("bytes"); got != "2econthird" {
		t.Errorf("kept %q", got)
	}
	f.three("age", "Stream-Retention-Age: 10")
	f.clock.advance(11 * time.Second)
	waitFor(t, "the sweep", func() bool {
		return f.do("HEAD", root+"age", "").Header.Get("Stream-Earliest-Offset") == token(30)
	})
	f.do("GET", root+"age?offset="+token(20), "").wantError(t, 410, "offset_trimmed")
	if got := f.content("age"); got != "" {
		t.Errorf("kept %q", got)
	}
}

// A change is told when it is durable, and reads wait for that as well.
func TestChangesAreDurableBeforeTheyAreTold(t *testing.T) {
	both(t, func(t *testing.T, driver func(*setup)) {
		f := start(t, driver)
		f.three("a")
		held, release := f.holdCommits(false)
		changer := f.dial().send(f.request("PATCH", root+"a", "", "Stream-Trim: "+token(10)))
		f.awaitWait("a", methodPatch)
		await(t, "a commit", held)
		reader := f.dial().send(f.request("GET", root+"a?offset="+token(0), ""))
		f.awaitWait("a", methodGet)
		changer.wantNothing()
		reader.wantNothing()
		release()
		changer.read("PATCH").want(t, 204)
		reader.read("GET").wantError(t, 410, "offset_trimmed")
	})
}
