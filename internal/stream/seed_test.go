package stream

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	seedFlag   = flag.Uint64("stream.seed", 0, "seed of the random tests; 0 takes one from the clock")
	updateFlag = flag.Bool("update", false, "rewrite the golden files")
)

// newSeed is the seed of a random test, printed so that a failure can be had
// again with -stream.seed.
func newSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-stream.seed=%d", seed)
	return seed
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// randomBytes are n bytes of r.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// choices is a run of bytes that drives a test: every decision takes a byte,
// so that a fuzzer which shortens the bytes shortens the run.
type choices struct{ b []byte }

func (c *choices) left() bool { return len(c.b) > 0 }

// byte takes the next byte, 0 if there is none.
func (c *choices) byte() int {
	if len(c.b) == 0 {
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return int(v)
}

// below chooses a number in [0, n).
func (c *choices) below(n int) int { return c.byte() % n }

// one chance in n; never when the bytes have run out.
func (c *choices) chance(n int) bool { return c.byte()%n == n-1 }

func pick[T any](c *choices, of []T) T { return of[c.below(len(of))] }
