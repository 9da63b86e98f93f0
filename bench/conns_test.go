package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	connsLow  = flag.Int("bench.conns-low", 1000, "connections that are there when BenchmarkIdleConnections measures first")
	connsHigh = flag.Int("bench.conns-high", 3000, "and when it measures again")
)

// idleConns is what idle connections cost.
type idleConns struct {
	resident float64 // bytes for each of those that came between the measurements
	heap     float64 // the same in heap in use
	all      int64   // resident, with all of them
}

// measureIdleConns connects idle clients of a kind to a server, which have some
// streams among them.
func measureIdleConns(tb testing.TB, kind readerKind, low, high int) idleConns {
	tb.Helper()
	const streams = 100
	server := startLive(tb, streams, high)
	p := publish(tb, server, streams)
	for i := range streams {
		if err := p.append(i, 1); err != nil {
			tb.Fatal(err)
		}
	}
	audience := startAudience(tb)
	connect := func(n int) (state, int64) {
		audience.connect(tb, server, readersOrder{Kind: kind, Readers: n, Streams: streams})
		return settled(tb, server)
	}
	before, residentBefore := connect(low)
	after, residentAfter := connect(high - low)
	if s := audience.watch(tb, audienceOrder{}); s.Finished+s.Broken > 0 {
		tb.Fatalf("bench: %d idle connections have ended", s.Finished+s.Broken)
	}
	audience.end(tb)
	server.end(tb)
	more := float64(high - low)
	return idleConns{
		resident: float64(residentAfter-residentBefore) / more,
		heap:     (float64(after.HeapInUse) - float64(before.HeapInUse)) / more,
		all:      residentAfter,
	}
}

// settled collects garbage until that does not make the process smaller: what
// began the connections goes away bit by bit.
func settled(tb testing.TB, c *child) (s state, least int64) {
	tb.Helper()
	for i := 0; i < 5; {
		s = c.do(tb, order{Collect: true})
		if now := residentOf(c.cmd.Process.Pid).now; least == 0 || now < least {
			least, i = now, 0
			continue
		}
		i++
		time.Sleep(100 * time.Millisecond)
	}
	return s, least
}

// BenchmarkIdleConnections measures what each connection adds to the resident
// memory of the server once garbage is collected, between two numbers of them:
// SSE readers after their first event, long-polls that wait, and connections
// after a small answer. T6 is about
//
//	-bench.conns-low=5000 -bench.conns-high=15000
func BenchmarkIdleConnections(b *testing.B) {
	for _, c := range []struct {
		kind  readerKind
		bound float64
	}{{readSSE, 400}, {readLongPoll, 600}, {readOnce, 600}} {
		b.Run(fmt.Sprintf("kind=%s/conns=%d", c.kind, *connsHigh), func(b *testing.B) {
			var got idleConns
			for b.Loop() {
				got = measureIdleConns(b, c.kind, *connsLow, *connsHigh)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(got.resident, "B/conn")
			b.ReportMetric(c.bound, "bound-B/conn")
			b.ReportMetric(got.heap, "heap-B/conn")
			b.ReportMetric(mebi(got.all), "resident-MiB")
			checkBound(b, "resident bytes per connection", got.resident, c.bound)
		})
	}
}
