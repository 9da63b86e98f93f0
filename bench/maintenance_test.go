package bench

import (
	"path/filepath"
	"testing"
	"time"
)

// Bounds for appends while flush and merge run, beside the same without them.
const (
	maintenanceRateBound = 0.8
	maintenanceP99Times  = 3
	maintenanceP99Bound  = 20 * time.Millisecond
)

// BenchmarkMaintenance appends to a server that flushes and merges all the time,
// because it is given little memory to wait for more, and to one that does
// neither.
func BenchmarkMaintenance(b *testing.B) {
	const streams = 1000
	start := func(o storeOptions) *load {
		c := startChild(b, role{Dir: filepath.Join(b.TempDir(), "store"), Options: o})
		c.do(b, order{JSON: streams})
		t := jsonRequest(streams, 2)
		return newLoad(b, "server", c, t, *conns)
	}
	busy := start(storeOptions{FlushBytes: 1 << 20, MergeFanIn: 4})
	calm := start(storeOptions{FrameBytesMax: 8 << 30, FlushBytes: 4 << 30})
	syncs := newSyncFloor(b, b.TempDir())
	begin(b, busy.server, "maintenance")
	first := busy.server.do(b, order{})
	for b.Loop() {
		for range *pairs {
			// What the calm one holds is flushed between turns, before so much log
			// is there that it would flush by itself.
			calm.server.do(b, order{Flush: true})
			takeTurn(b, syncs, busy, calm)
			takeTurn(b, syncs, calm, busy)
		}
	}
	last := busy.server.do(b, order{})
	end(b, busy.server)
	report(b, busy, nil)
	var took time.Duration
	for i := range busy.runs {
		took += busy.runs[i].took
	}
	rate := busy.over(calm, (*run).rate)
	p99, times := busy.median((*run).p99), busy.over(calm, (*run).p99)
	b.ReportMetric(rate, "rate-of-calm")
	b.ReportMetric(busy.over(calm, (*run).perCPU), "cpu-of-calm")
	b.ReportMetric(times, "p99-of-calm")
	b.ReportMetric(p99, "p99-turn-us")
	b.ReportMetric(calm.median((*run).p99), "calm-p99-us")
	b.ReportMetric(calm.median((*run).rate), "calm-ops/s")
	b.ReportMetric(float64(last.SegmentsMade-first.SegmentsMade)/took.Seconds(), "segments-made/s")
	b.ReportMetric(float64(last.Engine.Layers), "layers")
	syncs.report(b)
	checkAtLeast(b, "rate with maintenance, per that without", rate, maintenanceRateBound)
	checkBound(b, "p99 with maintenance, per that without", times, maintenanceP99Times)
	checkBound(b, "p99 in microseconds", p99, micros(maintenanceP99Bound))
}

// takeTurn lets the loads run once, in that order.
func takeTurn(b *testing.B, floor *syncFloor, loads ...*load) {
	b.Helper()
	for _, l := range loads {
		floor.run(b, *pairTime/20)
		l.turn(b, *pairTime)
	}
}

// p99 in microseconds.
func (r *run) p99() float64 { return micros(r.lat[len(r.lat)*99/100]) }

// jsonRequest appends so many messages to one of so many streams, in one array.
func jsonRequest(streams, messages int) template {
	s := newScript(firstSeed(), 1)
	t := newTemplate("POST", "", "Content-Type: "+jsonType+"\r\n", s.array(nil, messages), 204)
	t.streams = streams
	return t
}

// BenchmarkArrays appends arrays of 100 messages of 150 bytes, which T3 is
// about.
func BenchmarkArrays(b *testing.B) {
	const streams, messages = 100, 100
	c := startChild(b, role{Dir: filepath.Join(b.TempDir(), "store")})
	c.do(b, order{JSON: streams})
	t := jsonRequest(streams, messages)
	ours := newLoad(b, "server", c, t, *conns)
	floor := floorLoad(b, ours)
	syncs := newSyncFloor(b, b.TempDir())
	begin(b, c, "arrays")
	for b.Loop() {
		takeTurns(b, syncs, ours, floor)
	}
	end(b, c)
	report(b, ours, floor)
	b.ReportMetric(messages*ours.median((*run).rate), "messages/s")
	b.ReportMetric(messages*ours.median((*run).perCPU), "messages/cpu-s")
	syncs.report(b)
}
