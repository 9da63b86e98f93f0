package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/internal/auth"
	"tailrace/internal/project"
)

// projects of the tests: acme with a key for everything, and globex.
type keys struct {
	acme, globex project.Secret
	apiKey       string
	all          []project.Project
	guard        *auth.Guard
}

// guarded runs a server with authentication.
func guarded(t testing.TB, change ...func(*setup, *keys)) (*fixture, *keys) {
	t.Helper()
	k := &keys{
		acme:   project.Secret{ID: "a1", Value: []byte(strings.Repeat("a", 32))},
		globex: project.Secret{ID: "g1", Value: []byte(strings.Repeat("g", 32))},
	}
	var sum [sha256.Size]byte
	k.apiKey, sum = auth.NewAPIKey(rand.Reader)
	k.all = []project.Project{
		{Name: "acme", Secrets: []project.Secret{k.acme}, APIKeys: []project.APIKey{
			{ID: "robot", SHA256: sum, Scopes: []string{"read", "append", "manage"}},
		}},
		{Name: "globex", Secrets: []project.Secret{k.globex}},
	}
	f := start(t, func(u *setup) {
		u.engine.Projects = true
		u.server.Settings = Settings{Projects: k.all, URLTokens: true, URLTokenLife: time.Minute}
		options := auth.Options{FailureBurst: 1 << 20}
		var err error
		if k.guard, err = auth.New(options); err != nil {
			t.Fatal(err)
		}
		u.server.Auth = k.guard
		for _, c := range change {
			c(u, k)
		}
		k.set(t)
	})
	return f, k
}

// set gives the guard the keys of the projects.
func (k *keys) set(t testing.TB) {
	t.Helper()
	ring, err := auth.NewKeyring(k.all, func(string) ([]byte, error) { return nil, fmt.Errorf("no files in this test") })
	if err != nil {
		t.Fatal(err)
	}
	k.guard.SetKeyring(ring)
}

// token is a header with a token of acme.
func (k *keys) token(t testing.TB, scope string, change ...func(*auth.Claims)) string {
	t.Helper()
	c := auth.Claims{Project: "acme", Expires: time.Now().Add(time.Hour)}
	var err error
	if c.Scopes, err = auth.ParseScopes(strings.Fields(scope)); err != nil {
		t.Fatal(err)
	}
	for _, do := range change {
		do(&c)
	}
	secret := k.acme
	if c.Project == "globex" {
		secret = k.globex
	}
	token, err := auth.NewToken(secret, c)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

const everything = "read append manage"

// inGlobex makes a token one of the other project.
func inGlobex(c *auth.Claims) { c.Project = "globex" }

// target is a path that a rule leads to.
func (r RouteRule) target(name string) string {
	if r.Root == roots[routeAdmin] {
		return r.Root + "streams/" + name
	}
	return r.Root + name
}

func TestEveryRouteHasAPolicyAndEveryScopeIsAsked(t *testing.T) {
	f, k := guarded(t)
	rules := RouteRules()
	for r := routeNone + 1; r < routes; r++ {
		for m := methodOther + 1; m < methods; m++ {
			known := slices.ContainsFunc(rules, func(rule RouteRule) bool { return rule.Root == roots[r] && rule.Method == methodNames[m] })
			if !known {
				target := RouteRule{Root: roots[r]}.target("acme/a")
				f.do(methodNames[m], target, "", k.token(t, everything)).want(t, 405)
			}
		}
	}
	for _, rule := range rules {
		if rule.Scope == "" {
			if rule.Method != "OPTIONS" {
				t.Errorf("%s %s lets everybody in", rule.Method, rule.Root)
			}
			continue
		}
		target := rule.target("acme/a")
		if r := f.do(rule.Method, target, ""); r.StatusCode != 401 {
			t.Errorf("%s %s without credentials is answered %d", rule.Method, target, r.StatusCode)
		}
		for _, scope := range []string{"read", "append", "manage"} {
			r := f.do(rule.Method, target, "", text, k.token(t, scope))
			if in := r.StatusCode != 403; in != (scope == rule.Scope) || r.StatusCode == 401 {
				t.Errorf("%s %s with scope %s is answered %d", rule.Method, target, scope, r.StatusCode)
			}
		}
	}
}

// What somebody without good credentials is told depends on nothing that the
// server has.
func TestStrangersLearnNothing(t *testing.T) {
	f, k := guarded(t)
	all := k.token(t, everything)
	f.do("PUT", root+"acme/there", "secret", text, all).want(t, 201)
	f.do("PUT", root+"acme/gone", "", text, all).want(t, 201)
	f.do("PUT", root+"acme/fork", "", all, "Stream-Forked-From: "+root+"acme/gone").want(t, 201)
	f.do("DELETE", root+"acme/gone", "", all).want(t, 204)

	bearer := strings.TrimPrefix(all, "Authorization: Bearer ")
	head, payload, _ := strings.Cut(bearer, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	strangers := map[string][]string{
		"none":               nil,
		"empty":              {"Authorization: "},
		"no token":           {"Authorization: Bearer"},
		"another scheme":     {"Authorization: Basic " + bearer},
		"garbled":            {"Authorization: Bearer x"},
		"unsigned":           {"Authorization: Bearer " + head + "." + payload + "."},
		"none algorithm":     {"Authorization: Bearer eyJhbGciOiJub25lIn0." + payload + "."},
		"signed by another":  {"Authorization: Bearer " + head + "." + payload + "." + strings.Repeat("A", len(signature))},
		"not yet":            {k.token(t, everything, func(c *auth.Claims) { c.NotBefore = time.Now().Add(time.Hour) })},
		"of another project": {k.token(t, everything, inGlobex)},
		"oversized":          {"Authorization: Bearer " + bearer + strings.Repeat("A", 9<<10)},
		"a key of nobody":    {"Authorization: Bearer trk_" + strings.Repeat("a", 60)},
	}
	for who, headers := range strangers {
		for _, rule := range RouteRules() {
			if rule.Scope == "" {
				continue
			}
			first := ""
			for _, name := range []string{"acme/there", "acme/gone", "acme/none", "unknown/x", "acme"} {
				r := f.do(rule.Method, rule.target(name), "", append(slices.Clone(headers), "X-Request-Id: same", text)...)
				if r.StatusCode != 401 {
					t.Errorf("%s: %s %s is answered %d", who, rule.Method, rule.target(name), r.StatusCode)
				}
				r.Header.Del("Date")
				said := fmt.Sprint(r.StatusCode, r.Header, r.body)
				if first == "" {
					first = said
				} else if said != first {
					t.Errorf("%s: %s %s is answered differently:\n%s\n%s", who, rule.Method, rule.target(name), said, first)
				}
			}
		}
	}
	if got := f.do("GET", root+"acme/there", "", all).want(t, 200).body; got != "secret" {
		t.Errorf("the stream has %q", got)
	}
	f.do("GET", root+"acme/there", "", k.token(t, "read", func(c *auth.Claims) { c.Expires = time.Now().Add(-time.Second) })).
		wantError(t, 401, "token_expired").wantHeaders(t, `WWW-Authenticate: Bearer realm="tailrace", error="invalid_token", error_description="the token has expired"`)
	f.do("GET", root+"acme/there", "").wantError(t, 401, "unauthorized").wantHeaders(t, `WWW-Authenticate: Bearer realm="tailrace"`)
	f.do("GET", root+"acme/there", "", all, all).wantError(t, 400, "duplicate_header")
}

func TestGrantsEndWhereTheySay(t *testing.T) {
	f, k := guarded(t)
	all := k.token(t, everything)
	f.do("PUT", root+"acme/chat/1", "one", text, all).want(t, 201)
	f.do("PUT", root+"acme/chat/2", "two", text, all).want(t, 201)
	one := k.token(t, everything, func(c *auth.Claims) { c.Stream = "acme/chat/1" })
	prefix := k.token(t, everything, func(c *auth.Claims) { c.Prefix = "acme/chat/" })
	f.do("GET", root+"acme/chat/1", "", one).want(t, 200)
	f.do("GET", root+"acme/chat/2", "", one).wantError(t, 403, "forbidden")
	f.do("GET", root+"acme/chat/2", "", prefix).want(t, 200)
	f.do("GET", root+"acme/chats", "", prefix).wantError(t, 403, "forbidden")
	f.do("GET", root+"acme/none", "", prefix).wantError(t, 403, "forbidden")
	f.do("GET", root+"acme/chat/none", "", prefix).wantError(t, 404, "not_found")
	f.do("GET", root+"acme/%63hat/2", "", prefix).want(t, 200)

	// A fork reads what it is made of.
	globex := k.token(t, everything, inGlobex)
	from := "Stream-Forked-From: " + root + "acme/chat/1"
	f.do("PUT", root+"globex/copy", "", globex, from).wantError(t, 403, "forbidden")
	f.do("PUT", root+"globex/copy", "", globex, "Stream-Forked-From: "+root+"acme/none").wantError(t, 403, "forbidden")
	f.do("PUT", root+"acme/copy", "", k.token(t, "append"), from).wantError(t, 403, "forbidden")
	f.do("PUT", root+"acme/chat/1b", "", prefix, from).want(t, 201)
	f.do("HEAD", root+"globex/copy", "", globex).want(t, 404)

	// Only who manages a project does what is about all of it.
	for _, header := range []string{one, prefix} {
		f.do("GET", roots[routeAdmin]+"projects/acme", "", header).wantError(t, 403, "forbidden")
	}
	f.do("GET", roots[routeAdmin]+"projects/globex", "", all).wantError(t, 401, "unauthorized")
	f.do("GET", roots[routeAdmin]+"status", "", all).wantError(t, 404, "no_such_route")
	f.do("GET", root+"acme/chat/1", "", "Authorization: bearer "+k.apiKey).want(t, 200)
	f.do("GET", root+"globex/x", "", "Authorization: Bearer "+k.apiKey).wantError(t, 401, "unauthorized")
}

func TestPublicStreamsAreForEverybody(t *testing.T) {
	f, k := guarded(t)
	all := k.token(t, everything)
	f.do("PUT", root+"acme/open", "hello", text, all, "Stream-Access: public-read").want(t, 201)
	f.do("PUT", root+"acme/private", "hello", text, all).want(t, 201)
	f.do("PUT", root+"acme/x", "", all, "Stream-Access: public").wantError(t, 400, "invalid_access")
	f.do("PUT", root+"acme/open", "", text, all).wantError(t, 409, "config_mismatch")

	public := "Cache-Control: public, max-age=60, stale-while-revalidate=300"
	f.do("GET", root+"acme/open", "").want(t, 200).wantHeaders(t, public)
	f.do("GET", root+"acme/open", "", all).want(t, 200).wantHeaders(t, public)
	f.do("GET", root+"acme/private", "", all).want(t, 200).wantHeaders(t, "Cache-Control: private, no-store")
	f.do("HEAD", root+"acme/open", "").want(t, 200).wantHeaders(t, "Stream-Access: public-read", "Cache-Control: no-store")
	f.do("HEAD", root+"acme/private", "", all).want(t, 200).wantHeaders(t, "Stream-Access:", "Cache-Control: private, no-store")
	f.do("GET", root+"acme/private", "").wantError(t, 401, "unauthorized")
	f.do("HEAD", root+"acme/private", "").want(t, 401)
	f.do("GET", root+"acme/open", "", "Authorization: Bearer x").wantError(t, 401, "unauthorized")
	f.do("POST", root+"acme/open", "x", text).wantError(t, 401, "unauthorized")
	f.do("DELETE", root+"acme/open", "").wantError(t, 401, "unauthorized")
	f.do("POST", root+"acme/open", "", all, "Stream-Closed: true").want(t, 204)
	f.do("GET", root+"acme/open?offset=-1&live=sse", "").want(t, 200).wantHeaders(t, "Cache-Control: no-cache, no-transform")
	f.do("GET", root+"acme/open?offset="+token(10)+"&live=long-poll", "").want(t, 204).wantHeaders(t, "Cache-Control: no-store")
	f.do("GET", root+"acme/private?offset=-1&live=sse", "").wantError(t, 401, "unauthorized")
}

func TestTokensOfURLs(t *testing.T) {
	f, k := guarded(t)
	all := k.token(t, everything)
	f.do("PUT", root+"acme/a", "hello", text, all).want(t, 201)
	f.do("PUT", root+"acme/b", "hello", text, all).want(t, 201)
	minted := func(headers ...string) (m struct {
		Token, Cookie string
		ExpiresAt     time.Time `json:"expires_at"`
	}) {
		r := f.do("POST", roots[routeToken]+"acme/a", "", headers...).want(t, 201).wantHeaders(t, "Cache-Control: private, no-store")
		if err := json.Unmarshal([]byte(r.body), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := minted(k.token(t, "read"), "Token-Life: 30")
	if left := time.Until(m.ExpiresAt); left > 31*time.Second || left < 0 {
		t.Errorf("the token expires at %v", m.ExpiresAt)
	}
	query := "?offset=-1&token=" + m.Token
	f.do("GET", root+"acme/a"+query, "").want(t, 200).wantHeaders(t, "Referrer-Policy: no-referrer", "Cache-Control: private, no-store")
	f.do("HEAD", root+"acme/a?token="+m.Token, "").want(t, 200)
	f.do("GET", root+"acme/b"+query, "").wantError(t, 401, "unauthorized").wantHeaders(t, "Referrer-Policy: no-referrer")
	f.do("POST", root+"acme/a"+query, "x", text).wantError(t, 401, "unauthorized")
	f.do("DELETE", root+"acme/a"+query, "").wantError(t, 401, "unauthorized")
	f.do("GET", root+"acme/a", "", "Authorization: Bearer "+m.Token).wantError(t, 401, "unauthorized")
	f.do("GET", root+"acme/a?token="+strings.TrimPrefix(all, "Authorization: Bearer "), "").wantError(t, 401, "unauthorized")
	f.do("GET", root+"acme/a"+query+"&token=x", "").wantError(t, 400, "duplicate_parameter")

	r := f.do("POST", roots[routeToken]+"acme/a", "", all, "Token-Cookie: true").want(t, 201)
	cookie := r.Header.Get("Set-Cookie")
	pair, attributes, _ := strings.Cut(cookie, "; ")
	for _, want := range []string{"Path=/v1/stream/acme/a", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=60"} {
		if !slices.Contains(strings.Split(attributes, "; "), want) {
			t.Errorf("the cookie %q lacks %s", cookie, want)
		}
	}
	if _, value, _ := strings.Cut(pair, "="); strings.Contains(r.body, value) {
		t.Error("the page sees what is in the cookie")
	}
	for _, path := range []string{"/v1/%74oken/acme/a", roots[routeToken] + "acme/a;b"} {
		f.do("POST", path, "", all, "Token-Cookie: true").wantError(t, 400, "invalid_path").wantHeaders(t, "Set-Cookie:")
	}
	f.do("GET", root+"acme/a", "", "Cookie: other=1; "+pair).want(t, 200)
	f.do("POST", root+"acme/a", "x", text, "Cookie: "+pair).wantError(t, 401, "unauthorized")
	f.do("POST", roots[routeToken]+"acme/a", "", "Cookie: "+pair).wantError(t, 401, "unauthorized")

	for _, life := range []string{"0", "61", "-1", "x", ""} {
		f.do("POST", roots[routeToken]+"acme/a", "", all, "Token-Life: "+life).wantError(t, 400, "invalid_token_life")
	}
	f.do("POST", roots[routeToken]+"acme/a", "", k.token(t, "append")).wantError(t, 403, "forbidden")
	f.do("POST", roots[routeToken]+"acme/a", "x", all).wantError(t, 400, "unexpected_body")

	f.server.Configure(Settings{Projects: k.all})
	f.do("GET", root+"acme/a"+query, "").wantError(t, 401, "unauthorized")
	f.do("POST", roots[routeToken]+"acme/a", "", all).wantError(t, 404, "no_such_route")
}

func TestLiveReadsEndWithTheirToken(t *testing.T) {
	f, k := guarded(t, func(u *setup, _ *keys) { endless(u) })
	all := k.token(t, everything)
	f.do("PUT", root+"acme/a", "hello", text, all).want(t, 201)
	soon := k.token(t, "read", func(c *auth.Claims) { c.Expires = time.Now().Add(2 * time.Second) })
	poll := make(chan *response, 1)
	go func() { poll <- f.do("GET", root+"acme/a?offset="+token(10)+"&live=long-poll", "", soon) }()
	r := f.do("GET", root+"acme/a?offset=-1&live=sse", "", soon).want(t, 200)
	if want := `data:{"streamNextOffset":"` + token(10) + `","tokenExpired":true}` + "\n\n"; !strings.HasSuffix(r.body, want) {
		t.Errorf("the events end with\n%s", r.body)
	}
	await(t, "the answer to the long-poll", poll).wantError(t, 401, "token_expired")

	// Who has a token that lasts gets the news.
	waits := make(chan *response, 1)
	go func() { waits <- f.do("GET", root+"acme/a?offset="+token(10)+"&live=long-poll", "", all) }()
	for await(t, "a long-poll that waits", f.parks).name != "acme/a" {
	}
	other := k.token(t, "append", func(c *auth.Claims) { c.Stream = "acme/a" })
	f.do("POST", root+"acme/a", "x", text, other).want(t, 204)
	await(t, "the answer", waits).want(t, 200)
}

// An event stream ends soon after its key was taken back, one by another key goes on.
func TestEventStreamsEndWithTheirKey(t *testing.T) {
	f, k := guarded(t, func(u *setup, _ *keys) {
		u.server.LiveTime, u.server.CommentInterval = time.Hour, 50*time.Millisecond
	})
	f.do("PUT", root+"acme/a", "hello", text, k.token(t, everything)).want(t, 201)
	f.do("PUT", root+"globex/a", "hello", text, k.token(t, everything, inGlobex)).want(t, 201)
	other := f.dial()
	defer other.conn.Close()
	other.send(f.request("GET", root+"globex/a?offset=-1&live=sse", "", k.token(t, "read", inGlobex)))
	ended := make(chan *response, 1)
	go func() { ended <- f.do("GET", root+"acme/a?offset=-1&live=sse", "", k.token(t, "read")) }()
	for range 2 {
		await(t, "a reader that waits", f.parks)
	}
	k.all[0].Secrets[0].Value = []byte(strings.Repeat("n", 32))
	k.set(t)
	if body := await(t, "the end of the events", ended).want(t, 200).body; !strings.Contains(body, `"tokenExpired":true`) {
		t.Errorf("the events end with\n%s", body)
	}
	// That of the other key follows its stream to the end.
	f.do("POST", root+"globex/a", "more", text, k.token(t, everything, inGlobex), "Stream-Closed: true").want(t, 204)
	body := other.read("GET").want(t, 200).body
	if !strings.Contains(body, "more") || !strings.Contains(body, `"streamClosed":true`) || strings.Contains(body, "tokenExpired") {
		t.Errorf("the events of the other key end with\n%s", body)
	}
	waitFor(t, "the readers to be gone", func() bool { return f.server.LiveReaders() == 0 })
}

func TestFailuresOfAnAddressAreLimited(t *testing.T) {
	f, k := guarded(t, func(u *setup, k *keys) {
		var err error
		if k.guard, err = auth.New(auth.Options{FailureBurst: 3, FailureEvery: time.Hour}); err != nil {
			t.Fatal(err)
		}
		u.server.Auth = k.guard
		u.server.TrustForwarded = true
	})
	known := k.token(t, "read")
	f.do("GET", root+"acme/a", "", known, "X-Forwarded-For: 192.0.2.1").wantError(t, 404, "not_found")
	bad := "Authorization: Bearer " + strings.Repeat("x", 40)
	for range 3 {
		f.do("GET", root+"acme/a", "", bad, "X-Forwarded-For: 10.0.0.1, 192.0.2.1").wantError(t, 401, "unauthorized")
	}
	r := f.do("GET", root+"acme/a", "", bad, "X-Forwarded-For: 10.0.0.2, 192.0.2.1").wantError(t, 429, "too_many_failures")
	if r.Header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	f.do("GET", root+"acme/a", "", known, "X-Forwarded-For: 192.0.2.1").wantError(t, 404, "not_found")
	f.do("GET", root+"acme/a", "", bad, "X-Forwarded-For: 192.0.2.1, 192.0.2.2").wantError(t, 401, "unauthorized")
}
