package bench

import (
	"slices"
	"testing"
	"time"
)

// report prints a load beside its floor. All figures are medians over the
// turns; ratios are formed turn by turn.
func report(b *testing.B, ours, floor *load) {
	b.Helper()
	var ops, refused int
	var took time.Duration
	var syncs int64
	var lat []time.Duration
	for _, r := range ours.runs {
		ops, refused, took, syncs = ops+r.ops, refused+r.refused, took+r.took, syncs+r.syncs
		lat = append(lat, r.lat...)
	}
	slices.Sort(lat)
	b.ReportMetric(float64(took)/float64(ops), "ns/op")
	b.ReportMetric(ours.median((*run).rate), "ops/s")
	b.ReportMetric(ours.median((*run).perCPU), "ops/cpu-s")
	b.ReportMetric(micros(lat[len(lat)/2]), "p50-us")
	b.ReportMetric(micros(lat[len(lat)*99/100]), "p99-us")
	if syncs > 0 {
		b.ReportMetric(float64(syncs)/float64(ops), "fsyncs/op")
	}
	if refused > 0 {
		b.ReportMetric(float64(refused)/float64(ops), "refused/op")
	}
	if floor != nil {
		b.ReportMetric(floor.median((*run).rate), "floor-ops/s")
		b.ReportMetric(floor.median((*run).perCPU), "floor-ops/cpu-s")
		b.ReportMetric(ours.over(floor, (*run).perCPU), "cpu-ratio")
	}
}

// median of a figure over the turns.
func (l *load) median(figure func(*run) float64) float64 {
	var all []float64
	for i := range l.runs {
		all = append(all, figure(&l.runs[i]))
	}
	return median(all)
}

// less is the median over the turns of how much a figure exceeds that of another
// load in the same turn.
func (l *load) less(other *load, figure func(*run) float64) float64 {
	var all []float64
	for i := range l.runs {
		all = append(all, figure(&l.runs[i])-figure(&other.runs[i]))
	}
	return median(all)
}

// over is the median over the turns of how a figure compares with that of
// another load in the same turn.
func (l *load) over(other *load, figure func(*run) float64) float64 {
	var all []float64
	for i := range l.runs {
		all = append(all, figure(&l.runs[i])/figure(&other.runs[i]))
	}
	return median(all)
}
