package secretscan

import (
	"strings"
	"testing"
)

func TestCredentialsAreFound(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJwcm9qZWN0IjoiYSJ9.c2lnbmF0dXJl"
	for text, secret := range map[string]string{
		"x " + jwt + " y":                             jwt,
		"url=/v1/stream/a?token=abcdefgh12&x":         "abcdefgh12",
		"key trk_" + strings.Repeat("a2", 30) + "!":   strings.Repeat("a2", 30),
		`header="Authorization: Bearer s3cr3ts3cr3t"`: "s3cr3ts3cr3t",
		"bearer s3cr3ts3cr3t":                         "s3cr3ts3cr3t",
		"Cookie: __Secure-tailrace=zzz; a=b":          "zzz",
		"-----BEGIN EC PRIVATE KEY-----":              "PRIVATE KEY-----",
	} {
		found := In(text)
		if len(found) == 0 {
			t.Errorf("nothing is found in %q", text)
		}
		for _, f := range found {
			if strings.Contains(f, secret) {
				t.Errorf("what is found in %q shows it: %s", text, f)
			}
		}
	}
	for _, text := range []string{
		"", "level=INFO msg=serving url=http://127.0.0.1:4437", "request_id=eyJhbGci", "tokens=12 auth=true", "code=token_expired",
		"the token was good and has expired", `stream="acme/token" token_life=60s`,
	} {
		if found := In(text); found != nil {
			t.Errorf("in %q is found %q", text, found)
		}
	}
}
