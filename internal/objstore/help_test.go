package objstore_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
)

var seedFlag = flag.Uint64("objstore.seed", 0, "seed of the random tests; 0 takes a new one")

// seed is the seed of a random test, printed so that it can be given back.
func seed(t *testing.T) uint64 {
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-objstore.seed=%d", s)
	return s
}

// clock is a time that only sleeping moves.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	random *rand.Rand
	slept  []time.Duration
}

func newClock(seed uint64) *clock {
	return &clock{now: time.Unix(1e9, 0), random: rand.New(rand.NewPCG(seed, 1))}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func (c *clock) Rand() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Uint64()
}

func (c *clock) options() objstore.Options {
	return objstore.Options{Sleep: c.Sleep, Now: c.Now, Rand: c.Rand}
}

// rig is a store with faults over a bucket in memory, all on one clock.
type rig struct {
	*objstore.Store
	clock  *clock
	faults *faultobj.Bucket
	mem    *mem.Bucket
}

func newRig(seed uint64, change ...func(*objstore.Options)) *rig {
	c := newClock(seed)
	m := mem.New(c.Now)
	f := faultobj.New(m, seed, c.Sleep)
	o := c.options()
	for _, change := range change {
		change(&o)
	}
	return &rig{Store: objstore.New(f, o), clock: c, faults: f, mem: m}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
