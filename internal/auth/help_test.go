package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tailrace/internal/project"
)

// start is when the clocks of the tests begin.
var start = time.Unix(1_800_000_000, 0)

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// pairs are the keys of the tests. RSA ones take long to make.
var pairs = sync.OnceValue(func() (p struct {
	rsa, rsaForeign *rsa.PrivateKey
	ec, ecForeign   *ecdsa.PrivateKey
	ec384           *ecdsa.PrivateKey
	ed, edForeign   ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	p.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	p.rsaForeign, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.ecForeign, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.ec384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, p.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	_, p.edForeign, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return p
})

var (
	secretOne     = []byte("one-secret-of-acme-0123456789abcdef")
	secretTwo     = []byte("two-secret-of-acme-0123456789abcdef")
	secretForeign = []byte("the-secret-of-umbrella-0123456789ab")
	apiKeyText1   = "trk_" // made by init
	apiKeySum1    [32]byte
)

func init() { apiKeyText1, apiKeySum1 = NewAPIKey(nil) }

// jwks is a file of public keys.
func jwks(keys ...jose.JSONWebKey) []byte {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	return b
}

func public(id string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: id, Use: "sig"}
}

// acme has every kind of key; umbrella has one secret with an id of its own.
func someProjects() ([]project.Project, func(string) ([]byte, error)) {
	p := pairs()
	files := map[string][]byte{
		"acme.jwks": jwks(public("rsa", p.rsa), public("ec", p.ec), public("ed", p.ed)),
	}
	return []project.Project{
			{
				Name:     "acme",
				Secrets:  []project.Secret{{ID: "one", Value: secretOne}, {Value: secretTwo}},
				JWKSFile: "acme.jwks",
				APIKeys:  []project.APIKey{{ID: "ci", SHA256: apiKeySum1, Scopes: []string{"write"}, Prefix: "acme/ci/"}},
			},
			{Name: "umbrella", Secrets: []project.Secret{{ID: "theirs", Value: secretForeign}}},
		}, func(name string) ([]byte, error) {
			if b, ok := files[name]; ok {
				return b, nil
			}
			return nil, errors.New("no such file")
		}
}

func someKeyring(t testing.TB) *Keyring {
	t.Helper()
	k, err := NewKeyring(someProjects())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyringOf(t testing.TB, projects ...project.Project) *Keyring {
	t.Helper()
	k, err := NewKeyring(projects, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newGuard has a clock that is set by hand, and all the keys.
func newGuard(t testing.TB, o Options) (*Guard, *clock) {
	t.Helper()
	c := &clock{at: start}
	o.Now = c.now
	if o.Keyring == nil {
		o.Keyring = someKeyring(t)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

// members are the claims of a token that is good at start.
func members(change ...any) map[string]any {
	m := map[string]any{"project": "acme", "scope": "read", "exp": start.Unix() + 60}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == nil {
			delete(m, change[i].(string))
		} else {
			m[change[i].(string)] = change[i+1]
		}
	}
	return m
}

func toJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// signRaw signs any bytes as a payload under any header, which no library does.
func signRaw(alg string, key any, header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(signatureOf(alg, key, []byte(input)))
}

// token signs claims with the header that belongs to the key.
func tokenOf(alg string, key any, kid string, claims map[string]any) string {
	header := map[string]any{"alg": alg, "typ": "JWT"}
	if kid != "" {
		header["kid"] = kid
	}
	return signRaw(alg, key, string(toJSON(header)), string(toJSON(claims)))
}

func good(change ...any) string { return tokenOf("HS256", secretOne, "one", members(change...)) }

func from(ip string) func() netip.Addr {
	at := netip.MustParseAddr(ip)
	return func() netip.Addr { return at }
}

func wantRefusal(t testing.TB, g *Guard, credential, of string, want Refusal) {
	t.Helper()
	grant, r := g.Bearer([]byte(credential), of, nil)
	if r != want || grant != nil {
		t.Fatalf("got %v and grant %+v, want %v", r, grant, want)
	}
}

func wantGrant(t testing.TB, g *Guard, credential string) *Grant {
	t.Helper()
	grant, r := g.Bearer([]byte(credential), "acme", nil)
	if r != None || grant == nil {
		t.Fatalf("refused: %v", r)
	}
	return grant
}

func signatureOf(alg string, key any, input []byte) []byte {
	switch alg {
	case "HS256":
		return hmac256(key.([]byte), input)
	case "HS512":
		return hmac512(key.([]byte), input)
	case "RS256":
		return must(key.(*rsa.PrivateKey).Sign(rand.Reader, sha(input), crypto.SHA256))
	case "PS256":
		return must(key.(*rsa.PrivateKey).Sign(rand.Reader, sha(input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}))
	case "EdDSA":
		return ed25519.Sign(key.(ed25519.PrivateKey), input)
	case "ES256":
		private := key.(*ecdsa.PrivateKey)
		r, s, err := ecdsa.Sign(rand.Reader, private, sha(input))
		if err != nil {
			panic(err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case "none":
		return nil
	}
	panic(fmt.Sprintf("no algorithm %s", alg))
}
