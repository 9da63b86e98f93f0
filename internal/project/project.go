// Package project says who uses a server: projects with their credentials, limits
// and origins, as they are configured. It is plain data and the rules for it; who
// checks a token is internal/auth, who holds the limits engine and server.
//
// With authentication on, the first segment of a stream's name is its project.
// With it off, every stream belongs to Default.
package project

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Default is the one project of a server without authentication.
const Default = "default"

// nameBytesMax bounds the name of a project: it is a label of metrics.
const nameBytesMax = 64

// Project is one user of the server.
type Project struct {
	Name string

	Secrets  []Secret // HS256; any of them is good, so that they can be rotated
	JWKSFile string   // public keys for EdDSA, RS256 and ES256; "" = none
	APIKeys  []APIKey

	// Origins are those whose pages may use the project's streams from a browser,
	// such as "https://app.example.com"; "*" is every origin.
	Origins []string

	Limits Limits
}

// Secret is a shared secret that signs tokens.
type Secret struct {
	ID    string // the token's kid, if it has one
	Value []byte
}

// APIKey is a static credential. The key itself is not kept.
type APIKey struct {
	ID     string   // for the log
	SHA256 [32]byte // of the key, which has to be long and random
	Scopes []string // of "read", "append", "manage"
	Stream string   // the only stream it is for, by its whole name; "" = any
	Prefix string   // of the names it is for; "" = any
}

// Limits bound what a project takes. 0 is no limit of its own.
type Limits struct {
	StoredBytes          int64 // of appends that its streams keep
	Streams              int
	ProducersPerStream   int
	AppendBytesPerSecond int64
	RequestsPerSecond    int
	LiveReaders          int
	BodyBytes            int64
}

// Of is the project that a stream belongs to when authentication is on.
func Of(stream string) string {
	name, _, _ := strings.Cut(stream, "/")
	return name
}

// ValidName reports whether a project can have that name: letters, digits, dots,
// dashes and underscores, and not what the protocol reserves.
func ValidName(name string) bool {
	if name == "" || len(name) > nameBytesMax || strings.HasPrefix(name, "__") || name == "." || name == ".." {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// Validate names everything that is wrong with what can be judged without the
// keys.
func (p *Project) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("project %q: "+format, append([]any{p.Name}, args...)...))
	}
	if !ValidName(p.Name) {
		bad("a name has 1 to %d letters, digits, dots, dashes and underscores, and does not begin with __", nameBytesMax)
	}
	for _, o := range p.Origins {
		if !ValidOrigin(o) {
			bad("origin %q is not like https://host or https://host:port", o)
		}
	}
	l := &p.Limits
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"stored-bytes", l.StoredBytes}, {"streams", int64(l.Streams)}, {"producers-per-stream", int64(l.ProducersPerStream)},
		{"append-bytes-per-second", l.AppendBytesPerSecond}, {"requests-per-second", int64(l.RequestsPerSecond)},
		{"live-readers", int64(l.LiveReaders)}, {"body-bytes", l.BodyBytes},
	} {
		if v.value < 0 {
			bad("%s: %d is negative", v.name, v.value)
		}
	}
	return errors.Join(errs...)
}

// ValidOrigin reports whether o is every origin, or one as browsers write it.
func ValidOrigin(o string) bool {
	if o == "*" {
		return true
	}
	u, err := url.Parse(o)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Scheme+"://"+u.Host == o &&
		o == strings.ToLower(o)
}
