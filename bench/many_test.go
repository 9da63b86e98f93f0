package bench

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/stream"
)

var (
	manyFlag   = flag.Int("bench.many", 20_000, "streams of BenchmarkManyStreams")
	manyMemory = flag.Int64("bench.many-memory", 1<<30, "memory of the store of BenchmarkManyStreams, in bytes")
)

// Each of the many streams gets so many appends of one message. They come in
// rounds, one append of every stream in each: no two neighbours in the log
// belong together.
const (
	manyAppends   = 10
	manyColdReads = 1000

	manyFrameBytes = 128 << 20
	manyCacheBytes = 64 << 20
	manyFlushBytes = 42 << 20

	// What a million streams may take: memory beside caches and frame budget,
	// and the time until they are back after a crash.
	manyMemoryBound = 350 << 20
	manyReopenBound = 5 * time.Second
)

// manyOrder appends one message to each of so many streams, and makes them
// first if it is the first round.
type manyOrder struct {
	Streams int
	Round   int
	Seed    uint64
}

// manyMessage is what stream i is sent in a round, as it is stored.
func manyMessage(b []byte, seed uint64, i, round int) []byte {
	s := newScript(seed, uint64(i*manyAppends+round))
	s.kind = i % kindsOfScript
	return append(s.message(b), ',')
}

func (o *manyOrder) obey(e *engine.Engine) error {
	if o.Round == 0 {
		if err := createJSON(e, o.Streams); err != nil {
			return err
		}
	}
	return together(o.Streams, populateTogether, func(i int) error {
		a := stream.Append{Path: streamName(i), ContentType: jsonType, Body: manyMessage(nil, o.Seed, i, o.Round)}
		return settle(func() engine.Ticket { return e.Append(&a) }, stream.Appended)
	})
}

// coldOrder reads streams that a manyOrder wrote, from the files.
type coldOrder struct {
	Streams, Reads int
	Seed           uint64
}

// coldResult is what reading one stream as a whole took.
type coldResult struct {
	ReadsMean float64 // of files
	ReadsMax  int64
	BytesMean float64
	Median    time.Duration
	P99       time.Duration
}

func (o *coldOrder) obey(e *engine.Engine, n *counts) (*coldResult, error) {
	chance := rand.New(rand.NewPCG(o.Seed, 1))
	var r coldResult
	var took []time.Duration
	var want, got []byte
	first, firstBytes := n.reads.Load(), n.readBytes.Load()
	for range o.Reads {
		i := chance.IntN(o.Streams)
		before, at := n.reads.Load(), time.Now()
		got = got[:0]
		for from := stream.Offset(0); ; {
			res, t := e.ReadCold(engine.ReadRequest{Path: streamName(i), From: from})
			if t.Code != stream.OK {
				return nil, fmt.Errorf("bench: read of %s: %v", streamName(i), t.Code)
			}
			for _, part := range res.Parts {
				got = append(got, part...)
			}
			if from = res.Next; res.UpToDate {
				break
			}
		}
		took = append(took, time.Since(at))
		r.ReadsMax = max(r.ReadsMax, n.reads.Load()-before)
		want = want[:0]
		for round := range manyAppends {
			want = manyMessage(want, o.Seed, i, round)
		}
		if !bytes.Equal(got, want) {
			return nil, fmt.Errorf("bench: %s holds\n%s\nand was sent\n%s", streamName(i), got, want)
		}
	}
	r.ReadsMean = float64(n.reads.Load()-first) / float64(o.Reads)
	r.BytesMean = float64(n.readBytes.Load()-firstBytes) / float64(o.Reads)
	slices.Sort(took)
	r.Median, r.P99 = took[len(took)/2], took[len(took)*99/100]
	return &r, nil
}

// many is what many streams cost.
type many struct {
	empty, full     state
	peak            int64 // resident
	append          time.Duration
	reopen, read    time.Duration // read: of all files, without understanding them
	reopened        resident      // by opening
	unflushed       int64         // what opening had to take from the log
	cold            coldResult
	layers          int
	coldDescriptors int
}

// measureMany fills a store, kills its process, opens it and reads some of the
// streams, with a cache that is empty.
func measureMany(tb testing.TB, n int, o storeOptions, reads int) (m many) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "store")
	seed := firstSeed()
	c := startChild(tb, role{Dir: dir, Options: o, Limited: true})
	m.empty = c.do(tb, order{Collect: true})
	begin(tb, c, "many")
	at := time.Now()
	for round := range manyAppends {
		m.full = c.do(tb, order{Many: &manyOrder{Streams: n, Round: round, Seed: seed}})
	}
	m.append = time.Since(at)
	end(tb, c)
	if *profile != "" {
		c.do(tb, order{Collect: true, Heap: *profile + "-many-heap"})
	}
	m.unflushed = m.full.Engine.FrameBytes
	m.peak = residentOf(c.cmd.Process.Pid).peak
	c.kill(tb)

	_, m.read = readAll(tb, dir)
	// Nothing goes on in a Manual engine that would read files meanwhile.
	c = startChild(tb, role{Dir: dir, Options: o, Limited: true, Manual: true})
	m.reopen, m.reopened = c.opened, residentOf(c.cmd.Process.Pid)
	s := c.do(tb, order{Cold: &coldOrder{Streams: n, Reads: reads, Seed: seed}})
	m.cold, m.layers, m.coldDescriptors = *s.Cold, s.Engine.Layers, s.Descriptors-s.Engine.Segments
	c.end(tb)
	return m
}

// manyOptions has small budgets, so that what they do not cover is seen, and as
// many flushes for few streams as there are for a million.
func manyOptions(n int) storeOptions {
	return storeOptions{
		MemoryBytes: *manyMemory, FrameBytesMax: manyFrameBytes, BlockCacheBytes: manyCacheBytes,
		FlushBytes: min(manyFlushBytes, manyFlushBytes*int64(n)/1_000_000),
	}
}

// BenchmarkManyStreams has many streams with ten small appends each. -bench.many
// says how many; a million is what the bounds are for.
func BenchmarkManyStreams(b *testing.B) {
	b.Run(fmt.Sprintf("streams=%d", *manyFlag), func(b *testing.B) {
		var m many
		for b.Loop() {
			m = measureMany(b, *manyFlag, manyOptions(*manyFlag), manyColdReads)
		}
		n := float64(*manyFlag)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(n*manyAppends/m.append.Seconds(), "appends/s")
		b.ReportMetric(mebi(m.peak), "peak-MiB")
		b.ReportMetric(mebi(m.peak-manyFrameBytes-manyCacheBytes), "peak-less-budgets-MiB")
		b.ReportMetric(m.reopen.Seconds(), "reopen-s")
		b.ReportMetric(m.read.Seconds(), "floor-read-s")
		b.ReportMetric(mebi(m.reopened.peak), "reopen-peak-MiB")
		b.ReportMetric(mebi(m.unflushed), "unflushed-MiB")
		b.ReportMetric(m.cold.ReadsMean, "reads/stream")
		b.ReportMetric(float64(m.cold.ReadsMax), "reads-max/stream")
		b.ReportMetric(m.cold.BytesMean/1024, "KiB-read/stream")
		b.ReportMetric(float64(m.layers), "layers")
		b.ReportMetric(micros(m.cold.Median), "cold-p50-us")
		b.ReportMetric(micros(m.cold.P99), "cold-p99-us")
		b.ReportMetric(float64(m.full.Descriptors-m.empty.Descriptors-m.full.Engine.Segments)/n, "fds/stream")
		checkBound(b, "peak memory beside the budgets", mebi(m.peak-manyFrameBytes-manyCacheBytes), mebi(manyMemoryBound))
		checkBound(b, "seconds to reopen", m.reopen.Seconds(), manyReopenBound.Seconds())
	})
}

// checkBound fails the benchmark under -bench.strict when a figure is beyond
// its bound.
func checkBound(b *testing.B, what string, got, bound float64) {
	b.Helper()
	if got > bound {
		outOfBound(b, what, got, bound)
	}
}

// checkAtLeast does so for a figure that is to be large.
func checkAtLeast(b *testing.B, what string, got, bound float64) {
	b.Helper()
	if got < bound {
		outOfBound(b, what, got, bound)
	}
}

func outOfBound(b *testing.B, what string, got, bound float64) {
	b.Helper()
	complain := b.Logf
	if *strict {
		complain = b.Errorf
	}
	complain("%s: %.4g, the bound is %.4g", what, got, bound)
}
