package objstore

import (
	"context"
	"math/rand/v2"
	"time"
)

// Options of a Store. The zero value works.
type Options struct {
	// Attempts is how often a call may ask the store for one thing, the first
	// time included. More means fewer calls that somebody must drive again, and
	// calls that take longer to give up. Default 6.
	Attempts int

	// Reads and Writes bound how many attempts of each run at a time. They are
	// apart so that uploads cannot keep readers waiting. Defaults 32 and 8.
	Reads, Writes int

	// AttemptTime is what an attempt may take besides moving its bytes, for
	// which it gets BytesPerSecond: a slower store counts as one that hangs.
	// Defaults 15 s and 1 MiB.
	AttemptTime    time.Duration
	BytesPerSecond int64

	// The pause before the n-th retry is random, from nothing up to
	// BackoffBase doubled n-1 times or BackoffMax. Defaults 100 ms and 20 s.
	BackoffBase, BackoffMax time.Duration

	// RetryBudget is how many retries all calls have together while nothing
	// succeeds; a second brings one back, and ten successes do. When it is spent
	// every call is one attempt, so a store in trouble is not asked more than a
	// healthy one. Default 100.
	RetryBudget int

	// Where time and chance come from. Sleep ends early with the error of ctx.
	Sleep func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
	Rand  func() uint64
}

func (o Options) withDefaults() Options {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	setTime := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&o.Attempts, 6)
	set(&o.Reads, 32)
	set(&o.Writes, 8)
	set(&o.RetryBudget, 100)
	setTime(&o.AttemptTime, 15*time.Second)
	setTime(&o.BackoffBase, 100*time.Millisecond)
	setTime(&o.BackoffMax, 20*time.Second)
	if o.BytesPerSecond <= 0 {
		o.BytesPerSecond = 1 << 20
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Uint64
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
