package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// A use that comes while the next log file is being made is logged like any
// other.
func TestUsesAreLoggedWhileTheLogWaitsForAFile(t *testing.T) {
	fs, clock := memfs.New(), newFakeClock()
	rng := rand.New(rand.NewPCG(3, 4))
	e := mustOpen(t, manualOptions(fs, clock, rng)) // and never allocates
	want(t, e, stream.Created, withTTL("p", 10))
	want(t, e, stream.Created, create("q", "text/plain", ""))
	for {
		got := appendTo("q", "text/plain", "x")(e)
		settle(t, e)
		if got.Code == stream.Overloaded {
			break
		}
	}
	clock.advance(5 * time.Second)
	want(t, e, stream.OK, touchRead("p"))
	settle(t, e)
	fs = fs.Crash(rng, memfs.KeepNone)
	e = mustOpen(t, manualOptions(fs, clock, rng))
	clock.advance(9 * time.Second)
	want(t, e, stream.OK, head("p"))
}
