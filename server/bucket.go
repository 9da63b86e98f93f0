package server

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bucket is what may be taken in a second, and what is left of it. A nil bucket has
// as much as there is.
//
// Requests bring the time at which they began, and that is not in order: loops and
// goroutines have clocks of their own, and a body may take long to come. A limiter that
// is asked about an earlier time goes back to it, and gives out the time between again.
// So here time only goes forward.
type bucket struct {
	mu     sync.Mutex
	left   *rate.Limiter
	latest time.Time
}

// newBucket is one of one second, and of at least so many tokens that the largest
// request fits. One that is there goes on with what it has. It is nil without a limit.
func newBucket(old *bucket, perSecond float64, least int) *bucket {
	if perSecond <= 0 {
		return nil
	}
	size := max(int(min(perSecond, math.MaxInt32)), least, 1)
	if old == nil {
		return &bucket{left: rate.NewLimiter(rate.Limit(perSecond), size)}
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	now := old.forward(time.Now())
	old.left.SetLimitAt(now, rate.Limit(perSecond))
	old.left.SetBurstAt(now, size)
	return old
}

// forward is now, or the latest time that was seen if that is later. bucket.mu is held.
func (b *bucket) forward(now time.Time) time.Time {
	if now.After(b.latest) {
		b.latest = now
	}
	return b.latest
}

// missing is how long it takes until n tokens are there. bucket.mu is held.
func (b *bucket) missing(n int, now time.Time) time.Duration {
	if n > b.left.Burst() {
		return retryAfterMax * time.Second // more than there ever is
	}
	lack := float64(n) - b.left.TokensAt(now)
	if lack <= 0 {
		return 0
	}
	return max(1, time.Duration(lack/float64(b.left.Limit())*float64(time.Second)))
}

// takeBoth takes n tokens from each of two buckets, or from none, and tells then how
// long it takes until they are there. The second one is locked while the first is: it
// is the one of all, always.
func takeBoth(mine, all *bucket, n int, now time.Time) time.Duration {
	if mine == nil {
		return all.take(n, now)
	}
	mine.mu.Lock()
	defer mine.mu.Unlock()
	at := mine.forward(now)
	if wait := mine.missing(n, at); wait > 0 {
		return wait
	}
	if wait := all.take(n, now); wait > 0 {
		return wait
	}
	mine.left.AllowN(at, n)
	return 0
}

// take is takeBoth for one.
func (b *bucket) take(n int, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now = b.forward(now)
	wait := b.missing(n, now)
	if wait == 0 {
		b.left.AllowN(now, n)
	}
	return wait
}
