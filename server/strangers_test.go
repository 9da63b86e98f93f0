package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/auth"
)

// Whose pages may use a project's streams is nothing that strangers learn, and so is
// whether there is the project. A public stream is for everybody, and has them.
func TestStrangersLearnNothingOfOrigins(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		k.all[0].Origins = []string{"https://app.example"}
		u.server.Settings.Projects = k.all
	})
	all, origin := k.token(t, everything), "Origin: https://app.example"
	f.do("PUT", root+"acme/there", "secret", text, all).want(t, 201)
	f.do("PUT", root+"acme/open", "hello", text, all, "Stream-Access: public-read").want(t, 201)
	for _, query := range []string{"", "?offset=bad", "?offset=-1&live=sse", "?offset=now&live=long-poll"} {
		for _, method := range []string{"GET", "HEAD"} {
			first := ""
			for _, name := range []string{"acme/there", "acme/none", "globex/none", "unknown/none"} {
				r := f.do(method, root+name+query, "", origin, "X-Request-Id: same")
				r.Header.Del("Date")
				said := fmt.Sprint(r.StatusCode, r.Header, r.body)
				if first == "" {
					first = said
				} else if said != first {
					t.Errorf("%s %s is answered differently:\n%s\n%s", method, name+query, said, first)
				}
			}
		}
	}
	own := []string{"Access-Control-Allow-Origin: https://app.example", "Access-Control-Allow-Credentials: true"}
	f.do("GET", root+"acme/open", "", origin).want(t, 200).wantHeaders(t, append(own, "Vary: Accept-Encoding, Origin")...)
	f.do("HEAD", root+"acme/open", "", origin).want(t, 200).wantHeaders(t, append(own, "Vary: Origin")...)
	f.do("GET", root+"acme/open", "", "Origin: https://evil.example").want(t, 200).wantHeaders(t, "Access-Control-Allow-Origin:")
	poll := make(chan *response, 1)
	go func() { poll <- f.do("GET", root+"acme/open?offset=now&live=long-poll", "", origin) }()
	for await(t, "a long-poll that waits", f.parks).name != "acme/open" {
	}
	f.do("POST", root+"acme/open", "x", text, all).want(t, 204)
	await(t, "the answer", poll).want(t, 200).wantHeaders(t, append(own, "Vary: Origin")...)
}

// Strangers use up nothing of a project's rate, so its users are served whatever they
// ask for. What they read of public streams counts.
func TestStrangersTakeNothing(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		k.all[0].Limits.RequestsPerSecond = 1
		u.server.Settings.RequestsPerSecond = 3
		u.server.Settings.Projects = k.all
	})
	all := k.token(t, everything)
	for range 20 {
		for _, method := range []string{"GET", "HEAD"} {
			f.do(method, root+"acme/none", "").want(t, 401)
			f.do(method, root+"unknown/none", "").want(t, 401)
		}
	}
	f.do("PUT", root+"acme/open", "hello", text, all, "Stream-Access: public-read").want(t, 201)
	refused := 0
	for range 20 {
		if r := f.do("GET", root+"acme/open", ""); r.StatusCode == 429 {
			r.wantError(t, 429, "rate_limited")
			refused++
		}
	}
	if refused == 0 {
		t.Error("no read of a public stream was refused")
	}
}

// Strangers are not told how long it took to refuse them, which depends on what there is.
func TestStrangersAreToldNoTimes(t *testing.T) {
	f, k := guarded(t)
	all := k.token(t, everything)
	f.do("PUT", root+"acme/there", "secret", text, all).want(t, 201)
	for _, header := range []string{"X-None: x", "Authorization: Bearer x", "Authorization: Bearer trk_x"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			f.do(method, root+"acme/there", "", header, text, "Stream-Timing: true").want(t, 401).wantHeaders(t, "Server-Timing:")
		}
	}
	if f.do("GET", root+"acme/there", "", all, "Stream-Timing: true").want(t, 200).Header.Get("Server-Timing") == "" {
		t.Error("who has credentials is told nothing")
	}
}

// A browser sends a cookie with requests for streams below the one that it is for. That
// does not count as an attempt to guess one.
func TestCookiesOfOtherStreamsAreNoGuesses(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		var err error
		if k.guard, err = auth.New(auth.Options{FailureBurst: 3, FailureEvery: time.Hour}); err != nil {
			t.Fatal(err)
		}
		u.server.Auth = k.guard
	})
	all := k.token(t, everything)
	f.do("PUT", root+"acme/a", "hello", text, all).want(t, 201)
	f.do("PUT", root+"acme/a/private", "hello", text, all).want(t, 201)
	cookie, _, _ := strings.Cut(f.do("POST", roots[routeToken]+"acme/a", "", all, "Token-Cookie: true").want(t, 201).Header.Get("Set-Cookie"), ";")
	for range 10 {
		f.do("GET", root+"acme/a/private", "", "Cookie: "+cookie).wantError(t, 401, "unauthorized")
		f.do("GET", root+"acme/a/none", "", "Cookie: "+cookie).wantError(t, 401, "unauthorized")
	}
	f.do("GET", root+"acme/a", "", "Cookie: "+cookie).want(t, 200)
	// What the server has not made counts.
	for range 3 {
		f.do("GET", root+"acme/a/private", "", "Cookie: "+cookie+"A").wantError(t, 401, "unauthorized")
	}
	f.do("GET", root+"acme/a/private", "", "Cookie: "+cookie+"A").wantError(t, 429, "too_many_failures")
}
