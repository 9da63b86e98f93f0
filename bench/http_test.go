package bench

import (
	"fmt"
	"testing"
)

// appendBytes is the body of the appends, readBytes of what is read.
const (
	appendBytes = 256
	readBytes   = 1024

	// readRatioMin is how reads of what is in memory compare with the floor.
	readRatioMin = 0.85
)

// Bounds of T1, by connections, and T2. They are for -bench.pairs=5
// -bench.pairtime=10s.
const (
	cpuRatio64   = 0.75
	cpuRatio256  = 0.95
	rateOf100    = 0.85
	fewForRatios = 64
)

// BenchmarkHTTPAppend appends over HTTP. cpu-ratio compares with fasthttp
// giving the same answers and storing nothing; with many streams, cpu-of-100
// and rate-of-100 compare with a server of 100 streams that takes turns too.
func BenchmarkHTTPAppend(b *testing.B) {
	b.Run(fmt.Sprintf("conns=%d/streams=100", *conns), func(b *testing.B) {
		few := appendLoad(b, 100)
		floor := floorLoad(b, few)
		syncs := newSyncFloor(b, b.TempDir())
		begin(b, few.server, "100")
		for b.Loop() {
			takeTurns(b, syncs, few, floor)
		}
		end(b, few.server)
		report(b, few, floor)
		syncs.report(b)
		if bound := cpuRatio64; *conns >= fewForRatios {
			if *conns >= 4*fewForRatios {
				bound = cpuRatio256
			}
			checkAtLeast(b, "appends per server CPU-second, per answers of the floor", few.over(floor, (*run).perCPU), bound)
		}
	})
	b.Run(fmt.Sprintf("conns=%d/streams=100000", *conns), func(b *testing.B) {
		many, few := appendLoad(b, 100_000), appendLoad(b, 100)
		floor := floorLoad(b, few)
		syncs := newSyncFloor(b, b.TempDir())
		begin(b, many.server, "100000")
		for b.Loop() {
			takeTurns(b, syncs, many, few, floor)
		}
		end(b, many.server)
		report(b, many, floor)
		syncs.report(b)
		b.ReportMetric(many.over(few, (*run).perCPU), "cpu-of-100")
		b.ReportMetric(many.over(few, (*run).rate), "rate-of-100")
		checkAtLeast(b, "rate of appends to many streams, per that to 100", many.over(few, (*run).rate), rateOf100)
	})
}

func appendLoad(b *testing.B, streams int) *load {
	b.Helper()
	return newLoad(b, fmt.Sprintf("%d streams", streams), startServer(b, streams, 0), appendRequest(streams, appendBytes), *conns)
}

func floorLoad(b *testing.B, ours *load) *load {
	b.Helper()
	return newLoad(b, "floor", startFloor(b, ours.server, ours.template), ours.template, *conns)
}

// loneBound is how fast one client is served by an event loop, at least, compared
// with a goroutine of its own.
const loneBound = 0.9

// BenchmarkLoneAppend appends by one client, one append after the other, to a
// server with event loops and to one without, in turns. The bound is for
// -bench.pairs=5 -bench.pairtime=10s.
func BenchmarkLoneAppend(b *testing.B) {
	start := func(name string, portable bool) *load {
		server := startChild(b, role{Dir: b.TempDir(), Portable: portable})
		server.do(b, order{Populate: 100})
		return newLoad(b, name, server, appendRequest(100, appendBytes), 1)
	}
	loops, portable := start("loops", false), start("portable", true)
	syncs := newSyncFloor(b, b.TempDir())
	for b.Loop() {
		takeTurns(b, syncs, loops, portable)
	}
	report(b, loops, nil)
	rate := loops.over(portable, (*run).rate)
	b.ReportMetric(portable.median((*run).rate), "portable-ops/s")
	b.ReportMetric(portable.median((*run).perCPU), "portable-ops/cpu-s")
	b.ReportMetric(rate, "rate-of-portable")
	syncs.report(b)
	checkAtLeast(b, "appends of one client by a loop, per those by a goroutine", rate, loneBound)
}

// BenchmarkReadHot reads 1 KiB from memory over HTTP, beside fasthttp that has
// the same bytes and headers at hand. T4 is about
// -bench.pairs=5 -bench.pairtime=10s.
func BenchmarkReadHot(b *testing.B) {
	const streams = 100
	b.Run(fmt.Sprintf("conns=%d/size=%d", *conns, readBytes), func(b *testing.B) {
		ours := newLoad(b, "server", startServer(b, streams, readBytes), readRequest(streams), *conns)
		floor := floorLoad(b, ours)
		for b.Loop() {
			takeTurns(b, nil, ours, floor)
		}
		report(b, ours, floor)
		checkAtLeast(b, "reads per CPU-second beside the floor", ours.over(floor, (*run).perCPU), readRatioMin)
	})
}
