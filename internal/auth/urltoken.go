package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"tailrace/internal/project"
)

// urlTokenType is the typ of URL tokens. It sets them apart from tokens of a
// project even if somebody should use one key for both.
const urlTokenType = "tailrace-url+jwt"

// Limits of the life of a URL token. It is in histories, logs of proxies and
// copied addresses: that is bearable for a while only.
const (
	LifeMin = time.Second
	LifeMax = time.Hour
)

// Errors of Mint.
var (
	ErrLife       = errors.New("auth: a URL token lives for 1 s to 1 h")
	ErrNotGranted = errors.New("auth: the grant is not for reading the stream")
	ErrGrantOver  = errors.New("auth: the grant has expired, or is of keys that were replaced")
)

// urlClaims are the payload of a URL token.
type urlClaims struct {
	Stream  string `json:"stream"`
	Expires int64  `json:"exp"`
	Keys    string `json:"keys"`          // a keyed hash of all keys of the project
	Subject string `json:"sub,omitempty"` // of the grant that it was minted from
}

// Mint makes a URL token: a credential to read exactly one stream that a grant is
// for. It expires when the grant does, if that is sooner, and with any change of
// the project's keys. Its life is rounded up to a whole second.
func (g *Guard) Mint(grant *Grant, stream string, life time.Duration) (text string, expires time.Time, err error) {
	switch {
	case life < LifeMin || life > LifeMax:
		return "", time.Time{}, fmt.Errorf("%w, not %v", ErrLife, life)
	case !grant.Allows(Read, stream) || !utf8.ValidString(stream):
		return "", time.Time{}, ErrNotGranted
	}
	now := g.now()
	if !g.Current(grant) || !grant.Expires.IsZero() && !now.Before(grant.Expires) {
		return "", time.Time{}, ErrGrantOver
	}
	expires = time.Unix(now.Add(life+time.Second-1).Unix(), 0)
	if !grant.Expires.IsZero() && grant.Expires.Before(expires) {
		expires = grant.Expires // whole seconds too
	}
	text, err = sign(g.mintKey, new(jose.SignerOptions).WithType(urlTokenType), urlClaims{
		Stream: stream, Expires: expires.Unix(), Keys: g.tag(grant.keys), Subject: grant.Subject,
	})
	if err != nil {
		return "", time.Time{}, err
	}
	g.counts.minted.Inc()
	return text, expires, nil
}

// tag stands for the keys of a project in a token that everybody can decode. It is
// keyed so that nobody can use it to try secrets.
func (g *Guard) tag(own *keys) string {
	mac := hmac.New(sha256.New, g.mintKey)
	mac.Write([]byte("tailrace keys\x00")) // what is signed otherwise has no NUL in it
	mac.Write([]byte(own.project))
	mac.Write(own.digest[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func (g *Guard) verifyURL(k *Keyring, t *token, stream string, now time.Time) (*Grant, result) {
	if t.alg != hs256 || t.hasKid || t.typ != urlTokenType {
		t.tryDecoy()
		return nil, resultSignature
	}
	payload, _, ok := t.verify(verifier{key: g.mintKey})
	if !ok {
		return nil, resultSignature
	}
	var c urlClaims
	if json.Unmarshal(payload, &c) != nil {
		return nil, resultClaims
	}
	own := k.projects[project.Of(stream)]
	if own == nil || c.Stream != stream || !hmac.Equal([]byte(c.Keys), []byte(g.tag(own))) {
		return nil, resultClaims
	}
	expires := time.Unix(c.Expires, 0)
	if !now.Before(expires) {
		return nil, resultExpired
	}
	return &Grant{
		Project: own.project, Scopes: Read, Stream: c.Stream, Expires: expires, Subject: printable(c.Subject), keys: own,
	}, resultOK
}
