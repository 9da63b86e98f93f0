package fuzz

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"tailrace/internal/auth"
	"tailrace/internal/project"
)

var (
	authNow     = time.Unix(1_800_000_000, 0)
	authSecret  = []byte("the-secret-that-signs-for-acme-01234")
	authForeign = []byte("the-secret-that-signs-for-them-01234")
	authMintKey = []byte("the-key-of-the-guard-itself-0123456")
)

// authGuard has two projects.
func authGuard() *auth.Guard {
	k, err := auth.NewKeyring([]project.Project{
		{Name: "acme", Secrets: []project.Secret{{ID: "k", Value: authSecret}}},
		{Name: "umbrella", Secrets: []project.Secret{{ID: "k", Value: authForeign}}},
	}, nil)
	if err != nil {
		panic(err)
	}
	g, err := auth.New(auth.Options{Keyring: k, MintKey: authMintKey, Now: func() time.Time { return authNow }, CacheEntries: 16})
	if err != nil {
		panic(err)
	}
	return g
}

// authWorld is a guard and all credentials that it may accept, by what for.
var authWorld = sync.OnceValue(func() (w struct {
	guard       *auth.Guard
	bearer, url map[string]bool
	seeds       []string
}) {
	w.guard = authGuard()
	w.bearer, w.url = map[string]bool{}, map[string]bool{}
	for _, c := range []auth.Claims{
		{Scopes: auth.Read}, {Scopes: auth.Read | auth.Append | auth.Manage, Subject: "me"}, {Scopes: auth.Read, Stream: "acme/a"}, {Scopes: auth.Read, Prefix: "acme/a"},
	} {
		c.Project, c.Expires = "acme", authNow.Add(time.Minute)
		for _, id := range []string{"", "k"} {
			text, err := auth.NewToken(project.Secret{ID: id, Value: authSecret}, c)
			if err != nil {
				panic(err)
			}
			grant, r := w.guard.Bearer([]byte(text), "acme", nil)
			if r != auth.None {
				panic(r)
			}
			url, _, err := w.guard.Mint(grant, "acme/a", time.Minute)
			if err != nil {
				panic(err)
			}
			w.bearer[text], w.url[url] = true, true
			w.seeds = append(w.seeds, text, url)
		}
	}
	key, _ := auth.NewAPIKey(bytes.NewReader(make([]byte, 32)))
	w.seeds = append(w.seeds, key, "", ".", "..", "...", "trk_", "{}", "e30.e30.e30")
	return w
})

// FuzzCredential gives arbitrary credentials. Only those that were signed for it
// are ever good, to the byte.
func FuzzCredential(f *testing.F) {
	for _, seed := range authWorld().seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, credential []byte) {
		w := authWorld()
		var from func() netip.Addr // nobody is limited
		for range 2 {
			for _, of := range []string{"acme", "umbrella", "nobody", ""} {
				grant, r := w.guard.Bearer(credential, of, from)
				if want := w.bearer[string(credential)] && of == "acme"; (grant != nil) != want || (r == auth.None) != want {
					t.Fatalf("%q for %q: %v, %+v", credential, of, r, grant)
				}
			}
			for _, stream := range []string{"acme/a", "acme/b", "umbrella/a", ""} {
				grant, r := w.guard.URLToken(credential, stream, from)
				if want := w.url[string(credential)] && stream == "acme/a"; (grant != nil) != want || (r == auth.None) != want {
					t.Fatalf("%q in the URL of %q: %v, %+v", credential, stream, r, grant)
				}
			}
		}
	})
}

// sealed is a token with any header and any claims, and a good signature.
func sealed(key, header, payload []byte) []byte {
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return []byte(input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// mayBeGood holds the laws that claims have to keep before a grant may come of
// them. It reads them with the decoder of the standard library, which takes more.
func mayBeGood(header, payload []byte) error {
	var h, c map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	switch {
	case !utf8.Valid(header) || !utf8.Valid(payload):
		return fmt.Errorf("not UTF-8")
	case json.Unmarshal(header, &h) != nil || d.Decode(&c) != nil:
		return fmt.Errorf("not JSON")
	case h["alg"] != "HS256" || strings.Contains(strings.ToLower(fmt.Sprint(h["typ"])), "tailrace"):
		return fmt.Errorf("alg %v, typ %v", h["alg"], h["typ"])
	case c["project"] != "acme":
		return fmt.Errorf("project %v", c["project"])
	}
	exp, ok := c["exp"].(json.Number)
	if !ok {
		return fmt.Errorf("exp %v", c["exp"])
	}
	if at, err := exp.Float64(); err != nil || at < float64(authNow.Unix()+1) || at > 3e11 || strings.ContainsAny(exp.String(), "eE-") {
		return fmt.Errorf("exp %v", exp)
	}
	if nbf, ok := c["nbf"].(json.Number); ok {
		if at, err := nbf.Float64(); err != nil || at >= float64(authNow.Unix()+31) {
			return fmt.Errorf("nbf %v", nbf)
		}
	}
	for _, name := range []string{"stream", "prefix"} {
		if v, given := c[name]; given {
			if text, ok := v.(string); !ok || text != "acme" && !strings.HasPrefix(text, "acme/") {
				return fmt.Errorf("%s %v", name, v)
			}
		}
	}
	return nil
}

// FuzzClaims signs whatever it is given with a good key. A grant has to keep the
// laws, and is for nothing outside of its project.
func FuzzClaims(f *testing.F) {
	payload := func(more string) []byte {
		return fmt.Appendf(nil, `{"project":"acme","scope":"read","exp":%d%s}`, authNow.Unix()+60, more)
	}
	for _, header := range []string{`{"alg":"HS256"}`, `{"alg":"HS256","kid":"k","typ":"JWT"}`, `{"alg":"none"}`, `{"alg":"HS256","crit":["b64"],"b64":false}`} {
		f.Add([]byte(header), payload(""))
	}
	for _, more := range []string{
		`,"stream":"acme/a"`, `,"prefix":"acme/"`, `,"nbf":1800000030.5`, `,"iat":0`, `,"sub":"\u202e"`, `,"exp":1e300`, `,"Project":"umbrella"`,
		`,"stream":"umbrella/a"`, `,"prefix":""`, `,"\u0073cope":["read"]`,
	} {
		f.Add([]byte(`{"alg":"HS256","kid":"k"}`), payload(more))
	}
	guard := authGuard()
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		token := sealed(authSecret, header, payload)
		grant, r := guard.Bearer(token, "acme", nil)
		if (grant != nil) != (r == auth.None) {
			t.Fatalf("%v with %+v", r, grant)
		}
		if other, _ := guard.Bearer(token, "umbrella", nil); other != nil {
			t.Fatalf("good for a project that did not sign it: %+v", other)
		}
		if url, _ := guard.URLToken(token, "acme/a", nil); url != nil {
			t.Fatalf("good in a URL: %+v", url)
		}
		if grant == nil {
			return
		}
		if err := mayBeGood(header, payload); err != nil {
			t.Fatalf("%s . %s became %+v: %v", header, payload, grant, err)
		}
		if grant.Project != "acme" || grant.Scopes == 0 || !authNow.Before(grant.Expires) || len(grant.Subject) > 128 || strings.ContainsAny(grant.Subject, "\n\x00\u202e") {
			t.Fatalf("%s . %s became %+v", header, payload, grant)
		}
		all := auth.Read | auth.Append | auth.Manage
		for _, stream := range []string{"", "umbrella/a", "acmes/a", "/acme/a", "umbrella"} {
			for _, scope := range []auth.Scope{auth.Read, auth.Append, auth.Manage, all} {
				if grant.Allows(scope, stream) || grant.Covers(scope, stream) {
					t.Fatalf("%+v is for %s of %q", grant, scope, stream)
				}
			}
		}
		if again, _ := guard.Bearer(token, "acme", nil); again != grant {
			t.Fatalf("from the cache: %+v", again)
		}
	})
}

// FuzzURLClaims is the same for the guard's own key: who had it could make tokens
// for one stream, and no more.
func FuzzURLClaims(f *testing.F) {
	guard := authGuard()
	text, err := auth.NewToken(project.Secret{Value: authSecret}, auth.Claims{Project: "acme", Scopes: auth.Read, Expires: authNow.Add(time.Minute)})
	if err != nil {
		f.Fatal(err)
	}
	grant, r := guard.Bearer([]byte(text), "acme", nil)
	if r != auth.None {
		f.Fatal(r)
	}
	url, _, err := guard.Mint(grant, "acme/a", time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(url, ".")
	var seed [2][]byte
	for i := range seed {
		if seed[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			f.Fatal(err)
		}
	}
	var original map[string]any
	if err := json.Unmarshal(seed[1], &original); err != nil {
		f.Fatal(err)
	}
	f.Add(seed[0], seed[1])
	f.Add([]byte(`{"alg":"HS256"}`), seed[1])
	f.Add(seed[0], []byte(`{"stream":"acme/a","exp":1800000060,"keys":""}`))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		token := sealed(authMintKey, header, payload)
		if bearer, _ := guard.Bearer(token, "acme", nil); bearer != nil {
			t.Fatalf("good as a bearer: %+v", bearer)
		}
		for _, stream := range []string{"acme/a", "umbrella/a"} {
			grant, _ := guard.URLToken(token, stream, nil)
			if grant == nil {
				continue
			}
			var c map[string]any
			if err := json.Unmarshal(payload, &c); err != nil || c["keys"] != original["keys"] || c["stream"] != "acme/a" {
				t.Fatalf("%s . %s: %v", header, payload, err)
			}
			if stream != "acme/a" || grant.Stream != stream || grant.Scopes != auth.Read || !authNow.Before(grant.Expires) {
				t.Fatalf("%s . %s became %+v", header, payload, grant)
			}
		}
	})
}
