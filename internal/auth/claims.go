package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"tailrace/internal/project"
)

// leeway is how far the clocks of an issuer and of the server may be apart for a
// token that was just made. There is none at the end of its life: what is over is
// over.
const leeway = 30 * time.Second

// timeMax is the last second of the year 9999. Later ones are mistakes, such as
// milliseconds.
const timeMax = 253402300799

// Claims are what a token says.
type Claims struct {
	Project   string
	Scopes    Scope
	Stream    string    // "" = any stream
	Prefix    string    // "" = any stream
	Subject   string    // "" = none
	Expires   time.Time // in whole seconds; what is below is cut off
	NotBefore time.Time // zero = at once
	IssuedAt  time.Time // zero = not said
}

// NewToken signs claims with HS256. It refuses those that no guard would accept,
// whatever the time.
func NewToken(secret project.Secret, c Claims) (string, error) {
	switch {
	case len(secret.Value) < secretBytesMin:
		return "", fmt.Errorf("auth: the secret has %d bytes, HS256 needs at least %d", len(secret.Value), secretBytesMin)
	case !project.ValidName(c.Project):
		return "", fmt.Errorf("auth: no project can be named %q", c.Project)
	case c.Scopes&(Read|Append|Manage) == 0:
		return "", errors.New("auth: no scope is given")
	case c.Expires.Unix() < 0 || c.Expires.Unix() > timeMax:
		return "", errors.New("auth: a token needs the time at which it expires, in the years 1970 to 9999")
	}
	if err := bound(c.Project, c.Stream, c.Prefix); err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	members := map[string]any{"project": c.Project, "scope": c.Scopes.String(), "exp": c.Expires.Unix()}
	for name, value := range map[string]string{"stream": c.Stream, "prefix": c.Prefix, "sub": c.Subject} {
		if value != "" {
			members[name] = value
		}
	}
	for name, at := range map[string]time.Time{"nbf": c.NotBefore, "iat": c.IssuedAt} {
		if !at.IsZero() {
			members[name] = at.Unix()
		}
	}
	opts := new(jose.SignerOptions).WithType("JWT")
	if secret.ID != "" {
		opts = opts.WithHeader("kid", secret.ID)
	}
	return sign(secret.Value, opts, members)
}

// sign makes a compact JWS with HS256.
func sign(key []byte, opts *jose.SignerOptions, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("auth: encode the claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, opts)
	if err != nil {
		return "", fmt.Errorf("auth: sign: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("auth: sign: %w", err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("auth: sign: %w", err)
	}
	if len(text) > tokenBytesMax {
		return "", fmt.Errorf("auth: the token has %d bytes, there may be %d", len(text), tokenBytesMax)
	}
	return text, nil
}

// parseClaims decodes a payload whose signature is good. Claims that are not known
// are passed over; of those that are, none may be of the wrong type, because its
// issuer meant something by it.
func parseClaims(payload []byte) (c Claims, ok bool) {
	members, ok := object(payload)
	if !ok {
		return c, false
	}
	if c.Project, ok = text(members["project"]); !ok {
		return c, false
	}
	if c.Scopes, ok = scopes(members["scope"]); !ok {
		return c, false
	}
	for name, to := range map[string]*string{"stream": &c.Stream, "prefix": &c.Prefix, "sub": &c.Subject} {
		raw, given := members[name]
		if !given {
			continue
		}
		// An empty limit is refused, not taken for none: somebody left it out by mistake.
		if *to, ok = text(raw); !ok || *to == "" && name != "sub" {
			return c, false
		}
	}
	if c.Expires, ok = date(members["exp"]); !ok {
		return c, false
	}
	for name, to := range map[string]*time.Time{"nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		if raw, given := members[name]; given {
			if *to, ok = date(raw); !ok {
				return c, false
			}
		}
	}
	return c, bound(c.Project, c.Stream, c.Prefix) == nil
}

// scopes decodes words in one string or a list of them. Those that are not known
// are for others; one at least has to be for us.
func scopes(raw json.RawMessage) (set Scope, ok bool) {
	words := []string{}
	if len(raw) > 0 && raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return 0, false
		}
		for _, item := range list {
			word, ok := text(item)
			if !ok {
				return 0, false
			}
			words = append(words, word)
		}
	} else {
		line, ok := text(raw)
		if !ok {
			return 0, false
		}
		words = strings.Split(line, " ")
	}
	for _, word := range words {
		set |= scopeOf(word)
	}
	return set, set != 0
}

// date decodes seconds since 1970: digits, and after a point more of them, which
// are cut off.
func date(raw json.RawMessage) (time.Time, bool) {
	whole, fraction, _ := bytes.Cut(raw, []byte("."))
	for _, c := range append(bytes.Clone(whole), fraction...) {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || n > timeMax {
		return time.Time{}, false
	}
	return time.Unix(n, 0), true
}
