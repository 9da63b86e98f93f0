package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var idleReaders = flag.Int("bench.idle-readers", 2000, "readers of BenchmarkPostBesideIdle")

// besideStreams are written, and as many others are read by idle readers.
const besideStreams = 100

// Bounds for appends beside readers that have nothing to read, and beside one
// reader for each stream: compared with a server that has no readers.
const (
	idleCPUBound  = 1.05 // server CPU for each append
	idleP99Times  = 1.5
	idleP99Bound  = 2 * time.Millisecond // more
	readersPerCPU = 0.85                 // appends per server CPU-second, at least
	readersP99    = 100 * time.Millisecond
)

// besideLoads are the same appends to a server that will have so many readers
// and to one without any.
func besideLoads(b *testing.B, streams, readers int) (with, without *load) {
	b.Helper()
	start := func(name string) *load {
		return newLoad(b, name, startLive(b, streams, readers), messageRequest(besideStreams), *conns)
	}
	return start("with readers"), start("without readers")
}

// BenchmarkPostBesideIdle appends to a server with thousands of SSE readers on
// other streams, and to one with none, in turns. T8 is about
//
//	-bench.idle-readers=10000 -bench.pairs=5 -bench.pairtime=10s
func BenchmarkPostBesideIdle(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/readers=%d", *conns, *idleReaders), func(b *testing.B) {
		with, without := besideLoads(b, 2*besideStreams, *idleReaders)
		audience := startAudience(b)
		audience.connect(b, with.server, readersOrder{
			Kind: readSSE, Readers: *idleReaders, First: besideStreams, Streams: besideStreams,
		})
		syncs := newSyncFloor(b, b.TempDir())
		begin(b, with.server, "beside-idle")
		for b.Loop() {
			takeTurns(b, syncs, with, without)
		}
		end(b, with.server)
		if s := audience.watch(b, audienceOrder{}); s.Begun-s.Finished-s.Broken != *idleReaders || s.Messages > 0 {
			b.Fatalf("bench: the readers were not idle: %+v", s)
		}
		report(b, with, nil)
		cpu, p99 := without.over(with, (*run).perCPU), with.over(without, (*run).p99)
		more := with.less(without, (*run).p99)
		b.ReportMetric(without.median((*run).perCPU), "alone-ops/cpu-s")
		b.ReportMetric(cpu, "cpu-of-alone")
		b.ReportMetric(p99, "p99-of-alone")
		b.ReportMetric(more, "p99-more-us")
		syncs.report(b)
		checkBound(b, "server CPU of an append beside idle readers, per that without", cpu, idleCPUBound)
		checkBound(b, "p99 beside idle readers, per that without", p99, idleP99Times)
		checkBound(b, "p99 beside idle readers, more than without, in microseconds", more, micros(idleP99Bound))
	})
}

// BenchmarkWritersWithReaders appends as fast as it can to a server with a
// reader on each stream, and to one without readers, in turns. The bounds are
// for -bench.pairs=5 -bench.pairtime=10s.
func BenchmarkWritersWithReaders(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/readers=%d", *conns, besideStreams), func(b *testing.B) {
		with, without := besideLoads(b, besideStreams, besideStreams)
		with.audience = startAudience(b)
		with.audience.connect(b, with.server, readersOrder{Kind: readSSE, Readers: besideStreams, Streams: besideStreams})
		syncs := newSyncFloor(b, b.TempDir())
		begin(b, with.server, "with-readers")
		for b.Loop() {
			takeTurns(b, syncs, with, without)
		}
		end(b, with.server)
		report(b, with, nil)
		perCPU := with.over(without, (*run).perCPU)
		p99 := with.median(func(r *run) float64 { return micros(r.seen.P99) })
		b.ReportMetric(without.median((*run).perCPU), "alone-ops/cpu-s")
		b.ReportMetric(without.median((*run).p99), "alone-p99-us")
		b.ReportMetric(perCPU, "ops/cpu-of-alone")
		b.ReportMetric(with.over(without, (*run).rate), "rate-of-alone")
		b.ReportMetric(with.median(func(r *run) float64 { return micros(r.seen.P50) }), "delivery-p50-us")
		b.ReportMetric(p99, "delivery-p99-us")
		b.ReportMetric(with.median(func(r *run) float64 {
			return float64(r.seen.Messages) / float64(r.seen.Events)
		}), "messages/event")
		syncs.report(b)
		if ended := with.runs[len(with.runs)-1].seen; ended.Finished+ended.Broken > 0 {
			b.Fatalf("bench: %d readers were dropped", ended.Finished+ended.Broken)
		}
		checkAtLeast(b, "appends per server CPU-second with readers, per those without", perCPU, readersPerCPU)
		checkBound(b, "delivery p99 in microseconds", p99, micros(readersP99))
	})
}
