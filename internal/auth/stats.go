package auth

import (
	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

var (
	cacheRequests = meter.Counter("tailrace_auth_cache_requests_total", "tokens that were looked for among those verified before",
		meter.OneOf("result", "hit", "miss"))
	mintedCount       = meter.Counter("tailrace_auth_minted_total", "tokens for URLs that were made")
	verificationCount = meter.Counter("tailrace_auth_verifications_total", "verifications of credentials, by what they ended with",
		meter.OneOf("algorithm", algorithmNames()...), meter.OneOf("result", resultNames[:]...))
	refusedCount      = meter.Counter("tailrace_auth_refused_total", "credentials that were refused", meter.OneOf("reason", refusalNames[Unauthorized:]...))
	cacheEntriesGauge = meter.Gauge("tailrace_auth_cache_entries", "verified tokens that are remembered")
	cacheBytesGauge   = meter.Gauge("tailrace_auth_cache_bytes", "what they take, about")
	failingGauge      = meter.Gauge("tailrace_auth_failing_addresses", "addresses that sent bad credentials and are remembered")
	projectsGauge     = meter.Gauge("tailrace_auth_projects", "projects that there are keys for")
)

func algorithmNames() (names []string) {
	for a := range algorithmsAll {
		names = append(names, a.String())
	}
	return names
}

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
	CacheHits, CacheMisses uint64 // of tokens and API keys
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
	c := &counts{guard: g, hits: cacheRequests.In(set, "hit"), misses: cacheRequests.In(set, "miss"), minted: mintedCount.In(set)}
	for a := range c.verifications {
		for r := range c.verifications[a] {
			c.verifications[a][r] = verificationCount.In(set, algorithm(a).String(), resultNames[r])
		}
	}
	for r := Unauthorized; r < refusals; r++ {
		c.refused[r] = refusedCount.In(set, r.String())
	}
	meter.Collect(set, func(r *meter.Reading) { // for as long as the set is there
		entries, bytes := g.state.Load().cache.use()
		r.Gauge(cacheEntriesGauge, float64(entries))
		r.Gauge(cacheBytesGauge, float64(bytes))
		r.Gauge(failingGauge, float64(g.failures.addresses()))
		r.Gauge(projectsGauge, float64(g.Keyring().Projects()))
	})
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
