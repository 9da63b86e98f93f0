// Package fuzz attacks the public API with arbitrary bytes. Every target is
// one law over packages that are tested on their own elsewhere:
//
//	FuzzModel        requests to the engine are answered as the model answers
//	FuzzHTTPModel    the same over HTTP, down to statuses and headers
//	FuzzRecovery     a damaged store opens with what was written, or refuses
//	FuzzRotation     content is the same after flushes, merges and crashes
//	FuzzRow          a row of a checkpoint is refused, or has one encoding
//	FuzzIndex        the same for the sparse index of a run
//	FuzzSegment      arbitrary segments are read without panic and within bounds
//	FuzzManifest     the same for the manifest
//	FuzzCheckpoint   the same for the files of a checkpoint
//	FuzzFrame        arbitrary log files are read without panic and within bounds
//	FuzzOffset       every offset is an answer, never a fault of the server
//	FuzzHTTPRequest  arbitrary bytes on a connection, and where bodies end
//	FuzzDrivers      the same by loops, by goroutines and by net/http
//
// The inputs of the models are runs of choices: every decision takes bytes from
// the front, so the shorter input that a fuzzer looks for is the shorter run.
package fuzz

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("fuzz.seed", 0, "seed of the random tests; 0 takes one from the clock")

// newSeed is the seed of a random test, printed so that a failure can be had
// again with -fuzz.seed.
func newSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-fuzz.seed=%d", seed)
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

// choices is a run of bytes that drives a test.
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

// below chooses a number in [0, n). Numbers of more than a byte take two or
// three.
func (c *choices) below(n int) int {
	v := c.byte()
	for limit := 256; limit < n; limit <<= 8 {
		v = v<<8 | c.byte()
	}
	return v % n
}

// chance is true once in n times, and never when the bytes have run out.
func (c *choices) chance(n int) bool { return c.byte()%n == n-1 }

// take takes up to n bytes.
func (c *choices) take(n int) []byte {
	n = min(n, len(c.b))
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func pick[T any](c *choices, of []T) T { return of[c.below(len(of))] }

// clock is a clock that stands still until it is told. Both of its readings
// advance together.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

var clockStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newClock() *clock { return &clock{wall: clockStart} }

// Now implements engine.Clock.
func (c *clock) Now() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall, c.mono
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.mono = c.wall.Add(d), c.mono+d
}

func (c *clock) unixMilli() int64 {
	wall, _ := c.Now()
	return wall.UnixMilli()
}
