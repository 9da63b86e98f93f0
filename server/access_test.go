package server

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"tailrace/engine"
	"tailrace/internal/auth"
	"tailrace/internal/project"
	"tailrace/internal/stream"
)

// accessStreams are there all the time. What they hold is in no answer and no log that
// is not for those who may read them.
var accessStreams = map[string]string{
	"acme/there": "hush: what acme has", "acme/open": "what everybody may read", "globex/there": "hush: what globex has",
}

// access is a server with projects, keys and streams, and what it tells.
type access struct {
	*fixture
	keys  *accessKeys
	guard *auth.Guard
	log   *spy

	deleted bool // by somebody who may, in the batch that is compared

	mu    sync.Mutex
	asked []string // of the administration, with the project in front
}

// spy is a log that must not have what is nobody's business.
type spy struct {
	mu    sync.Mutex
	lines int
	found []string
}

// hushed is what no log may have: contents, tokens, keys and queries.
var hushed = regexp.MustCompile(`hush|eyJ|trk_|token=|aaaaaaaa|gggggggg|Bearer|offset=`)

// Write implements io.Writer.
func (s *spy) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines += bytes.Count(p, []byte("\n"))
	if hushed.Match(p) && len(s.found) < 5 {
		s.found = append(s.found, string(p))
	}
	return len(p), nil
}

// startAccess runs a server whose projects have keys of all kinds.
func startAccess(t testing.TB, change ...func(*setup)) *access {
	t.Helper()
	a := &access{log: &spy{}, keys: &accessKeys{acme: bytes.Repeat([]byte("a"), 32), globex: bytes.Repeat([]byte("g"), 32)}}
	var all, part [sha256.Size]byte
	a.keys.apiKey, all = auth.NewAPIKey(nil)
	a.keys.apiPart, part = auth.NewAPIKey(nil)
	projects := []project.Project{
		{Name: "acme", Secrets: []project.Secret{{ID: "a1", Value: a.keys.acme}}, JWKSFile: "acme.jwks", APIKeys: []project.APIKey{
			{ID: "all", SHA256: all, Scopes: []string{"read", "append", "manage"}}, {ID: "part", SHA256: part, Scopes: []string{"read"}, Prefix: "acme/th"},
		}},
		{Name: "globex", Secrets: []project.Secret{{ID: "a1", Value: a.keys.globex}}},
	}
	ring, err := auth.NewKeyring(projects, func(string) ([]byte, error) { return signers().jwks, nil })
	if err != nil {
		t.Fatal(err)
	}
	if a.guard, err = auth.New(auth.Options{Keyring: ring, FailureBurst: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	a.fixture = start(t, func(u *setup) {
		u.engine.Projects, u.quiet = true, true
		u.engine.LogFileBytes, u.engine.FlushBytes = 64<<20, 256<<20
		u.server.Auth = a.guard
		u.server.Admin = a.administer
		u.server.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		u.server.Settings = Settings{Projects: projects, URLTokens: true, URLTokenLife: time.Hour, LogRequests: 1}
		for _, c := range change {
			c(u)
		}
	})
	a.server.log.pace.SetLimit(rate.Inf)
	t.Cleanup(func() {
		for _, line := range a.log.found {
			t.Errorf("logged: %s", line)
		}
	})
	for name := range accessStreams {
		a.furnish(name)
	}
	a.furnish("acme/gone")
	a.settle(a.engine.Create(&stream.Create{Path: "acme/fork", From: "acme/gone", TTL: stream.NoTTL}))
	a.settle(a.engine.Delete("acme/gone"))
	grant, refusal := a.guard.Bearer([]byte(a.keys.apiKey), "acme", nil)
	if refusal != auth.None {
		t.Fatal(refusal)
	}
	for name, to := range map[string]*string{"acme/there": &a.keys.url, "acme/open": &a.keys.urlOpen} {
		if *to, _, err = a.guard.Mint(grant, name, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// furnish makes one of the streams.
func (a *access) furnish(name string) {
	a.settle(a.engine.Create(&stream.Create{
		Path: name, ContentType: "text/plain", TTL: stream.NoTTL, Body: []byte(accessStreams[name]), Public: name == "acme/open",
	}))
}

func (a *access) settle(ticket engine.Ticket) {
	a.t.Helper()
	if err := ticket.Wait(); err != nil {
		a.t.Fatal(err)
	}
	if !ticket.Code.Success() {
		a.t.Fatalf("the streams of the test: %s", ticket.Code)
	}
}

// administer stands for the administration. It notes what it is asked for.
func (a *access) administer(of string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.asked = append(a.asked, of+" "+r.URL.Path)
		a.mu.Unlock()
		w.Write([]byte("administered"))
	})
}

// unchanged demands that the streams are those of the beginning.
func (a *access) unchanged(after string) {
	a.t.Helper()
	for name, want := range accessStreams {
		res, ticket := a.engine.Read(engine.ReadRequest{Path: name})
		if ticket.Code != stream.OK || string(bytes.Join(res.Parts, nil)) != want || res.Closed || res.Start != 0 || res.TTL != stream.NoTTL {
			a.t.Fatalf("after %s: %s is %s, %q, %+v", after, name, ticket.Code, res.Parts, res.Info)
		}
	}
	if n := a.engine.Stats().Streams; n != len(accessStreams)+2 {
		a.t.Fatalf("after %s: there are %d streams", after, n)
	}
}

// said is an answer in one form, without what is another with every answer.
func (r *response) said() string {
	body := r.body
	if id := r.Header.Get("X-Request-Id"); id != "" {
		body = strings.ReplaceAll(body, id, "id")
		r.Header.Set("X-Request-Id", "id")
	}
	r.Header.Del("Date")
	return fmt.Sprint(r.StatusCode, r.Header, r.Close, body)
}

// batch has requests answered on as few connections as the server allows.
func (a *access) batch(method string, requests []string) []*response {
	a.t.Helper()
	var all []*response
	for len(all) < len(requests) {
		c := a.dial()
		c.send(strings.Join(requests[len(all):], ""))
		for len(all) < len(requests) {
			r, err := c.tryRead(method)
			if err != nil {
				a.t.Fatalf("no answer: %v, to %q", err, clipped(requests[len(all)]))
			}
			if all = append(all, r); r.Close {
				break
			}
		}
		c.conn.Close()
	}
	return all
}

func clipped(s string) string { return s[:min(len(s), 600)] }

// effects make a request of a method one that would change something; lacks make it
// one that is refused once it is known who asks.
var (
	effects = map[string]string{"PATCH": "Stream-Trim: now"}
	lacks   = map[string]string{"PUT": "Stream-TTL: x", "POST": "Producer-Id: x"}
)

// requestOf is a request that changes nothing if it is let in, and something if that
// is a mistake.
func requestOf(c *credential, at *spot, method string, v verdict) string {
	var b strings.Builder
	target := at.target
	if c.query != "" {
		target += "?" + c.query
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: same\r\n%s\r\n", method, target, text)
	for _, line := range c.headers {
		b.WriteString(line + "\r\n")
	}
	if line := effects[method]; v.status != 0 && line != "" {
		b.WriteString(line + "\r\n")
	}
	if line := lacks[method]; v.status == 0 && at.root == "/v1/stream/" && line != "" {
		b.WriteString(line + "\r\n")
	}
	if method == "POST" || method == "PUT" {
		body := ""
		if at.root != "/v1/token/" && v.status != 0 {
			body = "changed"
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		b.WriteString("\r\n")
	}
	return b.String()
}

// accessMethods are those that there are, and some that there are not.
var accessMethods = []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "GETX"}

// drivers runs a test with both.
func drivers(t *testing.T, run func(t *testing.T, driver func(*setup))) {
	t.Run("loops", func(t *testing.T) { run(t, byLoops) })
	t.Run("portable", func(t *testing.T) { run(t, func(u *setup) { u.server.Portable = true }) })
}

// Every credential comes with every method to every path, and gets in where the model
// says so and nowhere else. Who is refused is told the same wherever that is, and
// nothing of what there is.
func TestAccessIsAsTheModelSays(t *testing.T) {
	drivers(t, func(t *testing.T, driver func(*setup)) {
		rng := newRand(t)
		a := startAccess(t, driver)
		credentials := append(a.keys.good(), a.keys.bad(t)...)
		credentials = append(credentials, credential{name: "URL token of the public stream", query: "token=" + a.keys.urlOpen,
			url: proof{given: true, rights: &rights{"acme", "read", "acme/open", ""}}})
		refusals, requests, in, reports := map[string]string{}, 0, 0, 0
		for _, at := range accessSpots() {
			for _, method := range accessMethods {
				some := credentials
				if n := a.enough(&at, method); n > 0 {
					some = make([]credential, n)
					for i := range some {
						some[i] = credentials[rng.IntN(len(credentials))]
					}
				}
				texts, verdicts := make([]string, len(some)), make([]verdict, len(some))
				for i := range some {
					verdicts[i] = judge(&some[i], &at, method)
					texts[i] = requestOf(&some[i], &at, method, verdicts[i])
				}
				requests += len(some)
				for i, r := range a.batch(method, texts) {
					if verdicts[i].status == 0 {
						in++
					}
					if report := a.compare(&some[i], &at, method, verdicts[i], r, refusals); report != "" {
						t.Errorf("%s: %s %q: %s", some[i].name, method, clipped(at.target), report)
						if reports++; reports > 20 {
							return
						}
					}
				}
				if more := a.takeAsked(); more != "" {
					t.Errorf("%s %q: the administration was asked for %q", method, clipped(at.target), more)
				}
				if a.deleted {
					a.deleted = false
					for name := range accessStreams {
						if _, ticket := a.engine.Head(name); ticket.Code == stream.NotFound {
							a.furnish(name)
						}
					}
				}
			}
			a.unchanged(at.target)
			if t.Failed() {
				return
			}
		}
		t.Logf("%d requests, %d of them let in, %d lines in the log", requests, in, a.log.lines)
		if a.log.lines < requests {
			t.Errorf("the log has %d lines of %d requests, so it was not looked at", a.log.lines, requests)
		}
	})
}

// enough is how many credentials are tried, by chance, or 0 for all of them: those come
// to every route with every method, for all that there is and is not.
func (a *access) enough(at *spot, method string) int {
	_, known := scopesOf[at.root][method]
	switch {
	case !known || raceEnabled || testing.Short():
		return 12
	case !strings.HasSuffix(at.target, "/"+at.name):
		return 25 // another spelling
	}
	return 0
}

// compare compares an answer with the model's. Refusals are those that were given
// before for the same reason: they must all be equal.
func (a *access) compare(c *credential, at *spot, method string, v verdict, r *response, refusals map[string]string) string {
	status, want := v.status, v.code
	if status == 0 {
		status, want = outcomeOf(v, c, at, method)
		if method == "DELETE" && status == 204 && a.deleted {
			status, want = 404, "not_found"
		}
		a.deleted = a.deleted || method == "DELETE" && status == 204
	}
	if r.StatusCode != status {
		return fmt.Sprintf("answered %d, want %d %s: %s", r.StatusCode, status, want, clipped(r.body))
	}
	if v.status == 0 && at.root == "/v1/admin/" {
		return at.administered(a.takeAsked())
	}
	if want == "malformed" {
		return ""
	}
	switch {
	case status == 200 && method == "GET" && r.body != want:
		return fmt.Sprintf("it reads %q", r.body)
	case status >= 400 && method != "HEAD" && !strings.Contains(r.body, `{"error":{"code":"`+want+`"`):
		return fmt.Sprintf("the error is %s, not %s", r.body, want)
	case status == 201:
		return at.minted(a, r)
	case status < 400:
		return ""
	}
	// Before the route is known an answer depends on the path alone, then on the
	// method and how the credentials came, and never on what there is.
	key := fmt.Sprint(method, at.root, status, want, v.byURL)
	said := r.said()
	if strings.Contains(said, "hush") {
		return "the refusal tells what is in a stream: " + said
	}
	if status == 404 && want == "not_found" || status == 410 {
		return "" // told to who may know
	}
	if first, ok := refusals[key]; !ok {
		refusals[key] = said
	} else if first != said {
		return fmt.Sprintf("the refusal is another one:\n%s\n%s", said, first)
	}
	return ""
}

// takeAsked is what the administration was asked for first, of what was not taken yet.
func (a *access) takeAsked() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return ""
	}
	first := a.asked[0]
	a.asked = a.asked[1:]
	return first
}

// administered checks what a request that was let in has asked for.
func (s *spot) administered(asked string) string {
	of, _, _ := strings.Cut(s.name, "/")
	kind := "streams/"
	if s.whole {
		kind = "projects/"
	}
	if want := of + " /v1/admin/" + kind + s.name; asked != want {
		return fmt.Sprintf("the administration was asked for %q, not for %q", asked, want)
	}
	return ""
}

// minted checks that a token is for the stream and no other.
func (s *spot) minted(a *access, r *response) string {
	_, rest, _ := strings.Cut(r.body, `{"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	for _, name := range []string{"acme/there", "acme/open", "globex/there"} {
		if grant, _ := a.guard.URLToken([]byte(token), name, nil); (grant != nil) != (name == s.name) {
			return fmt.Sprintf("the token %s is for %s: %t", r.body, name, grant != nil)
		}
	}
	if grant, _ := a.guard.URLToken([]byte(token), s.name, nil); grant == nil {
		return "the token is good for nothing: " + r.body
	}
	return ""
}
