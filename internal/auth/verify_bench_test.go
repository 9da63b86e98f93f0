package auth

import (
	"testing"
	"time"
)

// BenchmarkVerify is how many tokens that nobody has shown before one processor
// verifies in a second, by algorithm.
func BenchmarkVerify(b *testing.B) {
	p := pairs()
	g, err := New(Options{Keyring: someKeyring(b), CacheBytes: 1}) // the cache keeps nothing
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		alg, kid string
		key      any
	}{{"HS256", "one", secretOne}, {"EdDSA", "ed", p.ed}, {"RS256", "rsa", p.rsa}, {"ES256", "ec", p.ec}} {
		b.Run("alg="+c.alg, func(b *testing.B) {
			token := []byte(tokenOf(c.alg, c.key, c.kid, members("exp", time.Now().Add(24*time.Hour).Unix())))
			recent := g.state.Load().recent
			_, hash := recent.get(token, "acme", time.Now)
			for b.Loop() {
				recent.slots[hash%recentSlots].Store(nil)
				if _, r := g.Bearer(token, "acme", nil); r != None {
					b.Fatal(r)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
			if hits := g.Stats().CacheHits; hits > 0 {
				b.Fatalf("%d of them were remembered", hits)
			}
		})
	}
}
