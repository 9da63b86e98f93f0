package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"tailrace/internal/project"
)

func TestKeyringNamesWhatIsWrong(t *testing.T) {
	p := pairs()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(k ...jose.JSONWebKey) []byte { return jwks(k...) }
	file := func(data []byte) project.Project { return project.Project{Name: "acme", JWKSFile: string(data)} }
	sum := [32]byte{1}
	tooMany := make([]project.Secret, keysMax+1)
	for i := range tooMany {
		tooMany[i] = project.Secret{Value: fmt.Appendf(nil, "%032d", i)}
	}
	for name, c := range map[string]struct {
		projects []project.Project
		want     []string
	}{
		"name":       {[]project.Project{{Name: "a/b"}}, []string{`"a/b"`, "no project can have this name"}},
		"name twice": {[]project.Project{{Name: "a"}, {Name: "a"}}, []string{`"a"`, "twice"}},
		"short secret": {[]project.Project{{Name: "acme", Secrets: []project.Secret{{ID: "k", Value: []byte("hunter2hunter2hunter2hunter2hun")}}}},
			[]string{`"acme"`, `"k"`, "31 bytes", "at least 32"}},
		"secret ids twice": {[]project.Project{{Name: "acme", Secrets: []project.Secret{{ID: "k", Value: secretOne}, {ID: "k", Value: secretTwo}}}},
			[]string{"two secrets", `"k"`}},
		"secrets":        {[]project.Project{{Name: "acme", Secrets: tooMany}}, []string{"65 secrets"}},
		"API scopes":     {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{ID: "ci", SHA256: sum, Scopes: []string{"read", "rite"}}}}}, []string{`"ci"`, `"rite"`}},
		"API no scope":   {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{ID: "ci", SHA256: sum}}}}, []string{`"ci"`, "no scope"}},
		"API no hash":    {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{ID: "ci", Scopes: []string{"read"}}}}}, []string{`"ci"`, "SHA-256"}},
		"API elsewhere":  {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{SHA256: sum, Scopes: []string{"read"}, Prefix: "umbrella/"}}}}, []string{`"umbrella/"`}},
		"API both":       {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{SHA256: sum, Scopes: []string{"read"}, Prefix: "acme/", Stream: "acme/x"}}}}, []string{"exclude"}},
		"API hash twice": {[]project.Project{{Name: "acme", APIKeys: []project.APIKey{{SHA256: sum, Scopes: []string{"read"}}, {ID: "b", SHA256: sum, Scopes: []string{"read"}}}}}, []string{`"b"`, "twice"}},

		"file missing": {[]project.Project{{Name: "acme", JWKSFile: "missing"}}, []string{`"acme"`, "missing", "no such file"}},
		"file empty":   {[]project.Project{file(nil), {Name: "other", JWKSFile: " "}}, []string{`"other"`, "not a set of keys"}},
		"file no keys": {[]project.Project{file([]byte(`{"keys":[]}`))}, []string{`{"keys":[]}`, "no key in it"}},
		"file large":   {[]project.Project{file(bytes.Repeat([]byte(" "), jwksBytesMax+1))}, []string{"at most 1048576"}},
		"file of a private RSA key": {[]project.Project{file(keys(public("a", p.ec), jose.JSONWebKey{Key: p.rsa, KeyID: "b"}))},
			[]string{"key 2", "private", `"d"`}},
		"file of a private EC key":        {[]project.Project{file(keys(jose.JSONWebKey{Key: p.ec}))}, []string{"key 1", "private", `"d"`}},
		"file of a private Ed25519 key":   {[]project.Project{file(keys(jose.JSONWebKey{Key: p.ed}))}, []string{"private"}},
		"file of a private key to skip":   {[]project.Project{file(keys(public("a", p.ec), jose.JSONWebKey{Key: p.ec384, Use: "enc"}))}, []string{"key 2", "private"}},
		"file of a secret":                {[]project.Project{file(keys(public("a", p.ec), jose.JSONWebKey{Key: secretOne}))}, []string{"key 2", "secret", `"k"`}},
		"file of a small RSA key":         {[]project.Project{file(keys(public("a", small)))}, []string{"1024 bits", "2048"}},
		"file with kid twice":             {[]project.Project{file(keys(public("a", p.ec), public("a", p.ecForeign)))}, []string{"key 2", `kid "a"`}},
		"file with kid twice, two kinds":  {[]project.Project{file(keys(public("a", p.ec), public("a", p.ed)))}, []string{"key 2", `kid "a"`}},
		"file with a member twice":        {[]project.Project{file([]byte(`{"keys":[{"kty":"RSA","kty":"EC"}]}`))}, []string{"key 1", "a member twice"}},
		"file with no kty":                {[]project.Project{file([]byte(`{"keys":[{"kid":"x"}]}`))}, []string{"key 1", "no kty"}},
		"file with null":                  {[]project.Project{file([]byte(`{"keys":[null]}`))}, []string{"key 1", "not a JSON object"}},
		"file with a point off the curve": {[]project.Project{file(edit(public("a", p.ec), "x", b64(make([]byte, 32))))}, []string{"key 1"}},
		"file with an Ed25519 key of low order": {[]project.Project{file(edit(public("a", p.ed), "x", b64(make([]byte, 32))))},
			[]string{"key 1", "low-order"}},
		"file with an even modulus":    {[]project.Project{file(edit(public("a", p.rsa), "n", b64(append([]byte{0x80}, make([]byte, 255)...))))}, []string{"cannot be"}},
		"file with an exponent of one": {[]project.Project{file(edit(public("a", p.rsa), "e", "AQ"))}, []string{"bad e"}},
		"file with an even exponent":   {[]project.Project{file(edit(public("a", p.rsa), "e", "BA"))}, []string{"cannot be"}},
		"file with a large exponent":   {[]project.Project{file(edit(public("a", p.rsa), "e", "AQAAAAE"))}, []string{"cannot be"}},
		"file with keys that are all passed over": {[]project.Project{file(keys(jose.JSONWebKey{Key: p.rsa.Public(), Use: "enc"}, public("x", p.ec384)))},
			[]string{"no key in it"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewKeyring(c.projects, func(name string) ([]byte, error) {
				if name == "missing" {
					return nil, errors.New("no such file")
				}
				return []byte(name), nil // the name of the file is what is in it
			})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is missing in: %s", part, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is in: %s", err)
			}
		})
	}
	if _, err := NewKeyring([]project.Project{{Name: "acme", JWKSFile: "x"}}, nil); err == nil {
		t.Error("a file is read by nobody")
	}
	_, err = NewKeyring([]project.Project{{Name: "a b"}, {Name: "c d"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "a b") || !strings.Contains(err.Error(), "c d") {
		t.Errorf("not everything is named: %v", err)
	}
}

// edit is a file with one key, of which a member is changed.
func edit(key jose.JSONWebKey, name string, value any) []byte {
	var m map[string]any
	if err := json.Unmarshal(toJSON(key), &m); err != nil {
		panic(err)
	}
	m[name] = value
	return toJSON(map[string]any{"keys": []any{m}})
}

// TestKeysForOthersArePassedOver: identity providers publish what they have.
func TestKeysForOthersArePassedOver(t *testing.T) {
	p := pairs()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, file := range [][]byte{
		edit(public("k", p.rsaForeign), "use", "enc"),
		edit(public("k", p.rsaForeign), "alg", "RS512"),
		edit(public("k", p.rsaForeign), "alg", "PS256"),
		edit(public("k", p.rsaForeign), "key_ops", []string{"encrypt"}),
		edit(public("k", p.ecForeign), "alg", "ECDH-ES"),
		edit(public("k", p.ed), "crv", "X25519"),
		edit(public("k", p.ed), "kty", "AKP"),
		jwks(public("k", p.ec384)),
		[]byte(`{"keys":[{"kty":"quantum","kid":"k"}]}`),
		edit(public("k", p.ec), "key_ops", []string{"verify"}),
	} {
		var one struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal(file, &one); err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, one.Keys...)
	}
	read := func(string) ([]byte, error) { return toJSON(set), nil }
	k, err := NewKeyring([]project.Project{{Name: "acme", JWKSFile: "x"}}, read)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := newGuard(t, Options{Keyring: k})
	wantGrant(t, g, tokenOf("ES256", p.ec, "k", members()))
	wantRefusal(t, g, tokenOf("RS256", p.rsaForeign, "k", members()), "acme", Unauthorized)
	wantRefusal(t, g, tokenOf("EdDSA", p.ed, "k", members()), "acme", Unauthorized)
}

// TestDigestIsOfTheKeys and not of their order: a reload that changes nothing
// voids nothing.
func TestDigestIsOfTheKeys(t *testing.T) {
	projects, read := someProjects()
	digestOf := func(change func(p *project.Project)) [32]byte {
		p := projects[0]
		p.Secrets, p.APIKeys = slices.Clone(p.Secrets), slices.Clone(p.APIKeys)
		change(&p)
		k, err := NewKeyring([]project.Project{p}, read)
		if err != nil {
			t.Fatal(err)
		}
		return k.projects["acme"].digest
	}
	same := digestOf(func(*project.Project) {})
	for name, change := range map[string]func(p *project.Project){
		"order":   func(p *project.Project) { slices.Reverse(p.Secrets) },
		"limits":  func(p *project.Project) { p.Limits.Streams = 7 },
		"origins": func(p *project.Project) { p.Origins = []string{"*"} },
	} {
		if digestOf(change) != same {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, change := range map[string]func(p *project.Project){
		"secret gone":  func(p *project.Project) { p.Secrets = p.Secrets[:1] },
		"secret id":    func(p *project.Project) { p.Secrets[0].ID = "uno" },
		"secret value": func(p *project.Project) { p.Secrets[0].Value = secretForeign },
		"secret moved": func(p *project.Project) {
			p.Secrets[0].ID, p.Secrets[0].Value = "on", append([]byte("e"), secretOne...)
		},
		"file gone":     func(p *project.Project) { p.JWKSFile = "" },
		"API key gone":  func(p *project.Project) { p.APIKeys = nil },
		"API key scope": func(p *project.Project) { p.APIKeys[0].Scopes = []string{"read"} },
		"API prefix":    func(p *project.Project) { p.APIKeys[0].Prefix = "acme/c" },
	} {
		if digestOf(change) == same {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// TestKeyringKeepsItsOwnCopy of what the configuration may reuse.
func TestKeyringKeepsItsOwnCopy(t *testing.T) {
	value := bytes.Clone(secretOne)
	g, _ := newGuard(t, Options{Keyring: keyringOf(t, project.Project{Name: "acme", Secrets: []project.Secret{{ID: "one", Value: value}}})})
	clear(value)
	wantGrant(t, g, good())
}

func TestAPIKeys(t *testing.T) {
	one, sum := NewAPIKey(nil)
	two, _ := NewAPIKey(nil)
	if one == two || len(one) != apiKeySize || !strings.HasPrefix(one, "trk_") {
		t.Fatalf("%q and %q", one, two)
	}
	if got, ok := ParseAPIKey([]byte(one)); !ok || got != sum {
		t.Fatal("a new key is not taken back")
	}
	g, _ := newGuard(t, Options{Keyring: keyringOf(t,
		project.Project{Name: "acme", APIKeys: []project.APIKey{{ID: "a", SHA256: sum, Scopes: []string{"read"}}}},
		project.Project{Name: "umbrella"}), FailureBurst: 1000})
	if got := wantGrant(t, g, one); !got.Expires.IsZero() || got.Subject != "a" {
		t.Errorf("%+v", got)
	}
	wantRefusal(t, g, one, "umbrella", Unauthorized)
	wantRefusal(t, g, one, "nobody", Unauthorized)
	wantRefusal(t, g, two, "acme", Unauthorized)
	// Every changed character is found by the checksum, but for the two spare bits at the end.
	for i := range one {
		changed := []byte(one)
		changed[i] ^= 1
		if i == len(one)-1 {
			changed[i] = '!'
		}
		if _, ok := ParseAPIKey(changed); ok {
			t.Errorf("character %d does not matter", i)
		}
		wantRefusal(t, g, string(changed), "acme", Unauthorized)
	}
	for _, bad := range []string{"", "trk_", one[:len(one)-1], one + "a", strings.ToUpper(one), " " + one, one + "\n", one[:30] + "\n" + one[31:]} {
		if _, ok := ParseAPIKey([]byte(bad)); ok {
			t.Errorf("%q is a key", bad)
		}
	}
	if first, _ := NewAPIKey(bytes.NewReader(make([]byte, 32))); first != "trk_"+strings.Repeat("a", 51)+"bscsvvu" {
		t.Errorf("the form of keys has changed: %s", first)
	}
}
