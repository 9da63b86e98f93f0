package auth

import (
	"bytes"
	"crypto/sha256"
	"net/netip"
	"sync/atomic"
	"time"

	"tailrace/internal/project"
)

// Refusal is why there is no grant.
type Refusal uint8

const (
	None Refusal = iota

	// Unauthorized is a credential that is missing, malformed, for another project,
	// for no project, signed by no key of it, or not valid yet. Which of them it is
	// is not told.
	Unauthorized

	// Expired is a credential that was good until its time was over. Only who has a
	// good signature learns that.
	Expired

	// TooManyFailures is that the address was refused too often. The credential has
	// not been looked at. See Guard.RetryAfter.
	TooManyFailures

	refusals
)

var refusalNames = [refusals]string{"none", "unauthorized", "expired", "too_many_failures"}

func (r Refusal) String() string { return refusalNames[r] }

// Guard turns credentials into grants. It is safe for concurrent use.
type Guard struct {
	now      func() time.Time
	mintKey  []byte
	entries  int
	bytes    int64
	failures *failures
	counts   *counts

	state atomic.Pointer[state]
}

// state is a keyring and what was verified with it. They are replaced together,
// which is what makes a reload atomic: a request has the old of both or the new.
type state struct {
	keyring *Keyring
	cache   *cache
	recent  *recent
}

// New makes a guard. It starts nothing that has to be stopped.
func New(o Options) (*Guard, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Guard{
		now:      o.Now,
		mintKey:  bytes.Clone(o.MintKey),
		entries:  o.CacheEntries,
		bytes:    o.CacheBytes,
		failures: newFailures(o.FailureEvery, o.FailureBurst, o.FailureAddresses),
	}
	g.SetKeyring(o.Keyring)
	g.counts = newCounts(o.Metrics, g)
	return g, nil
}

// SetKeyring replaces the keys. A key that is not in the new ones is of no use to
// any request that begins after SetKeyring returned; grants that were given before
// are judged by Current.
func (g *Guard) SetKeyring(k *Keyring) {
	g.state.Store(&state{keyring: k, cache: newCache(g.entries, g.bytes), recent: newRecent()})
}

// Keyring is the one in use.
func (g *Guard) Keyring() *Keyring { return g.state.Load().keyring }

// Current reports whether a grant's project has the keys that it had when the
// grant was given. It is for requests that last: after a reload, one whose grant is
// not current has to come again. It does not look at the clock.
func (g *Guard) Current(grant *Grant) bool {
	return g.state.Load().keyring.has(grant.keys)
}

// has reports whether a project exists with these keys.
func (k *Keyring) has(keys *keys) bool {
	if keys == nil {
		return false
	}
	own := k.projects[keys.project]
	return own != nil && own.digest == keys.digest
}

// RetryAfter is how long who got TooManyFailures has to wait at most, if it tries
// nothing meanwhile.
func (g *Guard) RetryAfter() time.Duration { return g.failures.every }

// Bearer judges a token or an API key that comes for a stream of the project, or
// for the project itself. It keeps neither the credential nor the name. from is the
// address to hold a failure against; it is only called if the credential has to be
// verified. A nil from, or an address that is not valid, counts no failures.
//
// A credential that was verified before costs a hash and a look-up, or less if that
// was lately. Since the
// cache and the API keys are asked first, clients that share an address with one
// who fails go on with them.
func (g *Guard) Bearer(credential []byte, project string, from func() netip.Addr) (*Grant, Refusal) {
	st := g.state.Load()
	grant, hash := st.recent.get(credential, project, g.now)
	if grant != nil {
		g.counts.hits.Inc()
		return grant, None
	}
	var refusal Refusal
	var of sum
	if bytes.HasPrefix(credential, apiKeyPattern) {
		grant, refusal = g.apiKey(st, credential, project, from)
	} else {
		grant, of, refusal = g.judge(st, kindBearer, credential, project, "", from)
	}
	if refusal == None {
		if out := st.recent.add(credential, hash, of, grant); out != nil && out.sum != (sum{}) {
			// While it was here the cache did not see it in use, and may have dropped it.
			st.cache.add(&out.sum, kindBearer, out.grant)
		}
	}
	return grant, refusal
}

// URLToken judges a token that Mint made for the stream. No other credential is
// accepted here, and Bearer accepts none of these.
func (g *Guard) URLToken(credential []byte, stream string, from func() netip.Addr) (*Grant, Refusal) {
	grant, _, refusal := g.judge(g.state.Load(), kindURL, credential, project.Of(stream), stream, from)
	return grant, refusal
}

func (g *Guard) apiKey(st *state, credential []byte, project string, from func() netip.Addr) (*Grant, Refusal) {
	if len(credential) == apiKeySize {
		if grant := st.keyring.find(sha256.Sum256(credential), project); grant != nil {
			g.counts.verified(algorithmAPIKey, resultOK)
			return grant, None
		}
	}
	now, at := g.now(), origin(from)
	if g.failures.limited(at, now) {
		return nil, g.counts.refuse(TooManyFailures)
	}
	if _, ok := ParseAPIKey(credential); ok {
		g.counts.verified(algorithmAPIKey, resultSignature)
	}
	g.failures.charge(at, now)
	return nil, g.counts.refuse(Unauthorized)
}

// judge is for tokens of both kinds. Those in a URL are for one stream.
func (g *Guard) judge(st *state, k kind, credential []byte, project, stream string, from func() netip.Addr) (*Grant, sum, Refusal) {
	var of sum
	if len(credential) == 0 {
		return nil, of, g.counts.refuse(Unauthorized) // nothing was tried
	}
	now := g.now()
	fits := len(credential) <= tokenBytesMax
	if fits {
		of = sha256.Sum256(credential)
		grant, expired := st.cache.get(&of, k, project, stream, now)
		switch {
		case expired:
			g.counts.hits.Inc()
			return nil, of, g.counts.refuse(Expired)
		case grant != nil:
			g.counts.hits.Inc()
			return grant, of, None
		}
	}
	at := origin(from)
	if g.failures.limited(at, now) {
		return nil, of, g.counts.refuse(TooManyFailures)
	}
	g.counts.misses.Inc()
	refusal := Unauthorized
	if fits {
		grant, r := g.verify(st, k, credential, project, stream, now)
		switch r {
		case resultOK:
			st.cache.add(&of, k, grant)
			return grant, of, None
		case resultExpired:
			refusal = Expired
		case resultClaims:
			if k == kindURL {
				// The guard made it, so nobody has guessed it. A browser sends a cookie
				// with requests for streams below the one that it is for, too.
				return nil, of, g.counts.refuse(Unauthorized)
			}
		}
	}
	g.failures.charge(at, now)
	return nil, of, g.counts.refuse(refusal)
}

// verify takes apart what is in no cache. What has not the form of a token is no
// verification, and no key made it.
func (g *Guard) verify(st *state, k kind, credential []byte, project, stream string, now time.Time) (grant *Grant, r result) {
	t, ok := parse(credential)
	if !ok {
		return nil, resultSignature
	}
	if k == kindURL {
		grant, r = g.verifyURL(st.keyring, &t, stream, now)
		g.counts.verified(algorithmURL, r)
		return grant, r
	}
	grant, r = st.keyring.verify(&t, project, now)
	g.counts.verified(algorithm(t.alg), r)
	return grant, r
}
