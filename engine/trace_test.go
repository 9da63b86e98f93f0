package engine

import (
	"math/rand/v2"
	"testing"

	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// traceOf runs a workload and returns every I/O operation it did.
func traceOf(t *testing.T, seed uint64) string {
	t.Helper()
	faults := faultfs.New(memfs.New())
	manualRun(t, manualOptions(faults, newFakeClock(), rand.New(rand.NewPCG(seed, 8))), seed)
	return faults.TraceString()
}
