package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/project"
)

// limited runs a server on which acme has limits and globex has none.
func limited(t testing.TB, l project.Limits) (f *fixture, acme, globex string) {
	t.Helper()
	f, k := guarded(t, func(u *setup, k *keys) {
		k.all[0].Limits = l
		u.server.Settings.Projects = k.all
	})
	f.engine.SetLimits("acme", engine.ProjectLimits{
		StoredBytes: l.StoredBytes, Streams: l.Streams, ProducersPerStream: l.ProducersPerStream,
	})
	return f, k.token(t, everything), k.token(t, everything, inGlobex)
}

// refusedAlone demands that acme is refused what globex is not.
func (f *fixture) refusedAlone(method, name, body, acme, globex string, status int, code string, headers ...string) *response {
	f.t.Helper()
	r := f.do(method, root+"acme/"+name, body, append([]string{acme, text}, headers...)...).wantError(f.t, status, code)
	if other := f.do(method, root+"globex/"+name, body, append([]string{globex, text}, headers...)...); other.StatusCode >= 300 {
		f.t.Errorf("another project is answered %d: %s", other.StatusCode, other.body)
	}
	return r
}

func TestStoredBytesHaveALimit(t *testing.T) {
	// A stored append takes five bytes more than its body.
	f, acme, globex := limited(t, project.Limits{StoredBytes: 20_000})
	f.do("PUT", root+"acme/a", "", acme, text).want(t, 201)
	f.do("PUT", root+"globex/a", "", globex, text).want(t, 201)
	f.do("POST", root+"acme/a", strings.Repeat("x", 10_000-5), acme, text).want(t, 204)
	f.do("POST", root+"acme/a", strings.Repeat("x", 10_000-5), acme, text).want(t, 204) // at the limit
	f.refusedAlone("POST", "a", "x", acme, globex, 507, "quota_bytes")
	// Before it is sent, if the client asks first.
	for _, expect := range []string{"\r\nExpect: 100-continue", ""} {
		c := f.dial()
		c.send("POST " + root + "acme/a HTTP/1.1\r\nHost: x\r\n" + acme + "\r\n" + text + "\r\nContent-Length: 10000" + expect + "\r\n\r\n")
		if expect == "" {
			c.send(strings.Repeat("x", prefetchBytes)) // what is read before anything is decided
		}
		c.read("POST").wantError(t, 507, "quota_bytes")
		c.conn.Close()
	}
	f.do("POST", root+"acme/a", "", acme, "Stream-Closed: true").want(t, 204)
	f.do("DELETE", root+"acme/a", "", acme).want(t, 204)
	if use := f.engine.Use("acme"); use.StoredBytes != 0 || use.Streams != 0 {
		t.Errorf("after deletion acme has %+v", use)
	}
	f.do("PUT", root+"acme/a", strings.Repeat("x", 10_000), acme, text).want(t, 201)
}

func TestStreamsHaveALimit(t *testing.T) {
	f, acme, globex := limited(t, project.Limits{Streams: 1, ProducersPerStream: 1})
	f.do("PUT", root+"acme/a", "", acme, text).want(t, 201)
	f.refusedAlone("PUT", "b", "", acme, globex, 507, "quota_streams")
	f.do("PUT", root+"acme/a", "", acme, text).want(t, 200) // it is there
	f.do("PUT", root+"globex/a", "", globex, text).want(t, 201)
	for _, owner := range []string{"acme", "globex"} {
		token := map[string]string{"acme": acme, "globex": globex}[owner]
		f.do("POST", root+owner+"/a", "x", append(producer("p", "0", "0"), token)...).want(t, 200)
	}
	r := f.do("POST", root+"acme/a", "x", append(producer("q", "0", "0"), acme)...).wantError(t, 429, "too_many_producers")
	if r.Header.Get("Retry-After") != "" {
		t.Error("it is said when to try again, as if time helped")
	}
	f.do("POST", root+"globex/a", "x", append(producer("q", "0", "0"), globex)...).want(t, 200)
	f.do("POST", root+"acme/a", "x", append(producer("p", "0", "0"), acme)...).want(t, 204) // known
	f.do("DELETE", root+"acme/a", "", acme).want(t, 204)
	f.do("PUT", root+"acme/b", "", acme, text).want(t, 201)
}

func TestBodiesHaveALimit(t *testing.T) {
	f, acme, globex := limited(t, project.Limits{BodyBytes: 10_000})
	f.do("PUT", root+"acme/a", "", acme, text).want(t, 201)
	f.do("PUT", root+"globex/a", "", globex, text).want(t, 201)
	f.do("POST", root+"acme/a", strings.Repeat("x", 10_000), acme, text).want(t, 204)
	f.refusedAlone("POST", "a", strings.Repeat("x", 10_001), acme, globex, 413, "body_too_large")
	chunked := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n)) }
	for n, status := range map[int]int{10_000: 204, 10_001: 413} {
		c := f.dial()
		c.send("POST " + root + "acme/a HTTP/1.1\r\nHost: x\r\n" + acme + "\r\n" + text + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(n))
		c.read("POST").want(t, status)
		c.conn.Close()
	}
}

// A rate is far below what a test takes, so that what is refused depends on no
// clock.
func TestRequestsHaveALimit(t *testing.T) {
	f, acme, globex := limited(t, project.Limits{RequestsPerSecond: 1})
	f.do("PUT", root+"globex/a", "", globex, text).want(t, 201)
	refused := 0
	for range 50 {
		if r := f.do("GET", root+"acme/none", "", acme); r.StatusCode == 429 {
			refused++
			r.wantError(t, 429, "rate_limited").wantHeaders(t, "Retry-After: 1")
		} else {
			r.wantError(t, 404, "not_found")
		}
		f.do("GET", root+"globex/a", "", globex).want(t, 200)
	}
	if refused == 0 {
		t.Error("no request was refused")
	}
	if use := f.server.Tenants(); use[0].Requests != 50 || use[0].Limited != uint64(refused) || use[1].Requests != 51 || use[1].Limited != 0 {
		t.Errorf("with %d refused the projects have %+v", refused, use)
	}
}

func TestAppendedBytesHaveALimit(t *testing.T) {
	f, acme, globex := limited(t, project.Limits{AppendBytesPerSecond: testBodyMax})
	f.do("PUT", root+"acme/a", "", acme, text).want(t, 201)
	f.do("PUT", root+"globex/a", "", globex, text).want(t, 201)
	body := strings.Repeat("x", testBodyMax)
	refused := 0
	for range 8 {
		if r := f.do("POST", root+"acme/a", body, acme, text); r.StatusCode == 429 {
			refused++
			r.wantError(t, 429, "rate_limited")
			if after := r.Header.Get("Retry-After"); after != "1" {
				t.Errorf("it is to be tried again after %q", after)
			}
		} else {
			r.want(t, 204)
		}
		f.do("POST", root+"globex/a", "x", globex, text).want(t, 204)
	}
	if refused == 0 {
		t.Error("no append was refused")
	}
	f.do("POST", root+"acme/a", "", acme, "Stream-Closed: true").want(t, 204)
	f.do("DELETE", root+"acme/a", "", acme).want(t, 204)
}

func TestGlobalRatesHold(t *testing.T) {
	f := start(t, func(u *setup) { u.server.Settings.RequestsPerSecond = 1 })
	refused := 0
	for range 50 {
		if f.do("GET", root+"none", "").StatusCode == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no request was refused")
	}
	f.server.Configure(Settings{})
	f.do("GET", root+"none", "").wantError(t, 404, "not_found")
}

func TestLiveReadersHaveALimit(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		endless(u)
		k.all[0].Limits.LiveReaders = 2
		u.server.Settings.Projects = k.all
	})
	acme, globex := k.token(t, everything), k.token(t, everything, inGlobex)
	for name, token := range map[string]string{"acme/a": acme, "globex/a": globex} {
		f.do("PUT", root+name, "", token, text).want(t, 201)
	}
	follow := func(name, token, mode string) *client {
		c := f.dial()
		c.send(f.request("GET", root+name+"?offset=now&live="+mode, "", token))
		return c
	}
	a, b := follow("acme/a", acme, "sse"), follow("acme/a", acme, "long-poll")
	for range 2 {
		await(t, "a reader that waits", f.parks)
	}
	for _, mode := range []string{"sse", "long-poll"} {
		f.do("GET", root+"acme/a?offset=now&live="+mode, "", acme).wantError(t, 429, "quota_readers").wantHeaders(t, "Retry-After: 1")
	}
	c := follow("globex/a", globex, "sse")
	await(t, "a reader of another project", f.parks)
	if use := f.server.Tenants(); len(use) != 2 || use[0].LiveReaders != 2 || use[1].LiveReaders != 1 {
		t.Errorf("the projects have %+v", use)
	}
	// A project that is gone for a while is the one it was.
	f.server.Configure(Settings{Projects: k.all[1:]})
	f.server.Configure(Settings{Projects: k.all})
	f.do("GET", root+"acme/a?offset=now&live=sse", "", acme).wantError(t, 429, "quota_readers")
	f.do("POST", root+"acme/a", "", acme, "Stream-Closed: true").want(t, 204)
	b.read("GET").want(t, 204)
	a.conn.Close()
	c.conn.Close()
	deadline := time.Now().Add(patience)
	for use := f.server.Tenants(); use[0].LiveReaders != 0 || use[1].LiveReaders != 0; use = f.server.Tenants() {
		if time.Now().After(deadline) {
			t.Fatalf("readers that are gone have places: %+v", use)
		}
		<-time.After(time.Millisecond)
	}
}

func TestOriginsAreThoseOfTheProject(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		k.all[0].Origins = []string{"https://app.example", "https://admin.example"}
		u.server.Settings.Projects = k.all
	})
	acme, globex := k.token(t, everything), k.token(t, everything, inGlobex)
	f.do("PUT", root+"acme/a", "x", acme, text).want(t, 201)
	f.do("PUT", root+"globex/a", "x", globex, text).want(t, 201)
	origin := func(o string) string { return "Origin: " + o }
	f.do("GET", root+"acme/a", "", acme, origin("https://app.example")).want(t, 200).
		wantHeaders(t, "Access-Control-Allow-Origin: https://app.example", "Vary: Accept-Encoding, Origin", "Access-Control-Allow-Credentials: true")
	f.do("GET", root+"acme/a", "", acme, origin("https://evil.example")).want(t, 200).
		wantHeaders(t, "Access-Control-Allow-Origin:", "Access-Control-Expose-Headers:", "Vary: Accept-Encoding, Origin")
	f.do("POST", root+"acme/a", "x", acme, text).want(t, 204).wantHeaders(t, "Access-Control-Allow-Origin:", "Vary: Origin")
	f.do("POST", root+"acme/a", "", acme, "Stream-Closed: true").want(t, 204)
	f.do("GET", root+"acme/a?offset=-1&live=sse", "", acme, origin("https://admin.example")).want(t, 200).
		wantHeaders(t, "Access-Control-Allow-Origin: https://admin.example", "Vary: Origin")
	f.do("GET", root+"globex/a", "", globex, origin("https://app.example")).want(t, 200).
		wantHeaders(t, "Access-Control-Allow-Origin:", "Vary: Accept-Encoding")
	// A page may see why it is not let in, and may ask whether it may ask; both are
	// the same for what there is and what there is not.
	for _, name := range []string{"acme/a", "globex/a", "unknown/a"} {
		f.do("GET", root+name, "", origin("https://evil.example"), "Authorization: Bearer x").wantError(t, 401, "unauthorized").
			wantHeaders(t, "Access-Control-Allow-Origin: https://evil.example", "Access-Control-Allow-Credentials: true", "Vary: Accept-Encoding, Origin")
		f.do("OPTIONS", root+name, "", origin("https://evil.example")).want(t, 204).
			wantHeaders(t, "Access-Control-Allow-Origin: https://evil.example", "Access-Control-Allow-Credentials: true", "Vary: Origin")
		f.do("OPTIONS", root+name, "").want(t, 204).wantHeaders(t, "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials:", "Vary: Origin")
	}
}

func TestOriginsWithoutAuthentication(t *testing.T) {
	f := start(t, func(u *setup) { u.server.Settings.Origins = []string{"https://app.example"} })
	f.do("PUT", root+"a", "x", text, "Origin: https://app.example").want(t, 201).
		wantHeaders(t, "Access-Control-Allow-Origin: https://app.example", "Vary: Origin")
	f.do("GET", root+"a", "", "Origin: https://app.example:444").want(t, 200).
		wantHeaders(t, "Access-Control-Allow-Origin:", "Vary: Accept-Encoding, Origin")
	f.do("OPTIONS", root+"a", "", "Origin: https://app.example").want(t, 204).
		wantHeaders(t, "Access-Control-Allow-Origin: https://app.example", "Access-Control-Allow-Methods: "+methodsAllowed)
}
