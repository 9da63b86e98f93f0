package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailrace/internal/project"
)

// TestGoodTokensAreAccepted is what shows that those of the other table are refused
// for what is wrong with them.
func TestGoodTokensAreAccepted(t *testing.T) {
	p := pairs()
	now := start.Unix()
	claims := string(toJSON(members()))
	plain := Grant{Project: "acme", Scopes: Read, Expires: time.Unix(now+60, 0)}
	with := func(change func(g *Grant)) Grant {
		g := plain
		g.Subject = "one"
		change(&g)
		return g
	}
	for _, c := range []struct {
		name, credential string
		want             Grant
	}{
		{"HS256", good(), with(func(*Grant) {})},
		{"HS256 without kid", tokenOf("HS256", secretOne, "", members()), with(func(*Grant) {})},
		{"HS256, second secret", tokenOf("HS256", secretTwo, "", members()), plain},
		{"RS256", tokenOf("RS256", p.rsa, "rsa", members()), with(func(g *Grant) { g.Subject = "rsa" })},
		{"RS256 without kid", tokenOf("RS256", p.rsa, "", members()), with(func(g *Grant) { g.Subject = "rsa" })},
		{"ES256", tokenOf("ES256", p.ec, "ec", members()), with(func(g *Grant) { g.Subject = "ec" })},
		{"EdDSA", tokenOf("EdDSA", p.ed, "ed", members()), with(func(g *Grant) { g.Subject = "ed" })},
		{"no typ", raw(`{"alg":"HS256","kid":"one"}`, claims), with(func(*Grant) {})},
		{"typ of an access token", raw(`{"alg":"HS256","kid":"one","typ":"application/at+JWT"}`, claims), with(func(*Grant) {})},
		{"headers for others", raw(`{"alg":"HS256","kid":"one","x5t":"x","nonce":"n","url":"u"}`, claims), with(func(*Grant) {})},
		{"escapes", raw(`{"\u0061lg":"\u0048S256","kid":"one"}`, strings.Replace(claims, "acme", `\u0061cme`, 1)), with(func(*Grant) {})},
		{"spaces", raw(" "+plainHeader+"\n", " "+claims+"\n"), with(func(*Grant) {})},
		{"exp with a fraction", raw(plainHeader, payloadExp(fmt.Sprint(now+60)+".999")), with(func(*Grant) {})},
		{"exp late", good("exp", int64(timeMax)), with(func(g *Grant) { g.Expires = time.Unix(timeMax, 0) })},
		{"exp next", good("exp", now+1), with(func(g *Grant) { g.Expires = time.Unix(now+1, 0) })},
		{"nbf and iat within leeway", good("nbf", now+30, "iat", now+30), with(func(*Grant) {})},
		{"append alone", good("scope", "append"), with(func(g *Grant) { g.Scopes = Append })},
		{"manage alone", good("scope", "manage"), with(func(g *Grant) { g.Scopes = Manage })},
		{"write", good("scope", "write"), with(func(g *Grant) { g.Scopes = Read | Append })},
		{"all, with others", good("scope", "openid read  append manage email"), with(func(g *Grant) { g.Scopes = Read | Append | Manage })},
		{"list", good("scope", []string{"append", "x", "read"}), with(func(g *Grant) { g.Scopes = Read | Append })},
		{"stream", good("stream", "acme/a b/ü"), with(func(g *Grant) { g.Stream = "acme/a b/ü" })},
		{"stream named like the project", good("stream", "acme"), with(func(g *Grant) { g.Stream = "acme" })},
		{"prefix", good("prefix", "acme/chat/"), with(func(g *Grant) { g.Prefix = "acme/chat/" })},
		{"sub", good("sub", "user-7"), with(func(g *Grant) { g.Subject = "user-7" })},
		{"sub that would break the log", good("sub", "a\n\u202eb\x00"), with(func(g *Grant) { g.Subject = "a??b?" })},
		{"sub that is long", good("sub", strings.Repeat("é", 100)), with(func(g *Grant) { g.Subject = strings.Repeat("é", 64) })},
		{"sub empty", good("sub", ""), with(func(*Grant) {})},
		{"claims for others", good("aud", "x", "iss", "y", "jti", 1), with(func(*Grant) {})},
		{"of the greatest size", sized(t, tokenBytesMax), with(func(*Grant) {})},
		{"API key", apiKeyText1, Grant{Project: "acme", Scopes: Read | Append, Prefix: "acme/ci/", Subject: "ci"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, _ := newGuard(t, Options{})
			for _, cached := range []string{"cold", "cached"} {
				got := *wantGrant(t, g, c.credential)
				got.keys = nil
				if got != c.want {
					t.Fatalf("%s: %+v\nwant %+v", cached, got, c.want)
				}
			}
			if _, r := g.URLToken([]byte(c.credential), "acme/ci/x", nil); r != Unauthorized {
				t.Errorf("in a URL: %v", r)
			}
		})
	}
}

// sized is a good token of n bytes.
func sized(t *testing.T, n int) string {
	for fill := n / 2; fill < n; fill++ {
		if text := good("x", strings.Repeat("a", fill)); len(text) == n {
			return text
		}
	}
	t.Fatalf("no token has %d bytes", n)
	return ""
}

func TestNewTokenIsAccepted(t *testing.T) {
	g, _ := newGuard(t, Options{})
	for _, c := range []Claims{
		{Project: "acme", Scopes: Read, Expires: start.Add(time.Minute)},
		{Project: "acme", Scopes: Read | Append | Manage, Stream: "acme/<a>&\"", Subject: "me", Expires: start.Add(time.Hour), NotBefore: start, IssuedAt: start},
		{Project: "acme", Scopes: Append, Prefix: "acme/x", Expires: start.Add(time.Second)},
	} {
		for _, secret := range []project.Secret{{ID: "one", Value: secretOne}, {Value: secretTwo}} {
			text, err := NewToken(secret, c)
			if err != nil {
				t.Fatal(err)
			}
			got := wantGrant(t, g, text)
			if got.Scopes != c.Scopes || got.Stream != c.Stream || got.Prefix != c.Prefix || !got.Expires.Equal(c.Expires) {
				t.Errorf("%+v became %+v", c, got)
			}
		}
	}
}

func TestNewTokenRefusesWhatNobodyAccepts(t *testing.T) {
	secret := project.Secret{ID: "one", Value: secretOne}
	fine := Claims{Project: "acme", Scopes: Read, Expires: start}
	for want, change := range map[string]func(c *Claims, s *project.Secret){
		"needs at least 32":  func(_ *Claims, s *project.Secret) { s.Value = s.Value[:31] },
		"no project":         func(c *Claims, _ *project.Secret) { c.Project = "a/b" },
		"no scope":           func(c *Claims, _ *project.Secret) { c.Scopes = 0 },
		"needs the time":     func(c *Claims, _ *project.Secret) { c.Expires = time.Time{} },
		"exclude each other": func(c *Claims, _ *project.Secret) { c.Stream, c.Prefix = "acme/a", "acme/" },
		"not in the project": func(c *Claims, _ *project.Secret) { c.Stream = "umbrella/a" },
		"not UTF-8":          func(c *Claims, _ *project.Secret) { c.Prefix = "acme/\xff" },
		"there may be 8192":  func(c *Claims, _ *project.Secret) { c.Subject = strings.Repeat("a", tokenBytesMax) },
	} {
		c, s := fine, secret
		change(&c, &s)
		if _, err := NewToken(s, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		} else if strings.Contains(err.Error(), string(secretOne[:8])) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if _, err := NewToken(secret, fine); err != nil {
		t.Error(err)
	}
}

func TestGrants(t *testing.T) {
	all := Grant{Project: "acme", Scopes: Read | Append}
	stream := Grant{Project: "acme", Scopes: Read, Stream: "acme/a"}
	prefix := Grant{Project: "acme", Scopes: Read, Prefix: "acme/chat/"}
	part := Grant{Project: "acme", Scopes: Read, Prefix: "acme/chat"}
	bare := Grant{Project: "acme", Scopes: Read, Prefix: "acme"}
	manage := Grant{Project: "acme", Scopes: Manage}
	for i, c := range []struct {
		grant  Grant
		scope  Scope
		stream string
		want   bool
	}{
		{all, Read, "acme/a", true}, {all, Append, "acme/a", true}, {all, Read | Append, "acme/a", true}, {all, Manage, "acme/a", false},
		{all, Read | Manage, "acme/a", false}, {all, 0, "acme/a", false}, {all, Read, "acme", true},
		{all, Read, "acme2/a", false}, {all, Read, "umbrella/a", false}, {all, Read, "", false}, {all, Read, "/acme/a", false},
		{stream, Read, "acme/a", true}, {stream, Append, "acme/a", false}, {stream, Read, "acme/a/b", false}, {stream, Read, "acme/", false}, {stream, Read, "ACME/a", false},
		{prefix, Read, "acme/chat/1", true}, {prefix, Read, "acme/chat/", true}, {prefix, Read, "acme/chat", false}, {prefix, Read, "acme/chats", false},
		{part, Read, "acme/chats", true}, {part, Read, "acme/chat", true},
		{bare, Read, "acme/x", true}, {bare, Read, "acme", true}, {bare, Read, "acme2/x", false},
		{manage, Manage, "acme/a", true}, {manage, Read, "acme/a", false}, {manage, Append, "acme/a", false},
		{Grant{}, Read, "acme/a", false}, {Grant{Scopes: Read}, Read, "", true},
	} {
		if got := c.grant.Allows(c.scope, c.stream); got != c.want {
			t.Errorf("%d: %+v allows %s of %q: %t", i, c.grant, c.scope, c.stream, got)
		}
	}
	for i, c := range []struct {
		grant  Grant
		scope  Scope
		prefix string
		want   bool
	}{
		{all, Read, "acme/", true}, {all, Read, "acme/x", true}, {all, Read, "acme", false}, {all, Read, "", false}, {all, Manage, "acme/", false},
		{all, Read, "acme2/", false}, {stream, Read, "acme/a", false}, {prefix, Read, "acme/chat/", true}, {prefix, Read, "acme/chat/x", true},
		{prefix, Read, "acme/chat", false}, {prefix, Read, "acme/", false}, {bare, Read, "acme/", true}, {bare, Read, "acme", false}, {manage, Manage, "acme/", true},
	} {
		if got := c.grant.Covers(c.scope, c.prefix); got != c.want {
			t.Errorf("%d: %+v covers %s of %q: %t", i, c.grant, c.scope, c.prefix, got)
		}
	}
}

func TestScopesInWords(t *testing.T) {
	for words, want := range map[string]string{
		"read": "read", "append": "append", "manage": "manage", "write": "read append", "manage write": "read append manage", "read read": "read",
	} {
		s, err := ParseScopes(strings.Fields(words))
		if err != nil || s.String() != want {
			t.Errorf("%q is %q, %v; want %q", words, s, err, want)
		}
	}
	for _, words := range [][]string{nil, {""}, {"Read"}, {"read", "admin"}, {"read append"}} {
		if s, err := ParseScopes(words); err == nil {
			t.Errorf("%q is %q", words, s)
		}
	}
}
