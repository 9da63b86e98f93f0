package bench

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

var fanOutReaders = flag.Int("bench.fanout-readers", 1000, "readers of BenchmarkFanOut")

// Bounds for a thousand readers of one stream.
const (
	fanOutRate      = 20 // appends a second
	fanOutP99Bound  = 20 * time.Millisecond
	fanOutPerCPUMin = 90_000
)

// delivery is what it took to get messages to all readers.
type delivery struct {
	audienceState
	cpu  time.Duration   // of the server
	post []time.Duration // of each append, sorted
}

// perCPU is how many messages were delivered per CPU-second of the server.
func (d *delivery) perCPU() float64 { return float64(d.Messages) / d.cpu.Seconds() }

// deliver appends at a pace and waits until every reader has everything.
func deliver(tb testing.TB, server, audience *child, p *publisher, perSecond int, d time.Duration) delivery {
	tb.Helper()
	audience.await(tb, p.sent)
	audience.watch(tb, audienceOrder{Forget: true})
	before := server.do(tb, order{})
	post, err := p.pace(perSecond, d)
	if err != nil {
		tb.Fatal(err)
	}
	s := audience.await(tb, p.sent)
	cpu := server.do(tb, order{}).CPU - before.CPU
	slices.Sort(post)
	return delivery{audienceState: s, cpu: cpu, post: post}
}

// BenchmarkFanOut appends 20 messages a second to one stream that a thousand
// SSE readers follow: how long until each of them has a message, from when the
// append was sent, and how many messages a CPU-second of the server delivers.
// T7 is
// about -bench.pairs=5 -bench.pairtime=10s.
func BenchmarkFanOut(b *testing.B) {
	b.Run(fmt.Sprintf("readers=%d/appends=%d", *fanOutReaders, fanOutRate), func(b *testing.B) {
		server, audience := startLive(b, 1, *fanOutReaders), startAudience(b)
		p := publish(b, server, 1)
		audience.connect(b, server, readersOrder{Kind: readSSE, Readers: *fanOutReaders, Streams: 1})
		deliver(b, server, audience, p, fanOutRate, *pairTime/10)
		var all []delivery
		begin(b, server, "fan-out")
		for b.Loop() {
			for range *pairs {
				all = append(all, deliver(b, server, audience, p, fanOutRate, *pairTime))
			}
		}
		end(b, server)
		last := all[len(all)-1]
		if last.Finished+last.Broken > 0 {
			b.Fatalf("bench: %d readers were dropped", last.Finished+last.Broken)
		}
		p99 := medianOf(all, func(d *delivery) float64 { return micros(d.P99) })
		perCPU := medianOf(all, (*delivery).perCPU)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(medianOf(all, func(d *delivery) float64 { return micros(d.P50) }), "delivery-p50-us")
		b.ReportMetric(p99, "delivery-p99-us")
		b.ReportMetric(medianOf(all, func(d *delivery) float64 { return micros(d.Max) }), "delivery-max-us")
		b.ReportMetric(perCPU, "deliveries/cpu-s")
		b.ReportMetric(medianOf(all, (*delivery).messagesPerEvent), "messages/event")
		checkBound(b, "delivery p99 in microseconds", p99, micros(fanOutP99Bound))
		checkAtLeast(b, "deliveries per CPU-second", perCPU, fanOutPerCPUMin)
	})
}

// messagesPerEvent is 1 unless events are coalesced.
func (d *delivery) messagesPerEvent() float64 { return float64(d.Messages) / float64(d.Events) }

func medianOf(all []delivery, figure func(*delivery) float64) float64 {
	var values []float64
	for i := range all {
		values = append(values, figure(&all[i]))
	}
	return median(values)
}
