package segment

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// messages are mixed small JSON messages of about 150 bytes, as chunks of a
// model, rows of a table and events.
func messages(rng *rand.Rand, n int) [][]byte {
	words := bytes.Fields([]byte("the of and to in is that for it as with on by stream offset reader order value system result token model answer"))
	all := make([][]byte, n)
	for i := range all {
		word := func() []byte { return words[rng.IntN(len(words))] }
		switch i % 3 {
		case 0:
			all[i] = fmt.Appendf(nil, `{"id":"chatcmpl-%x","object":"chat.completion.chunk","created":17%08d,"model":"small-1","choices":[{"index":0,"delta":{"content":" %s %s"}}]},`,
				rng.Uint32(), i, word(), word())
		case 1:
			all[i] = fmt.Appendf(nil, `{"op":"u","table":"orders","key":%d,"after":{"id":%d,"status":"%s","total":%d.%02d,"customer":%d}},`,
				rng.Uint32(), rng.Uint32(), word(), rng.IntN(1000), rng.IntN(100), rng.IntN(100000))
		default:
			all[i] = fmt.Appendf(nil, `{"type":"page.%s","at":17%08d,"user":"%016x","path":"/%s/%s","ms":%d},`,
				word(), i, rng.Uint64(), word(), word(), rng.IntN(5000))
		}
	}
	return all
}

// floor is how fast this machine copies memory, in MB/s.
func floor(b *testing.B) float64 {
	b.Helper()
	from, to := make([]byte, 16<<20), make([]byte, 16<<20)
	for i := range from {
		from[i] = byte(i) // a page that was never written is no memory yet
	}
	copy(to, from)
	const rounds = 32
	begin := time.Now()
	for range rounds {
		copy(to, from)
	}
	return rounds * float64(len(from)) / 1e6 / time.Since(begin).Seconds()
}

// benchRuns are 16 MiB in runs of one size.
func benchRuns(perRun int) (runs []modelRun, total int64) {
	rng := rand.New(rand.NewPCG(5, 5))
	all := messages(rng, 40_000)
	for next := 0; total < 16<<20; {
		r := modelRun{stream: uint64(len(runs) + 1), start: rng.Uint64N(1 << 30), json: true}
		for range perRun {
			r.bodies = append(r.bodies, all[next%len(all)])
			next++
		}
		total += r.size()
		runs = append(runs, r)
	}
	return runs, total
}

func benchWrite(b *testing.B, o WriterOptions, runs []modelRun, to io.Writer) Properties {
	w := NewWriter(to, o)
	for i := range runs {
		if err := w.BeginRun(runs[i].stream, runs[i].start, true, runs[i].size()); err != nil {
			b.Fatal(err)
		}
		for _, body := range runs[i].bodies {
			if err := w.Append(body); err != nil {
				b.Fatal(err)
			}
		}
	}
	p, err := w.Finish()
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkWrite encodes segments of small JSON messages. stored/raw is the
// whole file, indexes included, beside the bodies; floor-MB/s is memcpy.
func BenchmarkWrite(b *testing.B) {
	for _, perRun := range []int{1, 10, 100, 20_000} {
		for _, better := range []bool{false, true} {
			b.Run(fmt.Sprintf("run=%d/better=%v", perRun, better), func(b *testing.B) {
				runs, total := benchRuns(perRun)
				copies := floor(b)
				b.SetBytes(total)
				b.ReportAllocs()
				var p Properties
				for b.Loop() {
					p = benchWrite(b, WriterOptions{Better: better}, runs, io.Discard)
				}
				b.ReportMetric(float64(p.Bytes)/float64(p.RawBytes), "stored/raw")
				b.ReportMetric(copies, "floor-MB/s")
			})
		}
	}
}

// BenchmarkReadBlock reads, verifies and decodes blocks from memory, or only
// verifies them as for a reply as stored. Bytes are those of the content.
func BenchmarkReadBlock(b *testing.B) {
	for _, kind := range []string{"shared", "solo", "stored"} {
		b.Run("kind="+kind, func(b *testing.B) {
			perRun := 20_000
			if kind == "shared" {
				perRun = 10
			}
			runs, total := benchRuns(perRun)
			var out bytes.Buffer
			p := benchWrite(b, WriterOptions{}, runs, &out)
			s := open(b, out.Bytes())
			all := blocksOf(b, out.Bytes())
			copies := floor(b)
			b.SetBytes(total / int64(p.Blocks))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				var err error
				if h := all[i%len(all)]; kind == "stored" {
					_, err = s.ReadStored(h)
				} else {
					_, err = s.ReadBlock(h)
				}
				if err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(copies, "floor-MB/s")
		})
	}
}

// BenchmarkRun looks one stream up among many.
func BenchmarkRun(b *testing.B) {
	runs, _ := benchRuns(1)
	var out bytes.Buffer
	benchWrite(b, WriterOptions{}, runs, &out)
	s := open(b, out.Bytes())
	b.ReportAllocs()
	rng := rand.New(rand.NewPCG(6, 6))
	for b.Loop() {
		if _, ok, err := s.Run(1 + rng.Uint64N(uint64(len(runs)))); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
	b.ReportMetric(float64(len(runs)), "runs")
}
