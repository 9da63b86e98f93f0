package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// failures counts refused credentials by where they come from: an IPv4 address, or
// an IPv6 network of 64 bits, of which one client usually has all addresses. Who
// never failed is not in it.
type failures struct {
	every time.Duration // one more attempt
	burst int

	mu  sync.Mutex
	all *simplelru.LRU[netip.Prefix, *rate.Limiter] // the recently used ones, which are who goes on
}

func newFailures(every time.Duration, burst, addresses int) *failures {
	all, err := simplelru.NewLRU[netip.Prefix, *rate.Limiter](addresses, nil)
	if err != nil {
		panic(err) // Options.validate
	}
	return &failures{every: every, burst: burst, all: all}
}

// origin is the network that an address is counted as. It is not valid if the
// address is not: then nothing is counted, as for a unix socket.
func origin(from func() netip.Addr) netip.Prefix {
	if from == nil {
		return netip.Prefix{}
	}
	ip := from().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	at, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return at
}

// limited reports whether there is no attempt left.
func (f *failures) limited(at netip.Prefix, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.all.Get(at)
	return ok && l.TokensAt(now) < 1
}

// charge takes an attempt away. Requests that are verified at the same time may
// all pass limited before the first of them is charged: they are as many as there
// are processors.
func (f *failures) charge(at netip.Prefix, now time.Time) {
	if !at.IsValid() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.all.Get(at)
	if !ok {
		l = rate.NewLimiter(rate.Every(f.every), f.burst)
		f.all.Add(at, l)
	}
	l.AllowN(now, 1)
}

// addresses is how many are counted.
func (f *failures) addresses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all.Len()
}
