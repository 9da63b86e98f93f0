package meter

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/VictoriaMetrics/metrics"
)

// In returns the counter of the family with these values of its labels, in their
// order. One that the set has already goes on: the owner may have been opened again.
// It is for owners to keep, not to be called where something is counted.
func (c *CounterFamily) In(set *metrics.Set, values ...string) *metrics.Counter {
	name := c.family.series(values)
	if set == nil {
		return new(metrics.Counter)
	}
	return set.GetOrCreateCounter(name)
}

// In returns a gauge of the family that its owner sets; see CounterFamily.In.
func (g *GaugeFamily) In(set *metrics.Set, values ...string) *metrics.Gauge {
	name := g.family.series(values)
	if set == nil {
		return new(metrics.Gauge)
	}
	return set.GetOrCreateGauge(name, nil)
}

// In returns a histogram of the family; see CounterFamily.In.
func (h *HistogramFamily) In(set *metrics.Set, values ...string) *metrics.PrometheusHistogram {
	name := h.family.series(values)
	if set == nil {
		return new(metrics.PrometheusHistogram) // it has a sum only
	}
	return set.GetOrCreatePrometheusHistogramExt(name, h.family.Bounds)
}

// series is the name of one series.
func (f *Family) series(values []string) string { return string(f.appendSeries(nil, "", values, "")) }

// appendSeries adds the name of a series, with a suffix to the name of the family
// and, if le is not "", the label of a bucket.
func (f *Family) appendSeries(b []byte, suffix string, values []string, le string) []byte {
	if len(values) != len(f.Labels) {
		panic(fmt.Sprintf("meter: %s: %d values for %d labels", f.Name, len(values), len(f.Labels)))
	}
	b = append(append(b, f.Name...), suffix...)
	sep := byte('{')
	label := func(name, value string) {
		b = append(append(append(b, sep), name...), '=')
		b = strconv.AppendQuote(b, value)
		sep = ','
	}
	for i, l := range f.Labels {
		if l.Values != nil && !slices.Contains(l.Values, values[i]) {
			panic(fmt.Sprintf("meter: %s: %s=%q is not on the list of values", f.Name, l.Name, values[i]))
		}
		label(l.Name, values[i])
	}
	if le != "" {
		label("le", le)
	}
	if sep == ',' {
		b = append(b, '}')
	}
	return b
}
