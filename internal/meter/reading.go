package meter

import (
	"bytes"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// Collect has collect called for each reading of the set, for numbers that the owner
// knows. It must not wait for I/O, and may be called by several at a time. After
// stop it is called no more; a call under way goes on.
func Collect(set *metrics.Set, collect func(*Reading)) (stop func()) {
	if set == nil {
		return func() {}
	}
	var live atomic.Pointer[func(*Reading)]
	live.Store(&collect)
	set.RegisterMetricsWriter(func(w io.Writer) {
		collect := live.Load()
		if collect == nil {
			return
		}
		// The owner may hold a lock meanwhile, and w may be slow.
		var r Reading
		(*collect)(&r)
		w.Write(r.b.Bytes()) // who reads the page sees that it broke off
	})
	return func() { live.Store(nil) }
}

// Reading takes the numbers of one reading. Each series is given once.
type Reading struct{ b bytes.Buffer }

// Counter gives a number that only grows.
func (r *Reading) Counter(c *CounterFamily, v float64, values ...string) {
	r.line(&c.family, "", values, "", v)
}

// Gauge gives a number as of now.
func (r *Reading) Gauge(g *GaugeFamily, v float64, values ...string) {
	r.line(&g.family, "", values, "", v)
}

// Histogram gives what was counted in b, which nobody changes meanwhile.
func (r *Reading) Histogram(h *HistogramFamily, b *Buckets, values ...string) {
	sum := uint64(0)
	for i, bound := range h.family.Bounds {
		sum += b.counts[i]
		r.line(&h.family, "_bucket", values, strconv.FormatFloat(bound, 'g', -1, 64), float64(sum))
	}
	r.line(&h.family, "_bucket", values, "+Inf", float64(b.counts[len(b.bounds)]+sum))
	r.line(&h.family, "_sum", values, "", b.sum)
	r.line(&h.family, "_count", values, "", float64(b.counts[len(b.bounds)]+sum))
}

func (r *Reading) line(f *Family, suffix string, values []string, le string, v float64) {
	b := f.appendSeries(r.b.AvailableBuffer(), suffix, values, le)
	b = append(b, ' ')
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		b = strconv.AppendInt(b, int64(v), 10)
	} else {
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	r.b.Write(append(b, '\n'))
}

// Buckets is a histogram under a lock that its owner holds anyway where it counts.
// Others use HistogramFamily.In.
type Buckets struct {
	bounds []float64
	counts []uint64 // one more than bounds
	sum    float64
}

// Buckets makes an empty one.
func (h *HistogramFamily) Buckets() Buckets {
	return Buckets{bounds: h.family.Bounds, counts: make([]uint64, len(h.family.Bounds)+1)}
}

// Add counts a value.
func (b *Buckets) Add(v float64) {
	b.counts[sort.SearchFloat64s(b.bounds, v)]++
	b.sum += v
}

// Clone is a copy to be read without the lock.
func (b *Buckets) Clone() *Buckets {
	return &Buckets{b.bounds, slices.Clone(b.counts), b.sum}
}
