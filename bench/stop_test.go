package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var stopReaders = flag.Int("bench.stop-readers", 3000, "readers of BenchmarkStop")

const (
	stopBound   = 5 * time.Second
	stopStreams = 100
)

// stopOnce stops a server as the command does on SIGTERM, with readers that
// have all there is, and returns how long its process took to end.
func stopOnce(tb testing.TB, readers int) (took time.Duration, s audienceState) {
	tb.Helper()
	server, audience := startLive(tb, stopStreams, readers), startAudience(tb)
	p := publish(tb, server, stopStreams)
	audience.connect(tb, server, readersOrder{Kind: readSSE, Readers: readers, Streams: stopStreams})
	for i := range stopStreams {
		if err := p.append(i, 1); err != nil {
			tb.Fatal(err)
		}
	}
	audience.await(tb, p.sent)
	at := time.Now()
	server.end(tb)
	took = time.Since(at)
	s = audience.watch(tb, audienceOrder{Ends: true})
	audience.end(tb)
	return took, s
}

// BenchmarkStop stops a server that has thousands of live readers: each is to
// see the end of its response, and the process is to end soon. The bound is for
// -bench.stop-readers=15000.
func BenchmarkStop(b *testing.B) {
	b.Run(fmt.Sprintf("readers=%d", *stopReaders), func(b *testing.B) {
		var took []time.Duration
		var broken, lost int
		for b.Loop() {
			one, s := stopOnce(b, *stopReaders)
			took = append(took, one)
			broken += s.Broken
			lost += *stopReaders - s.Finished - s.Broken
		}
		stop := median(took)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(stop.Seconds(), "stop-s")
		b.ReportMetric(float64(broken), "broken")
		b.ReportMetric(float64(lost), "not-ended")
		checkBound(b, "seconds until the process ended", stop.Seconds(), stopBound.Seconds())
		checkBound(b, "responses that broke off", float64(broken), 0)
		checkBound(b, "readers that were not told of the end", float64(lost), 0)
	})
}
