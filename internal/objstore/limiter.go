package objstore

import (
	"context"
	"slices"
	"sync"
)

// limitStart is how many attempts may run before the store has shown what it
// bears.
const limitStart = 8

// limiter bounds how many attempts run at a time. The bound grows by one for
// each round of successes that used it, and is halved when the store asks for
// less. Who waits is served in order.
type limiter struct {
	mu      sync.Mutex
	max     float64
	limit   float64 // 1..max
	running int
	waiting []chan struct{} // closed when the place is given
	// epoch counts the halvings. Those that were under way together are sent
	// away together, which is one sign and not many: only a place taken since the
	// last halving counts for the next.
	epoch uint64
}

func newLimiter(max int) *limiter {
	return &limiter{max: float64(max), limit: float64(min(max, limitStart))}
}

// place is the right to run one attempt.
type place struct{ epoch uint64 }

func (l *limiter) enter(ctx context.Context) (place, error) {
	if err := ctx.Err(); err != nil {
		return place{}, err
	}
	l.mu.Lock()
	if len(l.waiting) == 0 && l.running < int(l.limit) {
		l.running++
		defer l.mu.Unlock()
		return place{l.epoch}, nil
	}
	given := make(chan struct{})
	l.waiting = append(l.waiting, given)
	l.mu.Unlock()

	select {
	case <-given:
		l.mu.Lock()
		defer l.mu.Unlock()
		return place{l.epoch}, nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if i := slices.Index(l.waiting, given); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		} else { // given meanwhile: pass it on
			l.running--
			l.admit()
		}
		return place{}, ctx.Err()
	}
}

func (l *limiter) leave(p place, k Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case k == KindThrottled && p.epoch == l.epoch:
		l.limit = max(1, l.limit/2)
		l.epoch++
	case k == KindNone && 2*l.running >= int(l.limit): // a bound that nobody meets proves nothing
		l.limit = min(l.max, l.limit+1/l.limit)
	}
	l.running--
	l.admit()
}

// admit gives free places to those who wait. Called with mu held.
func (l *limiter) admit() {
	for len(l.waiting) > 0 && l.running < int(l.limit) {
		l.running++
		close(l.waiting[0])
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}

func (l *limiter) state() (running, limit, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, int(l.limit), len(l.waiting)
}
