package bench

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	largeBytes = flag.Int64("bench.large-bytes", 256<<20, "raw bytes of BenchmarkLarge")
	largeConns = flag.Int("bench.large-conns", 16, "connections of its writers, and of its readers")
)

const (
	largeStreams  = 100
	largeMessages = 100 // of each append
	largeMemory   = 512 << 20

	// largePeakBound is what the process may occupy with that much memory given.
	largePeakBound = 640 << 20
)

// large is what it took to write much more than fits into memory, and to read
// it back.
type large struct {
	raw           int64 // as stored, before compression
	refused       int64
	in, out       time.Duration
	inCPU, outCPU time.Duration // of the server
	inPeak        int64         // resident
	outPeak       int64
	ratio, slope  float64 // of resident memory, second half of writing
	size          storeSize
	layers        int
}

// measureLarge writes bytes of JSON, reads all streams and compares.
func measureLarge(tb testing.TB, bytes int64, o storeOptions) (l large) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "store")
	c := startChild(tb, role{Dir: dir, Options: o, Limited: true})
	c.do(tb, order{JSON: largeStreams})
	sent := newLargeSent(firstSeed())

	begin(tb, c, "large-in")
	before := c.do(tb, order{})
	at := time.Now()
	w := watchChild(c, sent.bytes.Load)
	if err := sent.write(c.addr, bytes, *largeConns); err != nil {
		tb.Fatal(err)
	}
	l.in = time.Since(at)
	l.ratio, l.slope = w.end()
	after := c.do(tb, order{})
	l.inCPU, l.inPeak = after.CPU-before.CPU, residentOf(c.cmd.Process.Pid).peak
	end(tb, c)
	l.raw, l.refused = sent.bytes.Load(), sent.refused.Load()
	if *profile != "" {
		c.do(tb, order{Heap: *profile + "-large-heap"})
	}

	begin(tb, c, "large-out")
	before = c.do(tb, order{})
	at = time.Now()
	if err := sent.compare(c.addr, *largeConns); err != nil {
		tb.Fatal(err)
	}
	l.out = time.Since(at)
	after = c.do(tb, order{})
	l.outCPU, l.outPeak, l.layers = after.CPU-before.CPU, residentOf(c.cmd.Process.Pid).peak, after.Engine.Layers
	end(tb, c)
	c.end(tb)
	compact(tb, dir, o)
	l.size = sizeOf(tb, dir)
	if l.size.raw != l.raw {
		tb.Errorf("%d bytes were appended, the segments hold %d", l.raw, l.size.raw)
	}
	return l
}

// largeSent is what was sent: of each stream a digest and no more.
type largeSent struct {
	scripts [largeStreams]*script
	digests [largeStreams]hash.Hash
	bytes   atomic.Int64
	refused atomic.Int64
}

func newLargeSent(seed uint64) *largeSent {
	s := new(largeSent)
	for i := range s.scripts {
		s.scripts[i], s.digests[i] = newScript(seed, uint64(i)), sha256.New()
	}
	return s
}

// eachConn runs do for all connections at the same time, with their numbers.
func eachConn(addr string, conns int, do func(w *wire, k int) error) error {
	var wg sync.WaitGroup
	failures := make([]error, conns)
	for k := range conns {
		wg.Go(func() {
			w, err := dialWire(addr)
			if err != nil {
				failures[k] = err
				return
			}
			defer w.conn.Close()
			failures[k] = do(w, k)
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// write appends until all streams together have so many bytes. A stream gets
// a few appends before it is another's turn.
func (s *largeSent) write(addr string, bytes int64, conns int) error {
	return eachConn(addr, conns, func(w *wire, k int) error {
		var body []byte
		for i := k; s.bytes.Load() < bytes; i += conns {
			if i >= largeStreams {
				i = k
			}
			body = s.scripts[i].array(body[:0], largeMessages)
			refused, err := w.insist(204, "POST", target(i), "Content-Type: "+jsonType+"\r\n", body)
			s.refused.Add(int64(refused))
			if err != nil {
				return err
			}
			body[len(body)-1] = ','
			s.digests[i].Write(body[1:])
			s.bytes.Add(int64(len(body) - 1))
		}
		return nil
	})
}

// compare reads all streams, decoded, and compares the digests.
func (s *largeSent) compare(addr string, conns int) error {
	return eachConn(addr, conns, func(w *wire, k int) error {
		for i := k; i < largeStreams; i += conns {
			got := &arrayDigest{Hash: sha256.New()}
			if err := w.readThrough(i, "Accept-Encoding: identity\r\n", got.take, got.end); err != nil {
				return err
			}
			if want := s.digests[i].Sum(nil); string(got.Sum(nil)) != string(want) {
				return fmt.Errorf("bench: stream %d does not read back as it was written", i)
			}
		}
		return nil
	})
}

// arrayDigest is the digest of messages with a comma behind each, taken from
// the arrays that they are read as.
type arrayDigest struct {
	hash.Hash
	inside bool // the opening bracket was there
	last   []byte
}

func (d *arrayDigest) take(part []byte) {
	if !d.inside {
		d.inside, part = true, part[1:]
	}
	if len(part) == 0 {
		return
	}
	d.Write(d.last)
	n := len(part) - 1
	d.Write(part[:n])
	d.last = append(d.last[:0], part[n])
}

// end is told that a body is complete: its closing bracket stands for the last
// comma.
func (d *arrayDigest) end(r reply) {
	if r.size > len("[]") {
		d.Write([]byte{','})
	}
	d.inside, d.last = false, d.last[:0]
}

// BenchmarkLarge writes much more than the store may keep in memory, and
// compares what is read back with what was written. -bench.large-bytes says how
// much; 20 GiB is what the bound is for.
func BenchmarkLarge(b *testing.B) {
	b.Run(fmt.Sprintf("MiB=%d", *largeBytes>>20), func(b *testing.B) {
		floor := newSyncFloor(b, b.TempDir())
		var l large
		for b.Loop() {
			floor.run(b, sliceFloor)
			l = measureLarge(b, *largeBytes, storeOptions{MemoryBytes: largeMemory})
		}
		gib := float64(l.raw) / (1 << 30)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(mebi(l.raw)/l.in.Seconds(), "in-MiB/s")
		b.ReportMetric(mebi(l.raw)/l.out.Seconds(), "out-MiB/s")
		b.ReportMetric(l.inCPU.Seconds()/gib, "in-cpu-s/GiB")
		b.ReportMetric(l.outCPU.Seconds()/gib, "out-cpu-s/GiB")
		b.ReportMetric(mebi(l.inPeak), "in-peak-MiB")
		b.ReportMetric(mebi(l.outPeak), "peak-MiB")
		b.ReportMetric(l.ratio, "second-half/first")
		b.ReportMetric(l.slope*1024, "slope-MiB/GiB")
		b.ReportMetric(float64(l.refused), "refused")
		b.ReportMetric(float64(l.layers), "layers")
		l.size.report(b)
		floor.report(b)
		checkBound(b, "peak memory in MiB", mebi(l.outPeak), mebi(largePeakBound))
	})
}
