package bench

import (
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
)

// sendCPUBound is how many appends a CPU-second of the server has to do with a
// bucket, for each that it does without one.
const sendCPUBound = 0.9

// Sizes of BenchmarkTierSend: those of a small store. A segment is sent when the
// first merge has made it, and what further merges make of it is sent again.
const (
	sendLocal = 1 << 30
	sendBytes = 8 << 20
	sendWait  = time.Minute
)

var sendOptions = storeOptions{MemoryBytes: 512 << 20, FlushBytes: 4 << 20, SegmentBytes: 32 << 20}

// BenchmarkTierSend appends as fast as it goes to a store that sends its segments
// to a bucket and to one without, in turns. What the appends of a turn cost in
// the background belongs to it: its end is when everything is flushed, and merged
// and sent as far as that is due.
func BenchmarkTierSend(b *testing.B) {
	s3 := s3test.Start(b)
	tier := &tierRole{Endpoint: s3.Endpoint, LocalBytes: sendLocal, SendBytes: sendBytes}
	with := newTierLoad(b, "with", startTierStore(b, sendOptions, tier), 0)
	without := newTierLoad(b, "without", startTierStore(b, sendOptions, nil), 0)
	syncs := newSyncFloor(b, b.TempDir())
	settle := func(l *tierLoad) {
		l.server.do(b, order{Flush: true})
		l.store.await(b, "nothing is to be merged or sent", sendWait, func(st standing) bool {
			return st.acts == 0 && (st.due == 0 || l == without)
		})
	}
	begin(b, with.server, "tier-send")
	before := with.server.do(b, order{})
	for b.Loop() {
		takeTierTurns(b, syncs, time.Duration(*pairs)**pairTime, settle, with, without)
	}
	sent := with.server.do(b, order{}).Bucket.since(before.Bucket)
	end(b, with.server)
	with.compare(b)
	without.compare(b)

	report(b, &with.load, nil)
	ratio := with.over(&without.load, (*run).perCPU)
	b.ReportMetric(without.median((*run).perCPU), "without-ops/cpu-s")
	b.ReportMetric(ratio, "cpu-of-without")
	b.ReportMetric(with.over(&without.load, (*run).rate), "rate-of-without")
	b.ReportMetric(with.over(&without.load, (*run).p99), "p99-of-without")
	b.ReportMetric(float64(sent.of(objstore.OpPut, aboutSegment)), "segment-puts")
	b.ReportMetric(mebi(sent.Up), "sent-MiB")
	syncs.report(b)
	if ratio < sendCPUBound {
		b.Logf("appends per server CPU with a bucket, per those without: %.3f, wanted are %.2f", ratio, sendCPUBound)
	}
}
