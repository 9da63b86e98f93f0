package objstore

import (
	"sync"
	"time"
)

// retryAfterMax bounds what a store can ask for: a nonsensical header must not
// stop a caller for a day.
const retryAfterMax = time.Minute

// backoff is the pause before retry n, the first being 1: full jitter, and what
// the store asked for comes on top, so that those it sent away together do not
// come back together.
func (o *Options) backoff(n int, after time.Duration) time.Duration {
	top := o.BackoffMax
	if shift := n - 1; shift < 30 && o.BackoffBase<<shift < top {
		top = o.BackoffBase << shift
	}
	pause := time.Duration(o.Rand() % uint64(top+1))
	return pause + min(max(after, 0), retryAfterMax)
}

// attemptTime is the deadline of one attempt that moves size bytes.
func (o *Options) attemptTime(size int64) time.Duration {
	return o.AttemptTime + time.Duration(float64(size)/float64(o.BytesPerSecond)*float64(time.Second))
}

// successRefill is the part of a retry that a success brings back: in the long
// run a store gets at most a tenth more requests than were asked for.
const successRefill = 0.1

// budget is a bucket of tokens, one for a retry.
type budget struct {
	mu     sync.Mutex
	max    float64
	tokens float64
	filled time.Time // when tokens was last brought up to date
}

func newBudget(max int, now time.Time) *budget {
	return &budget{max: float64(max), tokens: float64(max), filled: now}
}

// take takes the token of one retry, or reports that there is none.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.filled); passed > 0 {
		b.tokens = min(b.max, b.tokens+passed.Seconds())
		b.filled = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *budget) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.max, b.tokens+successRefill)
}
