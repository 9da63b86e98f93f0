package bench

import (
	"fmt"
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// BenchmarkCreate creates streams, durably: over HTTP beside fasthttp giving
// the same answer, and in the engine alone.
func BenchmarkCreate(b *testing.B) {
	b.Run(fmt.Sprintf("via=http/conns=%d", *conns), func(b *testing.B) {
		ours := newLoad(b, "server", startChild(b, role{Dir: b.TempDir()}), createRequest(), *conns)
		floor := floorLoad(b, ours)
		syncs := newSyncFloor(b, b.TempDir())
		for b.Loop() {
			takeTurns(b, syncs, ours, floor)
		}
		report(b, ours, floor)
		syncs.report(b)
	})
	b.Run("via=engine/producers=64", func(b *testing.B) {
		benchEngine(b, 64, 0, func(e *engine.Engine, i int) error {
			r := createOf(i)
			return settle(func() engine.Ticket { return e.Create(r) }, stream.Created)
		})
	})
}
