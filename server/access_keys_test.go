package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests of access sign by hand: no library makes the tokens that must be
// refused.

// signer makes the signature of an algorithm.
type signer func(input []byte) []byte

// signers are keys of acme, and for each a foreign one of the same kind. RSA keys
// take long to make.
var signers = sync.OnceValue(func() (s struct {
	rsa, ec, ed          signer
	rsaOther, ecOther    signer
	edOther, pss         signer
	jwks                 []byte
	rsaDER, rsaPEM, edID []byte
}) {
	rsaKeys, ecKeys := [2]*rsa.PrivateKey{}, [2]*ecdsa.PrivateKey{}
	var edKeys [2]ed25519.PrivateKey
	var err error
	for i := range 2 {
		if rsaKeys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
		if ecKeys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			panic(err)
		}
		if _, edKeys[i], err = ed25519.GenerateKey(rand.Reader); err != nil {
			panic(err)
		}
	}
	byRSA := func(k *rsa.PrivateKey, o crypto.SignerOpts) signer {
		return func(b []byte) []byte {
			sum := sha256.Sum256(b)
			out, err := k.Sign(rand.Reader, sum[:], o)
			if err != nil {
				panic(err)
			}
			return out
		}
	}
	byEC := func(k *ecdsa.PrivateKey) signer {
		return func(b []byte) []byte {
			sum := sha256.Sum256(b)
			x, y, err := ecdsa.Sign(rand.Reader, k, sum[:])
			if err != nil {
				panic(err)
			}
			return append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)
		}
	}
	byEd := func(k ed25519.PrivateKey) signer { return func(b []byte) []byte { return ed25519.Sign(k, b) } }
	s.rsa, s.rsaOther = byRSA(rsaKeys[0], crypto.SHA256), byRSA(rsaKeys[1], crypto.SHA256)
	s.pss = byRSA(rsaKeys[0], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	s.ec, s.ecOther = byEC(ecKeys[0]), byEC(ecKeys[1])
	s.ed, s.edOther = byEd(edKeys[0]), byEd(edKeys[1])
	point, err := ecKeys[0].PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	s.edID = edKeys[0].Public().(ed25519.PublicKey)
	s.jwks = fmt.Appendf(nil, `{"keys":[{"kty":"RSA","kid":"rsa","n":%q,"e":%q},{"kty":"EC","crv":"P-256","kid":"ec","x":%q,"y":%q},{"kty":"OKP","crv":"Ed25519","kid":"ed","x":%q}]}`,
		base64url(rsaKeys[0].N.Bytes()), "AQAB", base64url(point[1:33]), base64url(point[33:]), base64url(s.edID))
	if s.rsaDER, err = x509.MarshalPKIXPublicKey(&rsaKeys[0].PublicKey); err != nil {
		panic(err)
	}
	s.rsaPEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.rsaDER})
	return s
})

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func byHMAC(key []byte) signer {
	return func(b []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(b)
		return h.Sum(nil)
	}
}

// sealed is a compact JWS of any header and payload.
func sealed(header, payload string, sign signer) string {
	input := base64url([]byte(header)) + "." + base64url([]byte(payload))
	return input + "." + base64url(sign([]byte(input)))
}

// claimsOf is a payload for acme that is good for an hour, with more in it.
func claimsOf(scope string, more ...string) string {
	return fmt.Sprintf(`{"project":"acme","scope":%q,"exp":%d%s}`, scope, time.Now().Add(time.Hour).Unix(), strings.Join(more, ""))
}

// rights are what a credential is good for.
type rights struct {
	project, scopes, stream, prefix string
}

// proof is what a credential that comes in one way is worth.
type proof struct {
	given   bool
	rights  *rights // nil: nothing
	expired string  // the project for which it was good once
}

// credential is what a client comes with.
type credential struct {
	name    string
	headers []string
	query   string
	header  proof // by Authorization
	url     proof // by the query or a cookie
	fault   string
	late    string // a fault that is found when who asks is known
}

// accessKeys are the keys of the tests of access, and what was made with them.
type accessKeys struct {
	acme, globex []byte
	apiKey       string
	apiPart      string // for reading below acme/th
	url          string // a URL token for acme/there
	urlOpen      string // the same for the public acme/open
}

// good are the credentials that are good for something.
func (k *accessKeys) good() []credential {
	s := signers()
	all := &rights{project: "acme", scopes: everything}
	bearer := func(name, token string, r *rights) credential {
		return credential{name: name, headers: []string{"Authorization: Bearer " + token}, header: proof{given: true, rights: r}}
	}
	hs := func(payload string) string { return sealed(`{"alg":"HS256","kid":"a1"}`, payload, byHMAC(k.acme)) }
	there, part := &rights{"acme", everything, "acme/there", ""}, &rights{"acme", everything, "", "acme/th"}
	url := func(name, query string, cookie string) credential {
		c := credential{name: name, query: query, url: proof{given: true, rights: &rights{"acme", "read", "acme/there", ""}}}
		if cookie != "" {
			c.headers = []string{"Cookie: " + cookie}
		}
		return c
	}
	list := []credential{
		bearer("everything", hs(claimsOf(everything)), all),
		bearer("no kid", sealed(`{"alg":"HS256"}`, claimsOf(everything), byHMAC(k.acme)), all),
		bearer("read", hs(claimsOf("read")), &rights{project: "acme", scopes: "read"}),
		bearer("append", hs(claimsOf("append")), &rights{project: "acme", scopes: "append"}),
		bearer("manage", hs(claimsOf("manage")), &rights{project: "acme", scopes: "manage"}),
		bearer("write", hs(claimsOf("write")), &rights{project: "acme", scopes: "read append"}),
		bearer("one stream", hs(claimsOf(everything, `,"stream":"acme/there"`)), there),
		bearer("prefix", hs(claimsOf(everything, `,"prefix":"acme/th"`)), part),
		bearer("whole prefix", hs(claimsOf(everything, `,"prefix":"acme/"`)), &rights{"acme", everything, "", "acme/"}),
		bearer("RS256", sealed(`{"alg":"RS256","kid":"rsa","typ":"JWT"}`, claimsOf(everything), s.rsa), all),
		bearer("ES256", sealed(`{"alg":"ES256","kid":"ec"}`, claimsOf("read"), s.ec), &rights{project: "acme", scopes: "read"}),
		bearer("EdDSA", sealed(`{"alg":"EdDSA"}`, claimsOf(everything, `,"stream":"acme/there"`), s.ed), there),
		bearer("API key", k.apiKey, all),
		bearer("API key for a part", k.apiPart, &rights{"acme", "read", "", "acme/th"}),
		bearer("globex", sealed(`{"alg":"HS256","kid":"a1"}`, strings.Replace(claimsOf(everything), "acme", "globex", 1), byHMAC(k.globex)),
			&rights{project: "globex", scopes: everything}),
		url("URL token", "token="+k.url, ""),
		url("URL token among others", "offset=-1&x=y&token="+k.url+"&z", ""),
		url("cookie", "", "__Secure-tailrace="+k.url),
		url("cookie among others", "", "a=b;  __Secure-tailrace="+k.url+" ; c=d"),
		url("cookie, good one first", "", "__Secure-tailrace="+k.url+"; __Secure-tailrace=x"),
	}
	lower := list[0]
	lower.name, lower.headers = "scheme in other case", []string{strings.Replace(lower.headers[0], ": Bearer ", ":bEARER   ", 1) + " \t"}
	both := list[0]
	both.name, both.query, both.headers = "header before query and cookie", "token=x", append([]string{"Cookie: __Secure-tailrace=x"}, both.headers...)
	twice := url("token twice, good one first", "token="+k.url+"&token=x", "")
	twice.late = "duplicate_parameter"
	encoded := url("token twice, once encoded", "token="+k.url+"&%74oken=x", "")
	encoded.late = "duplicate_parameter"
	return append(list, lower, both, twice, encoded)
}

// bad are the credentials that are good for nothing, or not any more. A token
// comes in each way in which tokens can come.
func (k *accessKeys) bad(t testing.TB) []credential {
	s, past := signers(), time.Now().Add(-time.Second).Unix()
	acme, plain := byHMAC(k.acme), `{"alg":"HS256","kid":"a1"}`
	claims := claimsOf(everything)
	good := sealed(plain, claims, acme)
	expired := func(scope string) string { return fmt.Sprintf(`{"project":"acme","scope":%q,"exp":%d}`, scope, past) }
	part := strings.SplitN(good, ".", 3)
	hs512 := func(b []byte) []byte {
		h := hmac.New(sha512.New, k.acme)
		h.Write(b)
		return h.Sum(nil)
	}
	nothing := func([]byte) []byte { return nil }
	tokens := map[string]string{
		"empty":                      "",
		"garbled":                    "x",
		"words":                      "let me in",
		"dots":                       "..",
		"unsigned":                   part[0] + "." + part[1] + ".",
		"two parts":                  part[0] + "." + part[1],
		"four parts":                 good + "." + part[2],
		"padded":                     good + "=",
		"quoted":                     `"` + good + `"`,
		"cut":                        good[:len(good)-4],
		"none":                       sealed(`{"alg":"none"}`, claims, nothing),
		"none with a signature":      sealed(`{"alg":"none","kid":"a1"}`, claims, acme),
		"nOnE":                       sealed(`{"alg":"nOnE"}`, claims, nothing),
		"no algorithm":               sealed(`{"kid":"a1"}`, claims, acme),
		"HS512":                      sealed(`{"alg":"HS512","kid":"a1"}`, claims, hs512),
		"HS512 that is HS256":        sealed(`{"alg":"HS512","kid":"a1"}`, claims, acme),
		"PS256":                      sealed(`{"alg":"PS256","kid":"rsa"}`, claims, s.pss),
		"RS256 that is HS256":        sealed(`{"alg":"RS256","kid":"rsa"}`, claims, acme),
		"HS256 over the RSA PEM":     sealed(`{"alg":"HS256","kid":"rsa"}`, claims, byHMAC(s.rsaPEM)),
		"HS256 over the RSA DER":     sealed(`{"alg":"HS256"}`, claims, byHMAC(s.rsaDER)),
		"HS256 over the Ed25519 key": sealed(`{"alg":"HS256","kid":"ed"}`, claims, byHMAC(s.edID)),
		"HS256 over nothing":         sealed(`{"alg":"HS256"}`, claims, byHMAC(nil)),
		"foreign HS256":              sealed(plain, claims, byHMAC([]byte(strings.Repeat("f", 32)))),
		"foreign RS256":              sealed(`{"alg":"RS256","kid":"rsa"}`, claims, s.rsaOther),
		"foreign ES256":              sealed(`{"alg":"ES256","kid":"ec"}`, claims, s.ecOther),
		"foreign EdDSA":              sealed(`{"alg":"EdDSA","kid":"ed"}`, claims, s.edOther),
		"signed by globex":           sealed(plain, claims, byHMAC(k.globex)),
		"globex signed by acme":      sealed(plain, strings.Replace(claims, "acme", "globex", 1), acme),
		"unknown kid":                sealed(`{"alg":"HS256","kid":"../../dev/null"}`, claims, acme),
		"its own key":                sealed(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+base64url(s.edID)+`"}}`, claims, s.edOther),
		"not yet":                    sealed(plain, claimsOf(everything, fmt.Sprintf(`,"nbf":%d`, time.Now().Add(time.Hour).Unix())), acme),
		"of the future":              sealed(plain, claimsOf(everything, fmt.Sprintf(`,"iat":%d`, time.Now().Add(time.Hour).Unix())), acme),
		"never expires":              sealed(plain, `{"project":"acme","scope":"read"}`, acme),
		"expires with an exponent":   sealed(plain, `{"project":"acme","scope":"read","exp":9e9}`, acme),
		"no scope":                   sealed(plain, claimsOf("admin"), acme),
		"stream of globex":           sealed(plain, claimsOf(everything, `,"stream":"globex/there"`), acme),
		"prefix out of the project":  sealed(plain, claimsOf(everything, `,"prefix":"acm"`), acme),
		"project in other case":      sealed(plain, strings.Replace(claims, "acme", "ACME", 1), acme),
		"project twice":              sealed(plain, claimsOf(everything, `,"project":"globex"`), acme),
		"crit":                       sealed(`{"alg":"HS256","kid":"a1","crit":["b64"],"b64":false}`, claims, acme),
		"typ of another token":       sealed(`{"alg":"HS256","kid":"a1","typ":"logout+jwt"}`, claims, acme),
		"typ of a URL token":         sealed(`{"alg":"HS256","typ":"tailrace-url+jwt"}`, claims, acme),
		"expired, signed by another": sealed(plain, expired(everything), byHMAC(k.globex)),
		"oversized":                  sealed(plain, claimsOf(everything, `,"x":"`+strings.Repeat("a", 8<<10)+`"`), acme),
		"API key of nobody":          "trk_" + strings.Repeat("a", 58),
		"API key cut":                k.apiKey[:len(k.apiKey)-1],
		"API key in upper case":      strings.ToUpper(k.apiKey),
	}
	list := []credential{
		{name: "none"},
		{name: "expired", headers: []string{"Authorization: Bearer " + sealed(plain, expired("read"), acme)}, header: proof{given: true, expired: "acme"}},
		{name: "expired RS256", headers: []string{"Authorization: Bearer " + sealed(`{"alg":"RS256"}`, expired(everything), s.rsa)}, header: proof{given: true, expired: "acme"}},
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		token := tokens[name]
		list = append(list,
			credential{name: name, headers: []string{"Authorization: Bearer " + token}, header: proof{given: true}},
			credential{name: name + " in the query", query: "token=" + strings.ReplaceAll(token, " ", "+"), url: proof{given: true}},
			credential{name: name + " in a cookie", headers: []string{"Cookie: __Secure-tailrace=" + token}, url: proof{given: true}})
	}
	odd := func(name, query string, headers ...string) credential {
		return credential{name: name, query: query, headers: headers, header: proof{given: strings.HasPrefix(strings.Join(headers, ""), "Authorization")}}
	}
	inURL := func(c credential) credential {
		c.url.given = true
		return c
	}
	twice := odd("two headers", "", "Authorization: Bearer x", "Authorization: Bearer "+good)
	twice.fault = "duplicate_header"
	same := odd("the same header twice", "", "Authorization: Bearer "+good, "authorization: Bearer "+good)
	same.fault = "duplicate_header"
	folded := odd("folded", "", "Authorization: Bearer\r\n "+good)
	folded.fault = "folded_header"
	return append(list, twice, same, folded,
		odd("no value", "", "Authorization:"),
		odd("no scheme", "", "Authorization: "+good),
		odd("another scheme", "", "Authorization: Basic "+good),
		odd("scheme and a tab", "", "Authorization: Bearer\t"+good),
		odd("two schemes", "", "Authorization: Bearer Bearer "+good),
		odd("a list", "", "Authorization: Bearer "+good+", Bearer "+good),
		odd("URL token in the header", "", "Authorization: Bearer "+k.url),
		odd("bad header, good query", "token="+k.url, "Authorization: Bearer x"),
		odd("bad header, good cookie", "", "Authorization: Bearer x", "Cookie: __Secure-tailrace="+k.url),
		odd("another header", "", "Proxy-Authorization: Bearer "+good, "X-Authorization: Bearer "+good, "Authorization_: Bearer "+good),
		odd("said by a proxy", "", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Authorization: Bearer "+good, "X-Original-URL: "+root+"acme/open", "X-Rewrite-URL: "+root+"acme/open"),
		odd("hop by hop", "", "Connection: Authorization"),
		odd("another method", "_method=OPTIONS", "X-HTTP-Method-Override: OPTIONS", "X-Method-Override: OPTIONS"),
		odd("token by an encoded name", "%74oken="+k.url),
		odd("token in other case", "Token="+k.url+"&TOKEN="+k.url),
		odd("token behind a semicolon", "x=1;token="+k.url),
		odd("token without a value", "token"),
		odd("access_token", "access_token="+good),
		odd("cookie in other case", "", "Cookie: __secure-tailrace="+k.url),
		odd("cookie without its prefix", "", "Cookie: tailrace="+k.url),
		odd("cookie in the second header", "", "Cookie: a=b", "Cookie: __Secure-tailrace="+k.url),
		inURL(odd("token twice, bad one first", "token=x&token="+k.url)),
		inURL(odd("token with an encoded part", "token="+strings.Replace(k.url, "e", "%65", 1))),
		inURL(odd("bad query, good cookie", "token=x", "Cookie: __Secure-tailrace="+k.url)),
		inURL(odd("cookie, bad one first", "", "Cookie: __Secure-tailrace=x; __Secure-tailrace="+k.url)),
		inURL(odd("cookie in quotes", "", `Cookie: __Secure-tailrace="`+k.url+`"`)),
		inURL(odd("token of a stream in the query", "token="+good)),
		inURL(odd("API key in the query", "token="+k.apiKey)))
}
