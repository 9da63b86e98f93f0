package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"tailrace/internal/project"
)

// Limits of a file of public keys.
const (
	jwksBytesMax = 1 << 20
	rsaBitsMin   = 2048 // below it the modulus can be factored
	rsaBitsMax   = 8192 // a verification takes the square of the bits
)

// privateMembers of a JWK hold what must not leave its owner (RFC 7518, section 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func (own *keys) addJWKS(p *project.Project, read func(name string) ([]byte, error)) (parts [][]byte, err error) {
	if p.JWKSFile == "" {
		return nil, nil
	}
	if read == nil {
		return nil, fmt.Errorf("%s: no files can be read here", p.JWKSFile)
	}
	data, err := read(p.JWKSFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.JWKSFile, err)
	}
	parts, err = own.parseJWKS(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.JWKSFile, err)
	}
	return parts, nil
}

// parseJWKS takes the keys that signatures can be verified with. Others belong in
// such a file too, for encryption or for algorithms that are not for us: they are
// passed over. A file from which nothing is left is a mistake.
func (own *keys) parseJWKS(data []byte) (parts [][]byte, err error) {
	if len(data) > jwksBytesMax {
		return nil, fmt.Errorf("%d bytes, a file of public keys has at most %d", len(data), jwksBytesMax)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("not a set of keys: %w", err)
	}
	for i, raw := range set.Keys {
		alg, v, err := parseJWK(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if v == nil {
			continue
		}
		for _, others := range own.verify[rs256:] {
			if v.id != "" && slices.ContainsFunc(others, func(o verifier) bool { return o.id == v.id }) {
				return nil, fmt.Errorf("key %d: another one has the kid %q too", i+1, v.id)
			}
		}
		if len(own.verify[alg]) == keysMax {
			return nil, fmt.Errorf("more than %d keys for %s", keysMax, alg)
		}
		own.verify[alg] = append(own.verify[alg], *v)
		canonical, err := jose.JSONWebKey{Key: v.key, KeyID: v.id}.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		parts = append(parts, part("jwk", canonical))
	}
	if len(parts) == 0 {
		return nil, errors.New("no key in it is for EdDSA, RS256 or ES256 signatures")
	}
	return parts, nil
}

// parseJWK is nil if the key is one to pass over.
func parseJWK(raw []byte) (signature, *verifier, error) {
	// Members are looked at before the library sees the key, because it makes a key
	// of whatever it can.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return 0, nil, errors.New("not a JSON object, or with a member twice")
	}
	for _, name := range privateMembers {
		if _, ok := members[name]; ok {
			return 0, nil, fmt.Errorf("it is private or secret (member %q): the file is for public keys only, and that one is no longer safe", name)
		}
	}
	var about struct {
		Kty string   `json:"kty"`
		Crv string   `json:"crv"`
		Use *string  `json:"use"`
		Ops []string `json:"key_ops"`
		Alg string   `json:"alg"`
	}
	if err := json.Unmarshal(raw, &about); err != nil {
		return 0, nil, err
	}
	if about.Use != nil && *about.Use != "sig" || about.Ops != nil && !slices.Contains(about.Ops, "verify") {
		return 0, nil, nil
	}
	var alg signature
	switch {
	case about.Kty == "RSA" && (about.Alg == "" || about.Alg == "RS256"):
		alg = rs256
	case about.Kty == "EC" && about.Crv == "P-256" && (about.Alg == "" || about.Alg == "ES256"):
		alg = es256
	case about.Kty == "OKP" && about.Crv == "Ed25519" && (about.Alg == "" || about.Alg == "EdDSA" || about.Alg == "Ed25519"):
		alg = edDSA
	case about.Kty == "":
		return 0, nil, errors.New("it has no kty")
	default:
		return 0, nil, nil
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return 0, nil, err
	}
	if err := usable(alg, jwk.Key); err != nil {
		return 0, nil, err
	}
	return alg, &verifier{id: jwk.KeyID, key: jwk.Key}, nil
}

// usable binds the algorithm to the type of the key and its size.
func usable(alg signature, key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax {
			return fmt.Errorf("an RSA key of %d bits, there have to be %d to %d", bits, rsaBitsMin, rsaBitsMax)
		}
		if key.E < 3 || key.E > math.MaxInt32 || key.E%2 == 0 || key.N.Bit(0) == 0 {
			return errors.New("an RSA key with an exponent or modulus that cannot be")
		}
		if alg == rs256 {
			return nil
		}
	case *ecdsa.PublicKey:
		if alg == es256 {
			return nil
		}
	case ed25519.PublicKey:
		if alg == edDSA {
			return nil
		}
	}
	return fmt.Errorf("a key of type %T is not for %s", key, alg)
}
