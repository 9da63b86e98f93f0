package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"sync"
	"time"
)

// result is how a verification ended.
type result uint8

const (
	resultOK        result = iota
	resultSignature        // no key of the project made it
	resultClaims           // the claims are not for here, or make no sense, or not yet
	resultExpired          // the rest is good
	results
)

var resultNames = [results]string{"ok", "signature", "claims", "expired"}

// verify judges a token that has the form of one.
func (k *Keyring) verify(t *token, project string, now time.Time) (*Grant, result) {
	switch t.typ {
	case "", "jwt", "at+jwt":
	default:
		// Signed by the right key, but for another purpose. It is verified all the
		// same, and cannot become a grant.
		t.kid, t.hasKid = "", true
	}
	own := k.projects[project]
	payload, id, ok := own.open(t)
	if !ok {
		return nil, resultSignature
	}
	c, ok := parseClaims(payload)
	if !ok || c.Project != own.project || now.Add(leeway).Before(c.NotBefore) || now.Add(leeway).Before(c.IssuedAt) {
		return nil, resultClaims
	}
	if !now.Before(c.Expires) {
		return nil, resultExpired
	}
	subject := c.Subject
	if subject == "" {
		subject = id
	}
	return &Grant{
		Project: own.project, Scopes: c.Scopes, Stream: c.Stream, Prefix: c.Prefix,
		Expires: c.Expires, Subject: printable(subject), keys: own,
	}, resultOK
}

// open finds the key that signed a token: the one that it names, or else any that
// is for its algorithm. If there is none, because there is no such project or key,
// a decoy takes its place and the time that it would have taken.
func (own *keys) open(t *token) (payload []byte, id string, ok bool) {
	var candidates []verifier
	if own != nil {
		candidates = own.verify[t.alg]
	}
	if t.hasKid {
		named := slices.IndexFunc(candidates, func(v verifier) bool { return v.id == t.kid && v.id != "" })
		if named < 0 {
			candidates = nil
		} else {
			candidates = candidates[named : named+1]
		}
	}
	if len(candidates) == 0 {
		t.tryDecoy()
		return nil, "", false
	}
	payload, by, ok := t.verify(candidates...)
	if !ok {
		return nil, "", false
	}
	return payload, candidates[by].id, true
}

// tryDecoy spends the time of a verification, whatever comes of it.
func (t *token) tryDecoy() { t.verify(verifier{key: decoys[t.alg]()}) }

// decoys are keys that nobody has, one of the least size for each algorithm. A
// project with larger RSA keys takes longer than its decoy, which tells that it
// exists to who can measure some ten microseconds over a network.
var decoys = [signatures]func() any{
	hs256: sync.OnceValue(func() any { return random(secretBytesMin) }),
	rs256: sync.OnceValue(func() any {
		// A product of two primes would take a long time to find, and whoever
		// verifies does not see the difference.
		n := new(big.Int).SetBytes(random(rsaBitsMin / 8))
		n.SetBit(n, rsaBitsMin-1, 1)
		n.SetBit(n, 0, 1)
		return &rsa.PublicKey{N: n, E: 1<<16 + 1}
	}),
	es256: sync.OnceValue(func() any {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err) // the random source does not fail
		}
		return &key.PublicKey
	}),
	edDSA: sync.OnceValue(func() any {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	}),
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // ends the process if it cannot
	return b
}
