package auth

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// tokenBytesMax is the longest token: what a header of a request holds, by custom.
// Longer ones are not even hashed.
const tokenBytesMax = 8 << 10

// signature is an algorithm that tokens are signed with.
type signature uint8

const (
	hs256 signature = iota
	rs256
	es256
	edDSA
	signatures
)

// algorithms are those that exist for us. The list that the library gets has one
// entry always: the algorithm that the key is for.
var algorithms = [signatures]jose.SignatureAlgorithm{
	hs256: jose.HS256,
	rs256: jose.RS256,
	es256: jose.ES256,
	edDSA: jose.EdDSA,
}

func (s signature) String() string { return string(algorithms[s]) }

// token is a credential that has the form of one. Nothing in it is proven.
type token struct {
	text   string
	alg    signature
	kid    string
	hasKid bool
	typ    string // in lower case, without "application/"
}

// refusedHeaders change what is signed, or where the key is from: the key is the
// project's, and the payload is the claims. Others are passed over, as the
// standard wants it.
var refusedHeaders = []string{"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc", "cty"}

// parse judges the form of a credential of at most tokenBytesMax. It has to be a
// compact JWS that could be written in one way only, so that one token is one entry
// of the cache.
func parse(credential []byte) (t token, ok bool) {
	head, rest, _ := bytes.Cut(credential, []byte("."))
	body, sum, _ := bytes.Cut(rest, []byte("."))
	header, ok := decodePart(head)
	if !ok {
		return t, false
	}
	for _, p := range [][]byte{body, sum} {
		if _, ok := decodePart(p); !ok {
			return t, false
		}
	}
	members, ok := object(header)
	if !ok {
		return t, false
	}
	for _, name := range refusedHeaders {
		if _, ok := members[name]; ok {
			return t, false
		}
	}
	alg, ok := text(members["alg"])
	if !ok {
		return t, false
	}
	t.alg = signatures
	for s, name := range algorithms {
		if alg == string(name) {
			t.alg = signature(s)
		}
	}
	if t.alg == signatures {
		return t, false
	}
	if raw, given := members["kid"]; given {
		if t.kid, t.hasKid = text(raw); !t.hasKid {
			return t, false
		}
	}
	if raw, given := members["typ"]; given {
		typ, ok := text(raw)
		if !ok {
			return t, false
		}
		t.typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	}
	t.text = string(credential)
	return t, true
}

// strict refuses bits beyond the last byte, which would make a second spelling.
var strict = base64.RawURLEncoding.Strict()

// decodePart decodes one of the three parts of a token. None may be empty.
func decodePart(part []byte) ([]byte, bool) {
	// The decoder passes over line breaks.
	if len(part) == 0 || bytes.ContainsAny(part, "\r\n") {
		return nil, false
	}
	out, err := strict.AppendDecode(nil, part)
	return out, err == nil
}

// object decodes a JSON object. Members are compared by bytes, after escapes are
// resolved; one that is given twice is an error, because others would take the
// other one.
func object(data []byte) (members map[string]json.RawMessage, ok bool) {
	if !utf8.Valid(data) {
		return nil, false
	}
	err := json.Unmarshal(data, &members)
	return members, err == nil && members != nil
}

// text decodes a JSON string, and nothing else.
func text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// verify gives the payload, and which of the keys the signature is good under.
func (t *token) verify(keys ...verifier) (payload []byte, by int, ok bool) {
	jws, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{algorithms[t.alg]})
	if err != nil {
		return nil, 0, false
	}
	for i := range keys {
		if payload, err := jws.Verify(keys[i].key); err == nil {
			return payload, i, true
		}
	}
	return nil, 0, false
}
