package bench

import (
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
)

// Bounds for appends to a store whose bucket fails, beside one that is all on the
// disk: one of the two has to hold.
const (
	failingP99Times = 1.25
	failingP99More  = 2 * time.Millisecond
)

// failingDrain is how long it may take until the bucket has everything after it
// has come to its senses.
const failingDrain = time.Minute

// The stores of BenchmarkTierFailing flush, merge, send, publish, evict and
// delete all the time: everything is small, and nothing is kept for long.
const (
	failingLocal   = 64 << 20
	failingSend    = 1 << 20
	failingPublish = 2 * time.Second
)

var failingOptions = storeOptions{MemoryBytes: 512 << 20, FlushBytes: 2 << 20, SegmentBytes: 4 << 20}

// BenchmarkTierFailing appends, at a pace, to a store whose bucket fails half of
// all requests, to one whose bucket does not, and to one without a bucket, in
// turns, of which each has -bench.tiertime in all. Then the bucket is healed: it
// has to get everything, to lose what it need not have, and all has to read back
// as it was written.
func BenchmarkTierFailing(b *testing.B) {
	s3 := s3test.Start(b)
	tier := func(seed uint64) *tierRole {
		return &tierRole{Endpoint: s3.Endpoint, LocalBytes: failingLocal, SendBytes: failingSend, PublishEvery: failingPublish, Grace: -1, Seed: seed}
	}
	failing := newTierLoad(b, "failing", startTierStore(b, failingOptions, tier(firstSeed()|1)), *tierRate)
	healthy := newTierLoad(b, "healthy", startTierStore(b, failingOptions, tier(0)), *tierRate)
	none := newTierLoad(b, "none", startTierStore(b, failingOptions, nil), *tierRate)
	syncs := newSyncFloor(b, b.TempDir())
	sick, well := true, false
	failing.server.do(b, order{Misbehave: &sick})
	before := failing.server.do(b, order{})
	lookout := lookAfter(failing.store)
	heap := map[*tierLoad]uint64{}
	for b.Loop() {
		takeTierTurns(b, syncs, *tierTime, func(l *tierLoad) { heap[l] = max(heap[l], l.server.do(b, order{}).HeapInUse) }, failing, healthy, none)
	}
	lookout.end(b)
	during := failing.server.do(b, order{})
	failing.server.do(b, order{Misbehave: &well})
	drained := failing.store.drain(b, failingDrain)
	healthy.store.drain(b, failingDrain)
	for _, l := range []*tierLoad{failing, healthy, none} {
		l.compare(b)
		if s := l.server.do(b, order{}); s.Engine.Damage > 0 {
			b.Errorf("bench: %d reads of %s met bytes that do not verify", s.Engine.Damage, l.name)
		}
		l.server.end(b)
		if l.store.role.Tier != nil {
			l.store.audited(b)
		}
	}

	report(b, &failing.load, nil)
	p99 := (*run).p99
	times, more := failing.over(&none.load, p99), failing.less(&none.load, p99)
	asked := during.Bucket.since(before.Bucket)
	for _, l := range []*tierLoad{failing, healthy, none} {
		b.ReportMetric(l.median(p99), l.name+"-p99-us")
		b.ReportMetric(float64(heap[l])/(1<<20), l.name+"-heap-MiB")
	}
	b.ReportMetric(times, "p99-of-none")
	b.ReportMetric(more, "p99-more-us")
	b.ReportMetric(healthy.over(&none.load, p99), "healthy-p99-of-none")
	b.ReportMetric(failing.over(&none.load, (*run).rate), "rate-of-none")
	b.ReportMetric(float64(lookout.waiting), "waiting-max")
	b.ReportMetric(mebi(lookout.waitingBytes), "waiting-max-MiB")
	b.ReportMetric(float64(lookout.segments), "segments-max")
	b.ReportMetric(mebi(lookout.disk), "disk-max-MiB")
	b.ReportMetric(float64(asked.all()), "requests")
	b.ReportMetric(float64(asked.Failed)/float64(asked.all()), "failed/request")
	b.ReportMetric(float64(asked.of(objstore.OpPut, aboutSegment)), "segment-puts")
	b.ReportMetric(drained.Seconds(), "drain-s")
	syncs.report(b)
	if more > micros(failingP99More) {
		checkBound(b, "p99 beside a bucket that fails, per that without one", times, failingP99Times)
	}
}
