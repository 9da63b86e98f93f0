package bench

import (
	"sync"
	"testing"
)

// Idle streams: so many, with one append of so many bytes each.
const (
	idleStreams    = 100_000
	idleBytes      = 32
	idleBytesBound = 600
)

// idle is what idle streams cost.
type idle struct {
	perStream   float64 // bytes of heap in use, payload not counted
	descriptors int     // more than an empty store has
}

// measureIdle fills a store in a process of its own, where nothing else uses
// memory. Streams occupy heap only: no file is mapped.
func measureIdle(tb testing.TB) idle {
	tb.Helper()
	c := startChild(tb, role{Dir: tb.TempDir()})
	empty := c.do(tb, order{Collect: true})
	c.do(tb, order{Populate: idleStreams, Size: idleBytes})
	full := c.do(tb, order{Collect: true})
	return idle{
		perStream:   (float64(full.HeapInUse)-float64(empty.HeapInUse))/idleStreams - idleBytes,
		descriptors: full.Descriptors - empty.Descriptors,
	}
}

// idleCost is measured once for the tests: filling the store takes longest.
var idleCost struct {
	sync.Once
	idle
}

func idleCostOnce(t *testing.T) idle {
	t.Helper()
	idleCost.Do(func() { idleCost.idle = measureIdle(t) })
	if idleCost.perStream == 0 {
		t.Fatal("the measurement failed before")
	}
	return idleCost.idle
}

// TestIdleStreamBytes holds the engine to its bound for memory.
func TestIdleStreamBytes(t *testing.T) {
	got := idleCostOnce(t)
	t.Logf("%.0f bytes per idle stream", got.perStream)
	if got.perStream > idleBytesBound {
		t.Errorf("an idle stream takes %.0f bytes, the bound is %d", got.perStream, idleBytesBound)
	}
	if got.perStream < 100 {
		t.Errorf("%.0f bytes per stream is less than a stream can take: the measurement is broken", got.perStream)
	}
}

// TestNoFileDescriptorPerStream allows for the few descriptors of the store
// itself, such as the next log file, but for none that comes with streams.
func TestNoFileDescriptorPerStream(t *testing.T) {
	const slack = 8
	if got := idleCostOnce(t); got.descriptors > slack {
		t.Errorf("%d streams came with %d descriptors", idleStreams, got.descriptors)
	}
}

// BenchmarkIdleStreamBytes prints what the tests bound.
func BenchmarkIdleStreamBytes(b *testing.B) {
	b.Run("streams=100000", func(b *testing.B) {
		var got idle
		for b.Loop() {
			got = measureIdle(b)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(got.perStream, "B/stream")
		b.ReportMetric(idleBytesBound, "bound-B/stream")
		b.ReportMetric(float64(got.descriptors)/idleStreams, "fds/stream")
	})
}
