package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
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

// TestSameSeedSameCrashes runs whole simulations twice, with their flushes,
// merges, removals, faults and crashes: every I/O operation and every byte that
// is left has to be the same.
func TestSameSeedSameCrashes(t *testing.T) {
	first := firstSeed(t)
	var all tally
	lines := 0
	for i := range uint64(8) {
		run := func() (traces []string, left map[string][]byte) {
			r := newCrashes(first+i, &all)
			r.ended = func(f *faultfs.FS) { traces = append(traces, f.TraceString()) }
			if err := r.generations(); err != nil {
				t.Fatalf("-engine.seed=%d: %v", first+i, err)
			}
			return traces, r.disk.Snapshot()
		}
		a, aLeft := run()
		b, bLeft := run()
		if !slices.Equal(a, b) {
			t.Fatalf("-engine.seed=%d: two runs did different I/O, %d and %d lives", first+i, len(a), len(b))
		}
		if !maps.EqualFunc(aLeft, bLeft, slices.Equal) {
			t.Fatalf("-engine.seed=%d: two runs left different files", first+i)
		}
		for _, trace := range a {
			lines += len(trace)
		}
	}
	if all.flushes.Load() == 0 || all.merges.Load() == 0 || all.removed.Load() == 0 {
		t.Errorf("the runs did not flush, merge and remove: %v", &all)
	}
	t.Logf("%d bytes of traces twice: %v", lines, &all)
}
