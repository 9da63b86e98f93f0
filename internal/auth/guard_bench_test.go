package auth

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkHit is what a request pays whose credential was seen before.
func BenchmarkHit(b *testing.B) {
	g, _ := newGuard(b, Options{Keyring: someKeyring(b)})
	g.now = time.Now
	token := []byte(good("exp", int64(timeMax), "sub", "somebody@example.com", "prefix", "acme/chat/"))
	key := []byte(apiKeyText1)
	for _, c := range []struct {
		name       string
		credential []byte
	}{{"token", token}, {"api-key", key}} {
		ask := func(b *testing.B) {
			if _, r := g.Bearer(c.credential, "acme", nil); r != None {
				b.Fatal(r)
			}
		}
		b.Run("credential="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(len(c.credential)), "bytes")
			for b.Loop() {
				ask(b)
			}
		})
		b.Run("credential="+c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ask(b)
				}
			})
		})
	}
}

// BenchmarkCold is a verification. That of an unknown project has to be of the same
// class as a bad signature.
func BenchmarkCold(b *testing.B) {
	p := pairs()
	g, _ := newGuard(b, Options{Keyring: someKeyring(b), CacheBytes: 1}) // nothing fits
	for _, c := range []struct {
		alg, kid     string
		key, foreign any
	}{
		{"HS256", "one", secretOne, secretForeign}, {"RS256", "rsa", p.rsa, p.rsaForeign},
		{"ES256", "ec", p.ec, p.ecForeign}, {"EdDSA", "ed", p.ed, p.edForeign},
	} {
		for _, kind := range []struct {
			name, of string
			key      any
		}{{"good", "acme", c.key}, {"bad-signature", "acme", c.foreign}, {"unknown-project", "nobody", c.key}} {
			credential := []byte(tokenOf(c.alg, kind.key, c.kid, members()))
			b.Run(fmt.Sprintf("alg=%s/%s", c.alg, kind.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, r := g.Bearer(credential, kind.of, nil); (r == None) != (kind.name == "good") {
						b.Fatal(r)
					}
				}
			})
		}
	}
}

func BenchmarkMint(b *testing.B) {
	g, _ := newGuard(b, Options{Keyring: someKeyring(b)})
	grant, r := g.Bearer([]byte(good()), "acme", nil)
	if r != None {
		b.Fatal(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.Mint(grant, "acme/chat/1", time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}
