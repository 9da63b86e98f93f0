package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Options are of a Guard. The zero value works.
type Options struct {
	Keyring *Keyring         // nil = no project, so nobody gets in
	Metrics *metrics.Set     // nil = a private one
	Now     func() time.Time // nil = time.Now

	// MintKey signs URL tokens, 32 bytes or more. nil is a random one: then they are
	// good at this guard only, and until it ends.
	MintKey []byte

	// What the cache of verified credentials may hold. More makes it larger, less
	// makes for more verifications.
	CacheEntries int   // 0 = 65536
	CacheBytes   int64 // about; 0 = 32 MiB

	// Refused credentials from one IPv4 address or IPv6 /64: so many at once, and
	// one more after each time.
	FailureBurst     int           // 0 = 20
	FailureEvery     time.Duration // 0 = 3 s
	FailureAddresses int           // addresses to remember, about 300 bytes each; 0 = 16384
}

func (o Options) withDefaults() Options {
	if o.Keyring == nil {
		o.Keyring = &Keyring{}
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MintKey == nil {
		o.MintKey = random(secretBytesMin)
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = cacheEntriesUsual
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesUsual
	}
	if o.FailureBurst == 0 {
		o.FailureBurst = 20
	}
	if o.FailureEvery == 0 {
		o.FailureEvery = 3 * time.Second
	}
	if o.FailureAddresses == 0 {
		o.FailureAddresses = 1 << 14
	}
	return o
}

func (o *Options) validate() error {
	var errs []error
	if len(o.MintKey) < secretBytesMin {
		errs = append(errs, fmt.Errorf("auth: MintKey has %d bytes, it needs at least %d", len(o.MintKey), secretBytesMin))
	}
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"CacheEntries", int64(o.CacheEntries)}, {"CacheBytes", o.CacheBytes}, {"FailureBurst", int64(o.FailureBurst)},
		{"FailureEvery", int64(o.FailureEvery)}, {"FailureAddresses", int64(o.FailureAddresses)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("auth: %s is negative", v.name))
		}
	}
	return errors.Join(errs...)
}
