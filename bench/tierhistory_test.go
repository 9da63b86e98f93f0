package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
)

var (
	tierBytes   = flag.Int64("bench.tier-bytes", 64<<20, "raw bytes of BenchmarkTierHistory")
	tierPublish = flag.Duration("bench.tier-publish", 5*time.Second, "how often its store publishes a state")
)

// historyShare is how much more raw bytes there are than the disk may have of
// them: 5 GiB with 256 MiB.
const historyShare = 20

// What may be on the disk, and is no part of the budget: the segment of a flush
// that is under way and the one that was made meanwhile, and of each segment that
// left the disk its index.
const (
	slackFlushes  = 2
	slackEndShare = 50 // of the stored bytes, as one part in so many
)

const (
	historyConns = 64
	historyReads = 200         // from the bucket
	historyDrain = time.Minute // and what it takes to publish
)

// tierHistory is what a history cost that is mostly in a bucket.
type tierHistory struct {
	*history
	*tierStore
	local, flush int64
	raw          int64
	stored       int64
	objects      int
	in, drained  time.Duration
	most         *lookout // while it was written
	reading      *lookout // and while it was read
	sent         requests // until it was all there
	first        firstBytes
	all          requests // of reading everything once
	out          time.Duration
	ratio, slope float64 // of resident memory, second half of reading
}

// measureHistory writes a history, and reads it from the bucket.
func measureHistory(tb testing.TB, endpoint string, bytes int64) *tierHistory {
	tb.Helper()
	m := &tierHistory{history: newHistory(firstSeed(), bytes, historyKinds...), local: max(16<<20, bytes/historyShare)}
	m.flush = max(1<<20, m.local/32)
	m.tierStore = startTierStore(tb, historyOptions(), &tierRole{
		Endpoint: endpoint, LocalBytes: m.local, PublishEvery: *tierPublish, Grace: -1,
	})
	m.do(tb, order{Populate: len(m.streams)})

	begin(tb, m.child, "tier-history-in")
	at := time.Now()
	m.most = lookAfter(m.tierStore)
	if err := m.write(m.addr, historyConns); err != nil {
		tb.Fatal(err)
	}
	m.in = time.Since(at)
	end(tb, m.child)
	m.drained = m.drain(tb, historyDrain+2**tierPublish)
	m.most.end(tb)
	m.raw, m.sent = m.bytes.Load(), m.do(tb, order{}).Bucket
	m.end(tb)
	m.objects = m.audited(tb).Objects
	m.empty(tb)
	m.stored = m.standing(tb).bytes

	m.reading = lookAfter(m.tierStore)
	defer m.reading.end(tb)
	m.first = m.readCold(tb, historyReads)
	before := m.do(tb, order{}).Bucket
	w := watchChild(m.child, func() int64 { return time.Since(at).Milliseconds() })
	begin(tb, m.child, "tier-history-out")
	at = time.Now()
	if err := m.compare(m.addr, historyConns); err != nil {
		tb.Fatal(err)
	}
	m.out = time.Since(at)
	m.ratio, m.slope = w.end()
	end(tb, m.child)
	after := m.do(tb, order{})
	if m.all = after.Bucket.since(before); after.Engine.Damage > 0 {
		tb.Errorf("bench: %d reads met bytes that do not verify", after.Engine.Damage)
	}
	return m
}

// historyOptions have little memory, so that what is read comes from files: the
// stream that is replayed is many times what is kept of it decoded.
func historyOptions() storeOptions {
	return storeOptions{MemoryBytes: 512 << 20, BlockCacheBytes: max(4<<20, *tierBytes/320)}
}

func (m *tierHistory) standing(tb testing.TB) standing {
	tb.Helper()
	state, err := manifestOf(m.dir)
	if err != nil {
		tb.Fatal(err)
	}
	return standingOf(&state, m.sendBytes())
}

// diskBound is what segments and cache may occupy at any time.
func (m *tierHistory) diskBound() int64 {
	return m.local + m.local/4 + slackFlushes*m.flush + m.stored/slackEndShare
}

// BenchmarkTierHistory writes much more than the disk may have of it, through a
// server whose bucket is in a real S3 server, and reads everything back: some
// appends at random, all streams in order, and one long stream in turns with the
// same on the disk. -bench.tier-bytes says how much; 5 GiB is what the bounds are
// for.
func BenchmarkTierHistory(b *testing.B) {
	b.Run(fmt.Sprintf("MiB=%d", *tierBytes>>20), func(b *testing.B) {
		s3 := s3test.Start(b)
		var m *tierHistory
		var r *tierReplay
		for b.Loop() {
			m = measureHistory(b, s3.Endpoint, *tierBytes)
			r = m.replay(b)
		}
		b.ReportMetric(0, "ns/op")
		m.report(b)
		r.report(b)
		if m.most.disk > m.diskBound() {
			b.Logf("when the disk had most: %+v", m.most.worst)
		}
		checkBound(b, "MiB on the disk", mebi(max(m.most.disk, m.reading.disk)), mebi(m.diskBound()))
	})
}

func (m *tierHistory) report(b *testing.B) {
	gib := float64(m.raw) / (1 << 30)
	b.ReportMetric(mebi(m.raw)/m.in.Seconds(), "in-MiB/s")
	b.ReportMetric(m.drained.Seconds(), "drain-s")
	b.ReportMetric(float64(m.refused.Load()), "refused")
	b.ReportMetric(float64(m.stored)/float64(m.raw), "stored/raw")
	b.ReportMetric(float64(m.objects), "objects")
	b.ReportMetric(mebi(m.most.disk), "disk-max-MiB")
	b.ReportMetric(mebi(m.most.seg), "disk-max-seg-MiB")
	b.ReportMetric(mebi(m.reading.cache), "disk-max-cache-MiB")
	b.ReportMetric(mebi(m.reading.disk), "disk-max-reading-MiB")
	b.ReportMetric(mebi(m.diskBound()), "bound-disk-MiB")
	b.ReportMetric(mebi(m.most.waitingBytes), "waiting-max-MiB")

	b.ReportMetric(float64(m.sent.of(objstore.OpPut, aboutAll))/gib, "PUT/GiB")
	b.ReportMetric(float64(m.sent.of(objstore.OpHead, aboutAll))/gib, "HEAD/GiB")
	b.ReportMetric(float64(m.sent.of(objstore.OpDelete, aboutAll))/gib, "DELETE/GiB")
	puts, heads := m.sent.of(objstore.OpPut, aboutSegment), m.sent.of(objstore.OpHead, aboutSegment)
	b.ReportMetric(float64(puts)/gib, "segment-PUT/GiB")
	b.ReportMetric(float64(heads)/float64(puts), "HEAD/segment-PUT")
	b.ReportMetric(float64(m.sent.Up)/float64(m.stored), "sent/stored")
	if m.sent.Failed > 0 {
		b.ReportMetric(float64(m.sent.Failed), "failed")
	} else if puts != heads {
		b.Errorf("bench: %d puts of segments were made certain by %d other requests", puts, heads)
	}

	m.first.report(b)
	b.ReportMetric(mebi(m.raw)/m.out.Seconds(), "all-out-MiB/s")
	b.ReportMetric(float64(m.all.of(objstore.OpReadAt, aboutSegment))/gib, "all-GET/GiB")
	b.ReportMetric(float64(m.all.Down)/float64(m.stored), "all-fetched/stored")
	b.ReportMetric(m.ratio, "all-memory-second-half/first")
}
