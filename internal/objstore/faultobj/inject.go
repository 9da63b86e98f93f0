package faultobj

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tailrace/internal/objstore"
)

// Bucket is a bucket with faults. It implements objstore.Bucket and is safe for
// concurrent use.
type Bucket struct {
	base  objstore.Bucket
	seed  uint64
	sleep func(context.Context, time.Duration) error

	mu               sync.Mutex // guards the rest
	rates            map[Fault]float64
	rules            []rule
	before, after    func(op, key string) error
	ignoreConditions bool
	ignoreChecksums  bool
	seen             map[place]uint64 // calls so far
	trace            []Call
	buried           []objstore.Info // objects that were deleted, the latest
}

// place is what the choice of faults depends on, besides the seed and a count.
type place struct{ op, key string }

// rule is a fault that the next n calls of op meet; op "" is any.
type rule struct {
	op    string
	fault Fault
	n     int
}

// strike is what befalls one call.
type strike struct {
	fault                             Fault
	random                            *rand.Rand // of this call alone
	after                             func(op, key string) error
	ignoreConditions, ignoreChecksums bool
}

// slowTime is what a Slow call takes.
const slowTime = 3 * time.Second

// New returns a bucket that passes every call to base, until it is told
// otherwise. sleep is for slow calls; nil makes them wait for real.
func New(base objstore.Bucket, seed uint64, sleep func(context.Context, time.Duration) error) *Bucket {
	if sleep == nil {
		sleep = func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return &Bucket{base: base, seed: seed, sleep: sleep, seen: map[place]uint64{}}
}

// Base is the bucket under the faults.
func (b *Bucket) Base() objstore.Bucket { return b.base }

// Rates sets how likely each fault is for a call that can meet it. The sum is
// at most 1.
func (b *Bucket) Rates(rates map[Fault]float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rates = make(map[Fault]float64, len(rates))
	for f, rate := range rates {
		b.rates[f] = rate
	}
}

// Fail makes the next n calls of op that can meet f meet it; "" is any
// operation. It goes before Rates.
func (b *Bucket) Fail(op string, f Fault, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, rule{op, f, n})
}

// Heal ends all faults and lies to come. Hooks stay.
func (b *Bucket) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rates, b.rules = nil, nil
	b.ignoreConditions, b.ignoreChecksums = false, false
}

// IgnoreConditions makes the store one that overwrites whatever was asked.
func (b *Bucket) IgnoreConditions(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ignoreConditions = on
}

// IgnoreChecksums makes the store one that takes any body and tells no
// checksum.
func (b *Bucket) IgnoreChecksums(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ignoreChecksums = on
}

// Hook sets functions that are called around every call, outside of all locks:
// they may block, end the goroutine, or use the bucket below. An error of before
// keeps the call from being made, one of after replaces its answer. Either may
// be nil.
func (b *Bucket) Hook(before, after func(op, key string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.after = before, after
}

// call is the gate that every call passes.
func (b *Bucket) call(ctx context.Context, op, key string, do func(strike) error) error {
	b.mu.Lock()
	s := b.decide(op, key)
	before := b.before
	n := len(b.trace)
	b.trace = append(b.trace, Call{Op: op, Key: key, Fault: s.fault})
	b.mu.Unlock()

	err := b.run(ctx, op, key, before, s, do)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.trace[n].Done, b.trace[n].Outcome = true, objstore.KindOf(err)
	return err
}

func (b *Bucket) run(ctx context.Context, op, key string, before func(op, key string) error, s strike, do func(strike) error) error {
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	switch s.fault {
	case Conflict, Internal, SlowDown, TimeoutBefore, Denied, Missing, Skewed:
		return s.fault.refusal(op, key)
	case Slow:
		if err := b.sleep(ctx, slowTime); err != nil {
			return &objstore.Error{Op: op, Key: key, Kind: objstore.KindOf(err), Err: err}
		}
	}
	err := do(s)
	if s.after != nil {
		if err := s.after(op, key); err != nil {
			return err
		}
	}
	if s.fault == TimeoutAfter || s.fault == InternalAfter {
		return s.fault.refusal(op, key)
	}
	return err
}

// decide picks what befalls a call. Called with mu held.
func (b *Bucket) decide(op, key string) strike {
	at := place{op, key}
	h := fnv.New64a()
	_, _ = h.Write(binary.LittleEndian.AppendUint64([]byte(op+"\x00"+key), b.seen[at]))
	b.seen[at]++
	s := strike{random: rand.New(rand.NewPCG(b.seed, h.Sum64())), after: b.after,
		ignoreConditions: b.ignoreConditions, ignoreChecksums: b.ignoreChecksums}
	dice := s.random.Float64()
	for i := range b.rules {
		r := &b.rules[i]
		if r.n > 0 && (r.op == "" || r.op == op) && r.fault.Hits(op) {
			r.n--
			s.fault = r.fault
			b.rules = slices.DeleteFunc(b.rules, func(r rule) bool { return r.n == 0 })
			return s
		}
	}
	for f := None + 1; f < faults; f++ {
		if rate := b.rates[f]; rate > 0 && f.Hits(op) {
			if dice < rate {
				s.fault = f
				return s
			}
			dice -= rate
		}
	}
	return s
}
