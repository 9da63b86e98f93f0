package auth

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tailrace/internal/project"
)

func TestZeroOptionsWork(t *testing.T) {
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, g, good(), "acme", Unauthorized)
	_, err = New(Options{MintKey: make([]byte, 31), CacheEntries: -1, FailureBurst: -1})
	for _, part := range []string{"MintKey", "CacheEntries", "FailureBurst"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not in the error: %v", part, err)
		}
	}
}

// TestSecretsRotate: two are good, then one of them.
func TestSecretsRotate(t *testing.T) {
	older, newer := project.Secret{ID: "one", Value: secretOne}, project.Secret{ID: "two", Value: secretTwo}
	ring := func(secrets ...project.Secret) *Keyring {
		return keyringOf(t, project.Project{Name: "acme", Secrets: secrets})
	}
	g, _ := newGuard(t, Options{Keyring: ring(older)})
	first := good()
	second := tokenOf("HS256", secretTwo, "two", members())
	plain := tokenOf("HS256", secretTwo, "", members())
	wantGrant(t, g, first)
	wantRefusal(t, g, second, "acme", Unauthorized)
	g.SetKeyring(ring(older, newer))
	for range 2 {
		wantGrant(t, g, first)
		wantGrant(t, g, second)
		wantGrant(t, g, plain)
	}
	g.SetKeyring(ring(newer))
	wantRefusal(t, g, first, "acme", Unauthorized) // was in the cache
	wantGrant(t, g, second)
	wantGrant(t, g, plain)
}

func TestCurrentFollowsTheKeys(t *testing.T) {
	g, _ := newGuard(t, Options{})
	projects, read := someProjects()
	grant := wantGrant(t, g, good())
	reload := func(p ...project.Project) {
		k, err := NewKeyring(p, read)
		if err != nil {
			t.Fatal(err)
		}
		g.SetKeyring(k)
	}
	reload(projects...)
	if !g.Current(grant) {
		t.Error("void after a reload of the same keys")
	}
	reload(projects[0])
	if !g.Current(grant) {
		t.Error("void because another project is gone")
	}
	reload(projects[1])
	if g.Current(grant) {
		t.Error("good for a project that is gone")
	}
	changed := projects[0]
	changed.Secrets = changed.Secrets[:1]
	reload(changed)
	if g.Current(grant) {
		t.Error("good under other keys")
	}
	if g.Current(&Grant{Project: "acme", Scopes: Read}) {
		t.Error("a grant that no guard made is good")
	}
}

// TestRemovedKeysNeverWorkAfterAReload has requests under way while keys come and
// go. Every generation has a secret of its own; a token of a generation that was
// replaced before a request began must not be taken.
func TestRemovedKeysNeverWorkAfterAReload(t *testing.T) {
	const generations = 200
	secret := func(n int) []byte { return fmt.Appendf(nil, "secret-of-generation-%032d", n) }
	rings := make([]*Keyring, generations)
	tokens := make([][]byte, generations)
	for n := range generations {
		rings[n] = keyringOf(t, project.Project{Name: "acme", Secrets: []project.Secret{{Value: secret(n)}}})
		tokens[n] = []byte(tokenOf("HS256", secret(n), "", members()))
	}
	g, _ := newGuard(t, Options{Keyring: rings[0]})
	var installed atomic.Int64 // SetKeyring has returned for this generation
	var wg sync.WaitGroup
	var tried, stale atomic.Int64
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; installed.Load() < generations-1; i++ {
				before := int(installed.Load())
				n := max(before-i%3, 0)
				grant, _ := g.Bearer(tokens[n], "acme", nil)
				tried.Add(1)
				if grant != nil && n < before {
					stale.Add(1)
				}
			}
		}()
	}
	for n := 1; n < generations; n++ {
		for want := tried.Load() + 5; tried.Load() < want; { // so that there are requests under every generation
			runtime.Gosched()
		}
		g.SetKeyring(rings[n])
		installed.Store(int64(n))
	}
	wg.Wait()
	if stale.Load() > 0 {
		t.Errorf("%d of %d requests got in with a key that was removed before", stale.Load(), tried.Load())
	}
}

// TestVerificationsUnderWayDoNotFillTheNewCache: what began with the old keys ends
// with them.
func TestVerificationsUnderWayDoNotFillTheNewCache(t *testing.T) {
	g, c := newGuard(t, Options{})
	token := []byte(good())
	var reloaded bool
	g.now = func() time.Time { // the guard looks at the clock after it has taken its keys
		if !reloaded {
			reloaded = true
			g.SetKeyring(keyringOf(t, project.Project{Name: "acme"}))
		}
		return c.now()
	}
	if grant, r := g.Bearer(token, "acme", nil); grant == nil {
		t.Fatalf("the request that was under way: %v", r)
	}
	if n := g.Stats().CacheEntries; n != 0 {
		t.Errorf("%d entries in the new cache", n)
	}
	wantRefusal(t, g, string(token), "acme", Unauthorized)
}

func TestCachedTokensExpire(t *testing.T) {
	g, c := newGuard(t, Options{})
	token := good()
	first := wantGrant(t, g, token)
	c.step(59 * time.Second)
	if again := wantGrant(t, g, token); again != first {
		t.Error("it was verified again")
	}
	c.step(time.Second)
	wantRefusal(t, g, token, "acme", Expired)
	if s := g.Stats(); s.CacheEntries != 0 || s.CacheBytes != 0 || s.CacheHits != 2 {
		t.Errorf("%+v", s)
	}
	wantRefusal(t, g, token, "acme", Expired)
}

// TestCachedTokensAreOfTheirProject: a hit is one only for who was verified.
func TestCachedTokensAreOfTheirProject(t *testing.T) {
	g, _ := newGuard(t, Options{})
	token := good()
	wantGrant(t, g, token)
	wantRefusal(t, g, token, "umbrella", Unauthorized)
	wantRefusal(t, g, token, "nobody", Unauthorized)
	hits := g.Stats().CacheHits
	wantGrant(t, g, token)
	if g.Stats().CacheHits != hits+1 {
		t.Error("the refusals removed it")
	}
}

// TestGuardKeepsNothingOfTheRequest: servers use the memory again.
func TestGuardKeepsNothingOfTheRequest(t *testing.T) {
	g, _ := newGuard(t, Options{})
	token := []byte(good("sub", "somebody"))
	grant, _ := g.Bearer(token, "acme", nil)
	if grant == nil {
		t.Fatal("refused")
	}
	clear(token)
	if grant.Subject != "somebody" || grant.Project != "acme" {
		t.Errorf("%+v", grant)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		g, _ := newGuard(t, Options{CacheEntries: 10})
		for i := range 100 {
			wantGrant(t, g, good("sub", fmt.Sprint(i)))
			if n := g.Stats().CacheEntries; n > 10 {
				t.Fatalf("%d entries", n)
			}
		}
		if n := g.Stats().CacheEntries; n != 10 {
			t.Errorf("%d entries are left", n)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		const limit = 20 << 10
		g, _ := newGuard(t, Options{CacheBytes: limit})
		for i := range 100 {
			wantGrant(t, g, good("stream", fmt.Sprintf("acme/%d/%s", i, strings.Repeat("a", 1000))))
			if n := g.Stats().CacheBytes; n > limit {
				t.Fatalf("%d bytes", n)
			}
		}
		if n := g.Stats().CacheEntries; n < 5 || n > 20 {
			t.Errorf("%d entries of 1.5 KiB are left", n)
		}
	})
	t.Run("what is larger than all", func(t *testing.T) {
		g, _ := newGuard(t, Options{CacheBytes: 1000})
		wantGrant(t, g, good("stream", "acme/"+strings.Repeat("a", 1000)))
		if n := g.Stats().CacheEntries; n != 0 {
			t.Errorf("%d entries", n)
		}
	})
	t.Run("recently used stay", func(t *testing.T) {
		g, _ := newGuard(t, Options{CacheEntries: 10})
		kept := good("sub", "kept")
		wantGrant(t, g, kept)
		for i := range 50 {
			wantGrant(t, g, good("sub", fmt.Sprint(i)))
			wantGrant(t, g, kept)
		}
		if n := g.Stats().CacheHits; n != 50 {
			t.Errorf("%d hits of 50", n)
		}
	})
}

// TestVerifiedTwiceIsOneEntry: two requests may come with the same new token.
func TestVerifiedTwiceIsOneEntry(t *testing.T) {
	g, _ := newGuard(t, Options{})
	grant := wantGrant(t, g, good())
	c := newCache(10, 1<<20)
	for range 3 {
		c.add(&sum{1}, kindBearer, grant)
	}
	if n, bytes := c.use(); n != 1 || bytes != (entry{kindBearer, grant}).size() {
		t.Errorf("%d entries, %d bytes", n, bytes)
	}
}

// TestEntriesTakeWhatIsCounted compares the constant with the heap.
func TestEntriesTakeWhatIsCounted(t *testing.T) {
	const entries = 20_000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	own := &keys{project: "acme"}
	before := heap()
	c := newCache(entries*2, 1<<30)
	r := rand.New(rand.NewPCG(1, 2))
	for range entries {
		var of sum
		for i := range of {
			of[i] = byte(r.Uint32())
		}
		c.add(&of, kindBearer, &Grant{Project: "acme", Scopes: Read, Expires: start, keys: own})
	}
	taken := (heap() - before) / entries
	n, counted := c.use()
	if n != entries || counted != entries*entryBytes {
		t.Errorf("%d entries, %d bytes are counted", n, counted)
	}
	if taken > entryBytes {
		t.Errorf("an entry takes %d bytes, %d are counted", taken, entryBytes)
	}
	t.Logf("an entry takes %d bytes, %d are counted", taken, entryBytes)
}

// TestUnknownIsVerifiedToo: what does not exist takes a verification by the same
// algorithm, as a bad signature does.
func TestUnknownIsVerifiedToo(t *testing.T) {
	p := pairs()
	for alg, keys := range map[string][2]any{
		"HS256": {secretOne, secretForeign}, "RS256": {p.rsa, p.rsaForeign}, "ES256": {p.ec, p.ecForeign}, "EdDSA": {p.ed, p.edForeign},
	} {
		kid := map[string]string{"HS256": "one", "RS256": "rsa", "ES256": "ec", "EdDSA": "ed"}[alg]
		for name, c := range map[string]struct {
			credential, of string
		}{
			"bad signature":         {tokenOf(alg, keys[1], kid, members()), "acme"},
			"unknown kid":           {tokenOf(alg, keys[0], "nobody", members()), "acme"},
			"unknown project":       {tokenOf(alg, keys[0], kid, members()), "nobody"},
			"project without a key": {tokenOf(alg, keys[0], "", members()), "bare"},
		} {
			ring := someKeyring(t)
			ring.projects["bare"] = keyringOf(t, project.Project{Name: "bare"}).projects["bare"]
			g, _ := newGuard(t, Options{Keyring: ring})
			asked := countDecoys(t, func() { wantRefusal(t, g, c.credential, c.of, Unauthorized) })
			var want [signatures]int
			if name != "bad signature" {
				want[slices.Index(algorithms[:], jose.SignatureAlgorithm(alg))] = 1
			}
			if asked != want {
				t.Errorf("%s, %s: decoys were used as %v, want %v", alg, name, asked, want)
			}
			if got := g.Stats().Verifications; !slices.Equal(got, []Verifications{{alg, "signature", 1}}) {
				t.Errorf("%s, %s: %+v", alg, name, got)
			}
		}
	}
}

// countDecoys is how often f took the decoy of each algorithm.
func countDecoys(t *testing.T, f func()) (asked [signatures]int) {
	t.Helper()
	original := decoys
	defer func() { decoys = original }()
	for alg := range decoys {
		decoys[alg] = func() any {
			asked[alg]++
			return original[alg]()
		}
	}
	f()
	return asked
}

// TestDecoysAreKeysThatWork up to the signature: a key that the library refuses at
// once would take no time.
func TestDecoysAreKeysThatWork(t *testing.T) {
	for alg := range signatures {
		if err := usable(alg, decoys[alg]()); alg != hs256 && err != nil {
			t.Error(err)
		}
		if decoys[alg]() == nil {
			t.Errorf("%v has none", alg)
		}
	}
	if n := len(decoys[hs256]().([]byte)); n < secretBytesMin {
		t.Errorf("the secret has %d bytes", n)
	}
}

// TestDecoysOpenNothing even for who has one.
func TestDecoysOpenNothing(t *testing.T) {
	g, _ := newGuard(t, Options{})
	secret := decoys[hs256]().([]byte)
	wantRefusal(t, g, tokenOf("HS256", secret, "nobody", members()), "acme", Unauthorized)
	wantRefusal(t, g, tokenOf("HS256", secret, "", members("project", "nobody")), "nobody", Unauthorized)
}

func TestFailuresAreLimited(t *testing.T) {
	g, c := newGuard(t, Options{FailureBurst: 3, FailureEvery: time.Second})
	bad := []byte(tokenOf("HS256", secretForeign, "one", members()))
	ask := func(credential []byte, ip string) Refusal {
		_, r := g.Bearer(credential, "acme", from(ip))
		return r
	}
	cached, fresh, key := []byte(good()), []byte(good("sub", "fresh")), []byte(apiKeyText1)
	wantGrant(t, g, string(cached))
	for range 3 {
		if r := ask(bad, "192.0.2.1"); r != Unauthorized {
			t.Fatal(r)
		}
	}
	before := g.Stats()
	for credential, want := range map[string]Refusal{
		string(bad): TooManyFailures, string(fresh): TooManyFailures, string(cached): None, string(key): None, "": Unauthorized, "garbage": TooManyFailures,
		"trk_": TooManyFailures, strings.Repeat("a", tokenBytesMax+1): TooManyFailures,
	} {
		if r := ask([]byte(credential), "192.0.2.1"); r != want {
			t.Errorf("%.20q: %v, want %v", credential, r, want)
		}
	}
	if _, r := g.URLToken(bad, "acme/x", from("192.0.2.1")); r != TooManyFailures {
		t.Errorf("in a URL: %v", r)
	}
	after := g.Stats()
	if len(before.Verifications) != 2 || before.Verifications[1].Count != after.Verifications[1].Count {
		t.Error("a limited address had something verified")
	}
	if after.Limited != 6 {
		t.Errorf("%d are counted as limited", after.Limited)
	}
	if r := ask(fresh, "192.0.2.2"); r != None {
		t.Errorf("its neighbour: %v", r)
	}
	if r := ask(bad, "::ffff:192.0.2.1"); r != TooManyFailures {
		t.Errorf("the same address in IPv6: %v", r)
	}
	c.step(g.RetryAfter())
	if r := ask([]byte(good("sub", "later")), "192.0.2.1"); r != None {
		t.Errorf("after RetryAfter: %v", r)
	}
	for i, want := range []Refusal{Unauthorized, TooManyFailures} { // successes cost nothing, and one attempt came back
		if r := ask(bad, "192.0.2.1"); r != want {
			t.Errorf("%d: %v, want %v", i, r, want)
		}
	}
	c.step(time.Hour)
	for range 3 {
		ask(bad, "192.0.2.1")
	}
	if r := ask(bad, "192.0.2.1"); r != TooManyFailures {
		t.Error("more than the burst comes back")
	}
}

func TestWrongAPIKeysAreLimited(t *testing.T) {
	g, _ := newGuard(t, Options{FailureBurst: 2})
	unknown, _ := NewAPIKey(nil)
	for i, want := range []Refusal{Unauthorized, Unauthorized, TooManyFailures} {
		credential := []string{unknown, "trk_", unknown}[i]
		if _, r := g.Bearer([]byte(credential), "acme", from("192.0.2.1")); r != want {
			t.Errorf("%d: %v, want %v", i, r, want)
		}
	}
	if _, r := g.Bearer([]byte(apiKeyText1), "acme", from("192.0.2.1")); r != None {
		t.Error(r)
	}
}

func TestFailuresOfANetwork(t *testing.T) {
	g, _ := newGuard(t, Options{FailureBurst: 1})
	ask := func(from func() netip.Addr) Refusal {
		_, r := g.Bearer([]byte("garbage"), "acme", from)
		return r
	}
	for i, c := range []struct {
		ip   string
		want Refusal
	}{
		{"2001:db8:1:2::1", Unauthorized}, {"2001:db8:1:2:ffff::9", TooManyFailures}, {"2001:db8:1:3::1", Unauthorized},
		{"fe80::1%eth0", Unauthorized}, {"fe80::2%eth1", TooManyFailures},
	} {
		if r := ask(from(c.ip)); r != c.want {
			t.Errorf("%d, %s: %v, want %v", i, c.ip, r, c.want)
		}
	}
	for range 3 {
		if ask(nil) != Unauthorized || ask(func() netip.Addr { return netip.Addr{} }) != Unauthorized {
			t.Error("without an address there is nobody to limit")
		}
	}
	if n := g.Stats().Addresses; n != 3 {
		t.Errorf("%d addresses", n)
	}
}

func TestAddressesAreOnlyAskedForWhenNeeded(t *testing.T) {
	g, _ := newGuard(t, Options{})
	token := []byte(good())
	wantGrant(t, g, string(token))
	never := func() netip.Addr { t.Error("asked"); return netip.Addr{} }
	g.Bearer(token, "acme", never)
	g.Bearer([]byte(apiKeyText1), "acme", never)
	g.Bearer(nil, "acme", never)
	g.URLToken(nil, "acme/x", never)
}

// TestAddressesAreBounded: a flood of them makes the guard forget those that were
// silent for longest, and nobody else.
func TestAddressesAreBounded(t *testing.T) {
	g, _ := newGuard(t, Options{FailureBurst: 1, FailureAddresses: 10})
	ask := func(ip netip.Addr) Refusal {
		_, r := g.Bearer([]byte("garbage"), "acme", func() netip.Addr { return ip })
		return r
	}
	stays := netip.MustParseAddr("198.51.100.1")
	ask(stays)
	ip := netip.MustParseAddr("192.0.2.0")
	for range 100 {
		ip = ip.Next()
		if r := ask(ip); r != Unauthorized {
			t.Fatalf("%s: %v", ip, r)
		}
		if r := ask(stays); r != TooManyFailures {
			t.Fatalf("the flood reset another: %v", r)
		}
		if n := g.Stats().Addresses; n > 10 {
			t.Fatalf("%d addresses", n)
		}
	}
}

func TestSuccessesAreNotRemembered(t *testing.T) {
	g, _ := newGuard(t, Options{})
	for i := range 50 {
		if _, r := g.Bearer([]byte(good("sub", fmt.Sprint(i))), "acme", from("192.0.2.1")); r != None {
			t.Fatal(r)
		}
	}
	if n := g.Stats().Addresses; n != 0 {
		t.Errorf("%d addresses", n)
	}
}

func TestHitsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	g, _ := newGuard(t, Options{})
	bearer := []byte(good())
	url, _, err := g.Mint(wantGrant(t, g, string(bearer)), "acme/x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	inURL, key := []byte(url), []byte(apiKeyText1)
	for name, ask := range map[string]func() Refusal{
		"token":     func() Refusal { _, r := g.Bearer(bearer, "acme", nil); return r },
		"API key":   func() Refusal { _, r := g.Bearer(key, "acme", nil); return r },
		"URL token": func() Refusal { _, r := g.URLToken(inURL, "acme/x", nil); return r },
	} {
		if r := ask(); r != None {
			t.Fatalf("%s: %v", name, r)
		}
		if n := testing.AllocsPerRun(100, func() { ask() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
