package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"tailrace/internal/project"
)

// Limits of the keys of a project.
const (
	secretBytesMin = 32 // what HS256 needs: a shorter one can be found by trying
	keysMax        = 64 // of one algorithm; a token without a key id is tried with each
)

// Keyring is the keys of all projects. It does not change: a reload makes
// another one.
type Keyring struct {
	projects map[string]*keys
}

// keys are those of one project.
type keys struct {
	project string
	verify  [signatures][]verifier
	api     map[[sha256.Size]byte]*Grant

	// digest is over everything above, whatever its order in the configuration.
	// What was minted under other keys is void.
	digest [sha256.Size]byte
}

// verifier is a key that signatures are verified with.
type verifier struct {
	id  string // the kid of tokens that are for it; "" = only of those without one
	key any    // []byte, ed25519.PublicKey, *rsa.PublicKey or *ecdsa.PublicKey
}

// NewKeyring reads the keys of projects; read loads the files with public keys.
// The error names everything that is wrong, by project, key and file, and none of
// the secrets.
func NewKeyring(projects []project.Project, read func(name string) ([]byte, error)) (*Keyring, error) {
	k := &Keyring{projects: make(map[string]*keys, len(projects))}
	var errs []error
	for i := range projects {
		p := &projects[i]
		bad := func(err error) { errs = append(errs, fmt.Errorf("auth: project %q: %w", p.Name, err)) }
		if !project.ValidName(p.Name) {
			bad(errors.New("no project can have this name"))
			continue
		}
		if k.projects[p.Name] != nil {
			bad(errors.New("is given twice"))
			continue
		}
		own := &keys{project: p.Name, api: make(map[[sha256.Size]byte]*Grant, len(p.APIKeys))}
		k.projects[p.Name] = own
		var parts [][]byte
		for _, add := range []func(*project.Project) ([][]byte, error){
			own.addSecrets,
			own.addAPIKeys,
			func(p *project.Project) ([][]byte, error) { return own.addJWKS(p, read) },
		} {
			more, err := add(p)
			if err != nil {
				bad(err)
			}
			parts = append(parts, more...)
		}
		slices.SortFunc(parts, bytes.Compare)
		own.digest = digest(parts...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return k, nil
}

// Projects is how many there are.
func (k *Keyring) Projects() int { return len(k.projects) }

// Has reports whether a project is among them.
func (k *Keyring) Has(name string) bool { return k.projects[name] != nil }

func (own *keys) addSecrets(p *project.Project) (parts [][]byte, err error) {
	var errs []error
	ids := map[string]bool{}
	for i, s := range p.Secrets {
		switch {
		case len(s.Value) < secretBytesMin:
			errs = append(errs, fmt.Errorf("secret %d (%q) has %d bytes, HS256 needs at least %d", i+1, s.ID, len(s.Value), secretBytesMin))
			continue
		case s.ID != "" && ids[s.ID]:
			errs = append(errs, fmt.Errorf("two secrets have the id %q", s.ID))
			continue
		}
		ids[s.ID] = true
		value := bytes.Clone(s.Value)
		own.verify[hs256] = append(own.verify[hs256], verifier{id: s.ID, key: value})
		parts = append(parts, part("secret", []byte(s.ID), value))
	}
	if len(p.Secrets) > keysMax {
		errs = append(errs, fmt.Errorf("%d secrets, there may be %d", len(p.Secrets), keysMax))
	}
	return parts, errors.Join(errs...)
}

func (own *keys) addAPIKeys(p *project.Project) (parts [][]byte, err error) {
	var errs []error
	for i, a := range p.APIKeys {
		bad := func(err error) { errs = append(errs, fmt.Errorf("API key %d (%q): %w", i+1, a.ID, err)) }
		scopes, err := ParseScopes(a.Scopes)
		if err != nil {
			bad(err)
			continue
		}
		if err := bound(own.project, a.Stream, a.Prefix); err != nil {
			bad(err)
			continue
		}
		if a.SHA256 == ([sha256.Size]byte{}) {
			bad(errors.New("it has no SHA-256"))
			continue
		}
		if own.api[a.SHA256] != nil {
			bad(errors.New("its SHA-256 is given twice"))
			continue
		}
		own.api[a.SHA256] = &Grant{
			Project: own.project, Scopes: scopes, Stream: a.Stream, Prefix: a.Prefix, Subject: printable(a.ID), keys: own,
		}
		parts = append(parts, part("api", a.SHA256[:], []byte(a.ID), []byte{byte(scopes)}, []byte(a.Stream), []byte(a.Prefix)))
	}
	return parts, errors.Join(errs...)
}

// part is one key in the digest of all of them.
func part(kind string, fields ...[]byte) []byte {
	sum := digest(append([][]byte{[]byte(kind)}, fields...)...)
	return sum[:]
}

// digest is one for every sequence of fields: their lengths are in it.
func digest(fields ...[]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, f := range fields {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(f)))
		h.Write(size[:])
		h.Write(f)
	}
	h.Sum(sum[:0])
	return sum
}
