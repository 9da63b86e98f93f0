package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tailrace/internal/project"
)

var mintKey = []byte("the-mint-key-of-the-tests-0123456789")

func mint(t *testing.T, g *Guard, credential, stream string, life time.Duration) string {
	t.Helper()
	text, _, err := g.Mint(wantGrant(t, g, credential), stream, life)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestURLTokensReadOneStream(t *testing.T) {
	g, c := newGuard(t, Options{})
	credential := good("scope", "read append manage", "exp", start.Unix()+7200, "sub", "me")
	text, expires, err := g.Mint(wantGrant(t, g, credential), "acme/a <b>/ü", 10*time.Minute)
	if err != nil || !expires.Equal(start.Add(10*time.Minute)) {
		t.Fatal(err, expires)
	}
	for _, cached := range []string{"cold", "cached"} {
		grant, r := g.URLToken([]byte(text), "acme/a <b>/ü", nil)
		if r != None {
			t.Fatalf("%s: %v", cached, r)
		}
		got := *grant
		got.keys = nil
		if want := (Grant{Project: "acme", Scopes: Read, Stream: "acme/a <b>/ü", Expires: expires, Subject: "me"}); got != want {
			t.Errorf("%s: %+v", cached, got)
		}
		if !g.Current(grant) {
			t.Errorf("%s: not current", cached)
		}
		for _, other := range []string{"acme/a", "acme/a <b>", "acme/a <b>/ü/", "acme", "", "umbrella/a <b>/ü"} {
			if _, r := g.URLToken([]byte(text), other, nil); r != Unauthorized {
				t.Errorf("%s: for %q: %v", cached, other, r)
			}
		}
		wantRefusal(t, g, text, "acme", Unauthorized)
	}
	if n := g.Stats().Minted; n != 1 {
		t.Errorf("%d minted", n)
	}
	c.step(10 * time.Minute)
	if _, r := g.URLToken([]byte(text), "acme/other", nil); r != Unauthorized {
		t.Errorf("expired, for another stream: %v", r)
	}
	for _, cached := range []string{"cached", "cold"} {
		if _, r := g.URLToken([]byte(text), "acme/a <b>/ü", nil); r != Expired {
			t.Errorf("%s, expired: %v", cached, r)
		}
	}
}

func TestMintGivesNoMoreThanTheGrant(t *testing.T) {
	g, c := newGuard(t, Options{})
	c.step(-500 * time.Millisecond)
	for name, m := range map[string]struct {
		credential, stream string
		life               time.Duration
		want               error
	}{
		"too short":          {good(), "acme/a", LifeMin - 1, ErrLife},
		"no life":            {good(), "acme/a", 0, ErrLife},
		"negative":           {good(), "acme/a", -time.Minute, ErrLife},
		"too long":           {good(), "acme/a", LifeMax + 1, ErrLife},
		"other project":      {good(), "umbrella/a", time.Minute, ErrNotGranted},
		"no stream":          {good(), "", time.Minute, ErrNotGranted},
		"other stream":       {good("stream", "acme/b"), "acme/a", time.Minute, ErrNotGranted},
		"other prefix":       {good("prefix", "acme/b"), "acme/a", time.Minute, ErrNotGranted},
		"append only":        {good("scope", "append"), "acme/a", time.Minute, ErrNotGranted},
		"manage only":        {good("scope", "manage"), "acme/a", time.Minute, ErrNotGranted},
		"a name not in UTF8": {good(), "acme/\xff", time.Minute, ErrNotGranted},
	} {
		text, _, err := g.Mint(wantGrant(t, g, m.credential), m.stream, m.life)
		if !errors.Is(err, m.want) || text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for name, m := range map[string]struct {
		credential string
		life       time.Duration
		want       time.Time
	}{
		"the least":         {good(), LifeMin, start.Add(time.Second)}, // up to a whole second
		"until the grant's": {good(), LifeMax, start.Add(time.Minute)},
		"within the grant":  {good("exp", start.Unix()+9000), LifeMax, start.Add(time.Hour)},
		"of an API key":     {apiKeyText1, LifeMax, start.Add(time.Hour)},
	} {
		grant := wantGrant(t, g, m.credential)
		text, expires, err := g.Mint(grant, "acme/ci/a", m.life)
		if err != nil || !expires.Equal(m.want) {
			t.Errorf("%s: until %v, %v; want %v", name, expires, err, m.want)
		}
		got, r := g.URLToken([]byte(text), "acme/ci/a", nil)
		if r != None || !got.Expires.Equal(m.want) {
			t.Errorf("%s: %v, %+v", name, r, got)
		}
	}
	if _, _, err := g.Mint(wantGrant(t, g, good()), "acme/"+strings.Repeat("a", tokenBytesMax), time.Minute); err == nil {
		t.Error("a token that is too long was minted")
	}
	old := wantGrant(t, g, good())
	c.step(time.Minute + 500*time.Millisecond)
	if _, _, err := g.Mint(old, "acme/a", time.Minute); !errors.Is(err, ErrGrantOver) {
		t.Errorf("of an expired grant: %v", err)
	}
	if _, _, err := g.Mint(&Grant{Project: "acme", Scopes: Read}, "acme/a", time.Minute); !errors.Is(err, ErrGrantOver) {
		t.Errorf("of a grant that no guard made: %v", err)
	}
}

func TestURLTokensEndWithTheKeys(t *testing.T) {
	projects, read := someProjects()
	for name, c := range map[string]struct {
		change func(p []project.Project) []project.Project
		want   Refusal
	}{
		"nothing":         {func(p []project.Project) []project.Project { return p }, None},
		"another project": {func(p []project.Project) []project.Project { return p[:1] }, None},
		"project gone":    {func(p []project.Project) []project.Project { return p[1:] }, Unauthorized},
		"secret gone":     {func(p []project.Project) []project.Project { p[0].Secrets = p[0].Secrets[1:]; return p }, Unauthorized},
		"file gone":       {func(p []project.Project) []project.Project { p[0].JWKSFile = ""; return p }, Unauthorized},
		"project with the same name and no keys": {func(p []project.Project) []project.Project {
			return []project.Project{{Name: "acme"}}
		}, Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := newGuard(t, Options{})
			held := wantGrant(t, g, good())
			text := mint(t, g, good(), "acme/a", time.Minute)
			if _, r := g.URLToken([]byte(text), "acme/a", nil); r != None {
				t.Fatal(r)
			}
			k, err := NewKeyring(c.change(append([]project.Project(nil), projects...)), read)
			if err != nil {
				t.Fatal(err)
			}
			g.SetKeyring(k)
			if _, r := g.URLToken([]byte(text), "acme/a", nil); r != c.want {
				t.Errorf("%v, want %v", r, c.want)
			}
			// A grant that outlived its keys makes no token under the new ones.
			_, _, err = g.Mint(held, "acme/a", time.Minute)
			if c.want == None && err != nil || c.want != None && !errors.Is(err, ErrGrantOver) {
				t.Errorf("mint: %v", err)
			}
		})
	}
}

// TestOnlyMintMakesURLTokens: not even who has the key can, with other claims or
// under the typ of a bearer token.
func TestOnlyMintMakesURLTokens(t *testing.T) {
	g, _ := newGuard(t, Options{MintKey: mintKey})
	other, _ := newGuard(t, Options{})
	text := mint(t, g, good(), "acme/a", time.Minute)
	head, rest, _ := strings.Cut(text, ".")
	body, sig, _ := strings.Cut(rest, ".")
	header, _ := decodePart([]byte(head))
	payload, _ := decodePart([]byte(body))
	sign := func(key []byte, header, payload string) string { return signRaw("HS256", key, header, payload) }
	if again := sign(mintKey, string(header), string(payload)); again != text {
		t.Fatalf("the tests sign otherwise:\n%s\n%s", again, text)
	}
	p := pairs()
	for name, credential := range map[string]string{
		"missing":            "",
		"bearer token":       good(),
		"bearer, one stream": good("stream", "acme/a"),
		"API key":            apiKeyText1,
		"of another guard":   mint(t, other, good(), "acme/a", time.Minute),
		"typ JWT":            sign(mintKey, `{"alg":"HS256","typ":"JWT"}`, string(payload)),
		"no typ":             sign(mintKey, `{"alg":"HS256"}`, string(payload)),
		"kid":                sign(mintKey, `{"alg":"HS256","typ":"`+urlTokenType+`","kid":"one"}`, string(payload)),
		"alg none":           b64([]byte(`{"alg":"none","typ":"`+urlTokenType+`"}`)) + "." + body + ".",
		"by a project":       sign(secretOne, string(header), string(payload)),
		"by a project, RSA":  signRaw("RS256", p.rsa, `{"alg":"RS256","typ":"`+urlTokenType+`"}`, string(payload)),
		"claims of a bearer": sign(mintKey, string(header), string(toJSON(members("stream", "acme/a")))),
		"no keys":            sign(mintKey, string(header), strings.Replace(string(payload), `"keys"`, `"x"`, 1)),
		"no exp":             sign(mintKey, string(header), strings.Replace(string(payload), `"exp"`, `"x"`, 1)),
		"stream twice":       sign(mintKey, string(header), strings.Replace(string(payload), `{`, `{"stream":"acme/b",`, 1)),
		"payload a list":     sign(mintKey, string(header), `[]`),
		"signature cut":      text[:len(text)-3],
		"changed":            head + "." + b64([]byte(strings.Replace(string(payload), "acme/a", "acme/b", 1))) + "." + sig,
	} {
		want := Unauthorized
		if name == "no exp" {
			want = Expired // in 1970
		}
		if _, r := g.URLToken([]byte(credential), "acme/a", nil); r != want {
			t.Errorf("%s: %v", name, r)
		}
		if strings.Contains(credential, head) {
			wantRefusal(t, g, credential, "acme", Unauthorized)
		}
	}
	if _, r := g.URLToken([]byte(text), "acme/a", nil); r != None {
		t.Error(r)
	}
	// With a key for both, the typ still keeps them apart.
	same, _ := newGuard(t, Options{MintKey: secretOne})
	shared := mint(t, same, good(), "acme/a", time.Minute)
	wantRefusal(t, same, shared, "acme", Unauthorized)
	if _, r := same.URLToken([]byte(good("stream", "acme/a")), "acme/a", nil); r != Unauthorized {
		t.Error(r)
	}
	// Guards that share a key take each other's, as behind a balancer.
	twin, _ := newGuard(t, Options{MintKey: mintKey})
	if _, r := twin.URLToken([]byte(text), "acme/a", nil); r != None {
		t.Error(r)
	}
}

// TestURLTokensTellNothingOfTheKeys: the tag of the keys is not their digest.
func TestURLTokensTellNothingOfTheKeys(t *testing.T) {
	one, _ := newGuard(t, Options{MintKey: mintKey})
	two, _ := newGuard(t, Options{MintKey: []byte(strings.ToUpper(string(mintKey)))})
	own := one.Keyring().projects["acme"]
	if one.tag(own) == two.tag(own) {
		t.Error("the tag does not depend on the mint key")
	}
	twin := *own
	twin.project = "other"
	if one.tag(own) == one.tag(&twin) {
		t.Error("the tag does not depend on the project")
	}
}
