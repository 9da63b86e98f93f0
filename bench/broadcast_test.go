package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var broadcastReaders = flag.Int("bench.broadcast-readers", 2000, "readers of BenchmarkBroadcast")

const (
	// stalledShare of the readers never read anything.
	stalledShare = 100

	// What fills the sockets of stalled readers: in large appends, before the
	// others come.
	stallAppends  = 32
	stallMessages = 64

	broadcastEncodesBound = 2 // of each append, on average
)

// broadcastRates are the rates at which one stream with all readers is written,
// with the bounds for each.
var broadcastRates = []struct {
	perSecond     int
	postBound     time.Duration // p99
	deliveryBound time.Duration // of the slowest reader that reads; 0: none
}{
	{1, 5 * time.Millisecond, 250 * time.Millisecond},
	{20, 20 * time.Millisecond, 0},
}

// newBroadcast connects readers to one stream: first those that stall, who are
// sent more than their sockets hold.
func newBroadcast(tb testing.TB, readers int) (server, audience *child, p *publisher) {
	tb.Helper()
	server, audience = startLive(tb, 1, readers), startAudience(tb)
	p = publish(tb, server, 1)
	stalled := readers / stalledShare
	audience.connect(tb, server, readersOrder{Kind: readSSE, Readers: stalled, Streams: 1, Stalled: true})
	for range stallAppends {
		if err := p.append(0, stallMessages); err != nil {
			tb.Fatal(err)
		}
	}
	audience.connect(tb, server, readersOrder{
		Kind: readSSE, Readers: readers - stalled, Streams: 1, Now: true, Before: p.sent[0],
	})
	return server, audience, p
}

// BenchmarkBroadcast appends to one stream that thousands follow, one in a
// hundred of whom does not read: how long appends and deliveries take at a rate
// that all can follow and at one where events have to be coalesced, whether a
// reader that reads is dropped, and how often an event is put together. The
// bounds are for
//
//	-bench.broadcast-readers=10000 -bench.pairs=5 -bench.pairtime=30s
//
// which is one run of 150 s at each rate: long enough for those that stall to be
// given up meanwhile, and for a p99 at the lower rate that is not the maximum.
func BenchmarkBroadcast(b *testing.B) {
	for _, c := range broadcastRates {
		b.Run(fmt.Sprintf("readers=%d/appends=%d", *broadcastReaders, c.perSecond), func(b *testing.B) {
			server, audience, p := newBroadcast(b, *broadcastReaders)
			var d delivery
			var first, last state
			begin(b, server, fmt.Sprintf("broadcast-%d", c.perSecond))
			for b.Loop() {
				first = server.do(b, order{})
				d = deliver(b, server, audience, p, c.perSecond, time.Duration(*pairs)**pairTime)
				last = server.do(b, order{})
			}
			end(b, server)
			dropped := d.Finished + d.Broken
			post := micros(d.post[len(d.post)*99/100])
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(micros(d.post[len(d.post)/2]), "post-p50-us")
			b.ReportMetric(post, "post-p99-us")
			b.ReportMetric(micros(d.P50), "delivery-p50-us")
			b.ReportMetric(micros(d.P99), "delivery-p99-us")
			b.ReportMetric(micros(d.Max), "delivery-max-us")
			b.ReportMetric(d.perCPU(), "deliveries/cpu-s")
			b.ReportMetric(d.messagesPerEvent(), "messages/event")
			b.ReportMetric(float64(dropped), "dropped")
			b.ReportMetric(float64(int(last.LiveReaders)-(d.Begun-dropped)), "stalled-left")
			checkBound(b, "POST p99 in microseconds", post, micros(c.postBound))
			checkBound(b, "readers that read and were dropped", float64(dropped), 0)
			if c.deliveryBound > 0 {
				checkBound(b, "microseconds until the last reader has a message", micros(d.Max), micros(c.deliveryBound))
			}
			if last.FramesSent > 0 {
				encodes := float64(last.FramesEncoded-first.FramesEncoded) / float64(len(d.post))
				b.ReportMetric(encodes, "encodes/append")
				checkBound(b, "encodes of an append", encodes, broadcastEncodesBound)
			}
		})
	}
}
