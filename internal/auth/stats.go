package auth

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// algorithm is what a verification was by: one of the signatures, or another kind
// of proof.
type algorithm uint8

const (
	algorithmAPIKey = algorithm(signatures) + iota
	algorithmURL
	algorithmsAll
)

func (a algorithm) String() string {
	switch a {
	case algorithmAPIKey:
		return "api_key"
	case algorithmURL:
		return "url_token"
	default:
		return signature(a).String()
	}
}

// Stats are what a guard did since it was made, and what it holds.
type Stats struct {
	CacheHits, CacheMisses uint64 // of tokens; API keys need no cache
	CacheEntries           int
	CacheBytes             int64 // about

	Verifications []Verifications // those that there were, in a fixed order
	Refused       map[string]uint64
	Limited       uint64 // of them, because of the address
	Addresses     int    // that have failed and are remembered
	Minted        uint64
}

// Verifications are how often one algorithm had one result: "ok", "signature",
// "claims" or "expired".
type Verifications struct {
	Algorithm, Result string
	Count             uint64
}

// counts are the series of a guard. All of them exist from the start, so that the
// label sets are bounded and a rate over them has a beginning.
type counts struct {
	guard                *Guard
	hits, misses, minted *metrics.Counter
	verifications        [algorithmsAll][results]*metrics.Counter
	refused              [refusals]*metrics.Counter
}

func newCounts(set *metrics.Set, g *Guard) *counts {
	c := &counts{
		guard:  g,
		hits:   set.GetOrCreateCounter(`tailrace_auth_cache_hits_total`),
		misses: set.GetOrCreateCounter(`tailrace_auth_cache_misses_total`),
		minted: set.GetOrCreateCounter(`tailrace_auth_minted_total`),
	}
	for a := range c.verifications {
		for r := range c.verifications[a] {
			c.verifications[a][r] = set.GetOrCreateCounter(fmt.Sprintf(
				`tailrace_auth_verifications_total{algorithm=%q,result=%q}`, algorithm(a), resultNames[r]))
		}
	}
	for r := Unauthorized; r < refusals; r++ {
		c.refused[r] = set.GetOrCreateCounter(fmt.Sprintf(`tailrace_auth_refused_total{reason=%q}`, r))
	}
	set.GetOrCreateGauge(`tailrace_auth_cache_entries`, func() float64 {
		n, _ := g.state.Load().cache.use()
		return float64(n)
	})
	set.GetOrCreateGauge(`tailrace_auth_cache_bytes`, func() float64 {
		_, bytes := g.state.Load().cache.use()
		return float64(bytes)
	})
	set.GetOrCreateGauge(`tailrace_auth_failing_addresses`, func() float64 { return float64(g.failures.addresses()) })
	set.GetOrCreateGauge(`tailrace_auth_projects`, func() float64 { return float64(g.Keyring().Projects()) })
	return c
}

func (c *counts) verified(a algorithm, r result) { c.verifications[a][r].Inc() }

// refuse counts a refusal and gives it back.
func (c *counts) refuse(r Refusal) Refusal {
	c.refused[r].Inc()
	return r
}

// Stats are numbers for an operator.
func (g *Guard) Stats() Stats {
	c := g.counts
	s := Stats{
		CacheHits:   c.hits.Get(),
		CacheMisses: c.misses.Get(),
		Refused:     map[string]uint64{},
		Limited:     c.refused[TooManyFailures].Get(),
		Addresses:   g.failures.addresses(),
		Minted:      c.minted.Get(),
	}
	s.CacheEntries, s.CacheBytes = g.state.Load().cache.use()
	for a := range c.verifications {
		for r, counter := range c.verifications[a] {
			if n := counter.Get(); n > 0 {
				s.Verifications = append(s.Verifications, Verifications{algorithm(a).String(), resultNames[r], n})
			}
		}
	}
	for r := Unauthorized; r < refusals; r++ {
		s.Refused[r.String()] = c.refused[r].Get()
	}
	return s
}
