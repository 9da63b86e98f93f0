package livetest

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	timeFlag     = flag.Duration("live.time", 6*time.Second, "how long streams are written, all sub-tests together")
	readersFlag  = flag.Int("live.readers", 70, "readers")
	streamsFlag  = flag.Int("live.streams", 24, "streams at a time")
	seedFlag     = flag.Uint64("live.seed", 0, "seed of everything random; 0 takes a new one")
	portableFlag = flag.Bool("live.portable", false, "serve by a goroutine for each connection only")
)

// patience is how long is waited for what must happen. It is no assertion about
// time, only the end of a test that hangs.
const patience = 30 * time.Second

// newSeed says how the same randomness is had again. Which request comes first
// depends on the machine as well, so a seed repeats the work, not the run.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-live.seed=%d", seed)
	return seed
}

// source is the randomness of one of many.
func source(seed uint64, who, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(who)<<32|uint64(n)))
}

// Who has randomness of its own, for source.
const (
	ofAuthor = iota
	ofReader
	ofTest
)

// fork returns an independent source, for a goroutine of its own.
func fork(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }

func TestReadersGetEverythingOnce(t *testing.T) {
	seed := newSeed(t)
	if *portableFlag {
		t.Run("portable", func(t *testing.T) { soak(t, seed, true, *timeFlag) })
		return
	}
	t.Run("loops", func(t *testing.T) { soak(t, seed, false, *timeFlag/2) })
	t.Run("portable", func(t *testing.T) { soak(t, seed, true, *timeFlag/2) })
}
