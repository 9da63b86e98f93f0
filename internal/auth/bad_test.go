package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// badToken is one that no guard may accept for the project acme at start.
type badToken struct {
	name, credential string
	want             Refusal // Unauthorized if none is given
	project          string  // acme if none is given
}

// raw is a token of acme's with any header and payload.
func raw(header, payload string) string { return signRaw("HS256", secretOne, header, payload) }

const plainHeader = `{"alg":"HS256","kid":"one"}`

func payloadWith(name, value string) string {
	return fmt.Sprintf(`{"project":"acme","scope":"read","exp":%d,%q:%s}`, start.Unix()+60, name, value)
}

func payloadExp(exp string) string {
	return fmt.Sprintf(`{"project":"acme","scope":"read","exp":%s}`, exp)
}

// badHeaders are tokens whose claims are good.
func badHeaders(t *testing.T) []badToken {
	p := pairs()
	claims := string(toJSON(members()))
	rsaDER, err := x509.MarshalPKIXPublicKey(&p.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaDER})
	rsaJWK := toJSON(public("rsa", p.rsa))
	edRaw := []byte(p.ed.Public().(ed25519.PublicKey))
	embedded := string(toJSON(public("mine", p.edForeign)))
	hs := func(key []byte, kid string) string { return tokenOf("HS256", key, kid, members()) }
	goodToken := good()
	head, rest, _ := strings.Cut(goodToken, ".")
	body, sig, _ := strings.Cut(rest, ".")
	encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: secretOne[:16]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	jweText, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	list := []badToken{
		{name: "missing"},
		{name: "space", credential: " "},
		{name: "dots", credential: ".."},
		{name: "words", credential: "let me in"},
		{name: "alg none", credential: signRaw("none", nil, `{"alg":"none"}`, claims)},
		{name: "alg none with a signature", credential: raw(`{"alg":"none"}`, claims)},
		{name: "alg None", credential: raw(`{"alg":"None"}`, claims)},
		{name: "alg empty", credential: raw(`{"alg":""}`, claims)},
		{name: "alg missing", credential: raw(`{"kid":"one"}`, claims)},
		{name: "alg null", credential: raw(`{"alg":null}`, claims)},
		{name: "alg a list", credential: raw(`{"alg":["HS256"]}`, claims)},
		{name: "alg in lower case", credential: raw(`{"alg":"hs256"}`, claims)},
		{name: "alg HS512 of a good key", credential: tokenOf("HS512", append(secretOne, secretOne...), "one", members())},
		{name: "alg HS512, signed with HS256", credential: raw(`{"alg":"HS512","kid":"one"}`, claims)},
		{name: "alg PS256 of a good key", credential: tokenOf("PS256", p.rsa, "rsa", members())},
		{name: "alg RS256, signed with HS256", credential: raw(`{"alg":"RS256","kid":"rsa"}`, claims)},
		{name: "alg EdDSA, signed with HS256", credential: raw(`{"alg":"EdDSA","kid":"ed"}`, claims)},
		{name: "ES256 on another curve", credential: tokenOf("ES256", p.ec384, "ec", members())},
		{name: "HS256 over the PEM of the RSA key", credential: hs(rsaPEM, "")},
		{name: "HS256 over the PEM of the RSA key by kid", credential: hs(rsaPEM, "rsa")},
		{name: "HS256 over the DER of the RSA key", credential: hs(rsaDER, "")},
		{name: "HS256 over the JWK of the RSA key", credential: hs(rsaJWK, "rsa")},
		{name: "HS256 over the bytes of the Ed25519 key", credential: hs(edRaw, "ed")},
		{name: "HS256 over nothing", credential: hs(nil, "")},
		{name: "foreign HS256", credential: hs(secretForeign, "")},
		{name: "foreign HS256 with our kid", credential: hs(secretForeign, "one")},
		{name: "kid of another project", credential: hs(secretForeign, "theirs")},
		{name: "our key with the kid of another project", credential: hs(secretOne, "theirs")},
		{name: "kid that nobody has", credential: hs(secretOne, "two")},
		{name: "kid empty", credential: raw(`{"alg":"HS256","kid":""}`, claims)},
		{name: "kid of a secret without one", credential: signRaw("HS256", secretTwo, `{"alg":"HS256","kid":""}`, claims)},
		{name: "kid in other case", credential: hs(secretOne, "One")},
		{name: "kid a path", credential: hs(secretOne, "../../dev/null")},
		{name: "kid null", credential: raw(`{"alg":"HS256","kid":null}`, claims)},
		{name: "kid a number", credential: raw(`{"alg":"HS256","kid":1}`, claims)},
		{name: "foreign RS256", credential: tokenOf("RS256", p.rsaForeign, "rsa", members())},
		{name: "foreign ES256", credential: tokenOf("ES256", p.ecForeign, "ec", members())},
		{name: "foreign EdDSA", credential: tokenOf("EdDSA", p.edForeign, "ed", members())},
		{name: "crit of b64", credential: raw(`{"alg":"HS256","kid":"one","crit":["b64"],"b64":true}`, claims)},
		{name: "crit of something", credential: raw(`{"alg":"HS256","kid":"one","crit":["x"],"x":1}`, claims)},
		{name: "crit empty", credential: raw(`{"alg":"HS256","kid":"one","crit":[]}`, claims)},
		{name: "b64 false", credential: raw(`{"alg":"HS256","kid":"one","b64":false}`, claims)},
		{name: "b64 false, unencoded", credential: unencoded(`{"alg":"HS256","kid":"one","crit":["b64"],"b64":false}`, claims)},
		{name: "b64 false, unencoded, no dots", credential: unencoded(`{"alg":"HS256","kid":"one","crit":["b64"],"b64":false}`, "abcd")},
		{name: "jwk", credential: signRaw("EdDSA", p.edForeign, `{"alg":"EdDSA","jwk":`+embedded+`}`, claims)},
		{name: "jwk with a good signature", credential: raw(`{"alg":"HS256","kid":"one","jwk":`+embedded+`}`, claims)},
		{name: "jku", credential: raw(`{"alg":"HS256","kid":"one","jku":"https://example.com/keys"}`, claims)},
		{name: "x5u", credential: raw(`{"alg":"HS256","kid":"one","x5u":"https://example.com/cert"}`, claims)},
		{name: "x5c", credential: raw(`{"alg":"HS256","kid":"one","x5c":[]}`, claims)},
		{name: "zip", credential: raw(`{"alg":"HS256","kid":"one","zip":"DEF"}`, claims)},
		{name: "enc", credential: raw(`{"alg":"HS256","kid":"one","enc":"A128GCM"}`, claims)},
		{name: "nested", credential: raw(`{"alg":"HS256","kid":"one","cty":"JWT"}`, goodToken)},
		{name: "cty", credential: raw(`{"alg":"HS256","kid":"one","cty":"JWT"}`, claims)},
		{name: "nested without cty", credential: raw(plainHeader, goodToken)},
		{name: "alg twice", credential: raw(`{"alg":"none","alg":"HS256","kid":"one"}`, claims)},
		{name: "alg twice, escaped", credential: raw(`{"alg":"HS256","\u0061lg":"HS256","kid":"one"}`, claims)},
		{name: "kid twice", credential: raw(`{"alg":"HS256","kid":"one","kid":"one"}`, claims)},
		{name: "header not JSON", credential: raw(`alg`, claims)},
		{name: "header null", credential: raw(`null`, claims)},
		{name: "header a list", credential: raw(`["HS256"]`, claims)},
		{name: "header with more behind it", credential: raw(plainHeader+"{}", claims)},
		{name: "header not UTF-8", credential: raw("{\"alg\":\"HS256\",\"kid\":\"one\",\"x\":\"\xff\"}", claims)},
		{name: "typ of a URL token", credential: raw(`{"alg":"HS256","kid":"one","typ":"`+urlTokenType+`"}`, claims)},
		{name: "typ of something else", credential: raw(`{"alg":"HS256","kid":"one","typ":"logout+jwt"}`, claims)},
		{name: "typ a number", credential: raw(`{"alg":"HS256","kid":"one","typ":1}`, claims)},
		{name: "JWE", credential: jweText},
		{name: "JSON serialization", credential: fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, head, body, sig)},
		{name: "general JSON serialization", credential: fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, body, head, sig)},
		{name: "two parts", credential: head + "." + body},
		{name: "no signature", credential: head + "." + body + "."},
		{name: "no payload", credential: head + ".." + sig},
		{name: "no header", credential: "." + body + "." + sig},
		{name: "four parts", credential: goodToken + "." + sig},
		{name: "trailing dot", credential: goodToken + "."},
		{name: "padded", credential: goodToken + "="},
		{name: "line break in it", credential: head + ".\n" + body + "." + sig},
		{name: "line break behind it", credential: goodToken + "\n"},
		{name: "space before it", credential: " " + goodToken},
		{name: "NUL behind it", credential: goodToken + "\x00"},
		{name: "standard base64", credential: strings.NewReplacer("-", "+", "_", "/").Replace(withSpecials())},
		{name: "signature cut", credential: goodToken[:len(goodToken)-4]},
		{name: "signature of another", credential: head + "." + body + "." + lastPart(good("sub", "x"))},
		{name: "payload changed", credential: head + "." + b64([]byte(payloadExp("99999999999"))) + "." + sig},
		{name: "header changed", credential: b64([]byte(`{"alg":"HS256", "kid":"one"}`)) + "." + body + "." + sig},
		{name: "oversized", credential: good("x", strings.Repeat("a", tokenBytesMax))},
		{name: "scheme before it", credential: "Bearer " + goodToken},
	}
	// A second spelling of the last character has the same bytes before its spare bits.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, goodToken[len(goodToken)-1])
	list = append(list, badToken{name: "spare bits of the signature", credential: goodToken[:len(goodToken)-1] + alphabet[last^1:last^1+1]})
	return list
}

// badClaims are tokens with a good signature.
func badClaims() []badToken {
	now := start.Unix()
	list := []badToken{
		{name: "expired", credential: good("exp", now-1), want: Expired},
		{name: "expired now", credential: good("exp", now), want: Expired},
		{name: "expired at 0", credential: good("exp", 0), want: Expired},
		{name: "expired and of another project", credential: good("exp", now-1, "project", "umbrella")},
		{name: "expired and signed by another", credential: tokenOf("HS256", secretForeign, "one", members("exp", now-1))},
		{name: "no exp", credential: good("exp", nil)},
		{name: "not yet", credential: good("nbf", now+31)},
		{name: "nbf after exp", credential: good("nbf", now+3600)},
		{name: "made in the future", credential: good("iat", now+31)},
		{name: "nbf a string", credential: good("nbf", "0")},
		{name: "iat null", credential: raw(plainHeader, payloadWith("iat", "null"))},
		{name: "no project", credential: good("project", nil)},
		{name: "project empty", credential: good("project", "")},
		{name: "project of others", credential: good("project", "umbrella")},
		{name: "project of others, asked for there", credential: good("project", "umbrella"), project: "umbrella"},
		{name: "their key for us", credential: tokenOf("HS256", secretForeign, "theirs", members()), project: "umbrella"},
		{name: "a good token, asked for elsewhere", credential: good(), project: "umbrella"},
		{name: "a good token, for no project", credential: good(), project: "nobody"},
		{name: "a good token, for an empty project", credential: good(), project: ""},
		{name: "a good token, for a part of the name", credential: good(), project: "acm"},
		{name: "project in other case", credential: good("project", "Acme")},
		{name: "project in full width", credential: good("project", "ａｃｍｅ")},
		{name: "project with a Cyrillic a", credential: good("project", "аcme")},
		{name: "project with a NUL", credential: good("project", "acme\x00")},
		{name: "project with a slash", credential: good("project", "acme/")},
		{name: "project with a zero width space", credential: good("project", "acme\u200b")},
		{name: "project a list", credential: good("project", []string{"acme"})},
		{name: "project by another case of the claim", credential: good("project", nil, "Project", "acme")},
		{name: "no scope", credential: good("scope", nil)},
		{name: "scope empty", credential: good("scope", "")},
		{name: "scope an empty list", credential: good("scope", []string{})},
		{name: "scope unknown", credential: good("scope", "admin")},
		{name: "scope in other case", credential: good("scope", "READ")},
		{name: "scope with a comma", credential: good("scope", "read,append")},
		{name: "scope with a tab", credential: good("scope", "read\tappend")},
		{name: "scope with a wide space", credential: good("scope", "read\u00a0append")},
		{name: "scope two words in one item", credential: good("scope", []string{"read append"})},
		{name: "scope with a number in the list", credential: good("scope", []any{"read", 1})},
		{name: "scope with a list in the list", credential: good("scope", []any{"read", []string{"append"}})},
		{name: "scope an object", credential: good("scope", map[string]bool{"read": true})},
		{name: "scope true", credential: good("scope", true)},
		{name: "scope null", credential: raw(plainHeader, fmt.Sprintf(`{"project":"acme","scope":null,"exp":%d}`, now+60))},
		{name: "scp instead of scope", credential: good("scope", nil, "scp", "read")},
		{name: "stream of others", credential: good("stream", "umbrella/x")},
		{name: "stream that begins alike", credential: good("stream", "acme2/x")},
		{name: "stream with a slash before it", credential: good("stream", "/acme/x")},
		{name: "stream by URL path", credential: good("stream", "v1/stream/acme/x")},
		{name: "stream empty", credential: good("stream", "")},
		{name: "stream null", credential: raw(plainHeader, payloadWith("stream", "null"))},
		{name: "stream a list", credential: good("stream", []string{"acme/x"})},
		{name: "prefix of others", credential: good("prefix", "umbrella/")},
		{name: "prefix shorter than the project", credential: good("prefix", "acm")},
		{name: "prefix empty", credential: good("prefix", "")},
		{name: "prefix null", credential: raw(plainHeader, payloadWith("prefix", "null"))},
		{name: "prefix with other slashes", credential: good("prefix", "acme∕x")},
		{name: "stream and prefix", credential: good("stream", "acme/x", "prefix", "acme/")},
		{name: "stream and empty prefix", credential: good("stream", "acme/x", "prefix", "")},
		{name: "sub a number", credential: good("sub", 7)},
		{name: "project twice", credential: raw(plainHeader, payloadWith("project", `"acme"`))},
		{name: "exp twice", credential: raw(plainHeader, payloadWith("exp", "99999999999"))},
		{name: "exp twice, escaped", credential: raw(plainHeader, fmt.Sprintf(`{"project":"acme","scope":"read","exp":%d,"\u0065xp":%d}`, now+60, now+60))},
		{name: "scope twice", credential: raw(plainHeader, payloadWith("scope", `"manage"`))},
		{name: "unknown claim twice", credential: raw(plainHeader, fmt.Sprintf(`{"project":"acme","scope":"read","exp":%d,"x":1,"x":2}`, now+60))},
		{name: "payload a list", credential: raw(plainHeader, `[]`)},
		{name: "payload null", credential: raw(plainHeader, `null`)},
		{name: "payload a string", credential: raw(plainHeader, `"acme"`)},
		{name: "payload cut", credential: raw(plainHeader, `{"project":"acme","scope":"read","exp":9`)},
		{name: "payload with more behind it", credential: raw(plainHeader, string(toJSON(members()))+"{}")},
		{name: "payload not UTF-8", credential: raw(plainHeader, payloadWith("x", "\"\xff\""))},
		{name: "payload with a byte order mark", credential: raw(plainHeader, "\ufeff"+string(toJSON(members())))},
		{name: "payload deep", credential: raw(plainHeader, payloadWith("x", strings.Repeat("[", 5000)))},
	}
	for _, exp := range []string{
		"1e10", "18e8", "1.8e9", "1e308", "1e400", "-1", "-0", "-1800000060", "NaN", "Infinity", `"1800000060"`, "null", "true", "[]", "{}",
		"253402300800", "1800000060000", "9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 400),
		"01800000060", "0x6b49d23c", "1_800_000_060", "+1800000060", "1800000060.", "1800000060.5e3", ".5",
	} {
		list = append(list, badToken{name: "exp " + exp[:min(len(exp), 30)], credential: raw(plainHeader, payloadExp(exp))})
	}
	return list
}

func TestBadTokensAreRefused(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range append(badHeaders(t), badClaims()...) {
		if seen[b.name] {
			t.Fatalf("two are named %q", b.name)
		}
		seen[b.name] = true
		t.Run(b.name, func(t *testing.T) {
			g, _ := newGuard(t, Options{})
			want, of := b.want, b.project
			if want == None {
				want = Unauthorized
			}
			if of == "" && !strings.Contains(b.name, "empty project") {
				of = "acme"
			}
			for range 2 { // what was refused once is not remembered as good
				wantRefusal(t, g, b.credential, of, want)
			}
			if _, r := g.URLToken([]byte(b.credential), "acme/x", nil); r != Unauthorized {
				t.Errorf("in a URL: %v", r)
			}
			if n := g.Stats().CacheEntries; n != 0 {
				t.Errorf("%d entries in the cache", n)
			}
		})
	}
}

// withSpecials is a good token that has both characters in which the alphabets of
// base64 differ.
func withSpecials() string {
	for i := 0; ; i++ {
		if text := good("sub", fmt.Sprint(i)); strings.Contains(text, "-") && strings.Contains(text, "_") {
			return text
		}
	}
}

func unencoded(header, payload string) string {
	input := b64([]byte(header)) + "." + payload
	return input + "." + b64(hmac256(secretOne, []byte(input)))
}

func lastPart(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }
