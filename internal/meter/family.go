package meter

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is what can be done with the numbers of a family.
type Kind uint8

const (
	KindCounter   Kind = iota // it grows, and begins with the process
	KindGauge                 // it is as of now
	KindHistogram             // how many values were below some bounds
)

func (k Kind) String() string { return [...]string{"counter", "gauge", "histogram"}[k] }

// Label tells the series of a family apart.
type Label struct {
	Name   string
	Values []string // that it may have; nil if Each says what bounds it
	Each   string   // what of a configuration there is a value for, or ""
}

// OneOf is a label with one of these values.
func OneOf(name string, values ...string) Label { return Label{Name: name, Values: values} }

// EachOf is a label with a value for each of what the operator has written down,
// such as "project".
func EachOf(name, what string) Label { return Label{Name: name, Each: what} }

// Family is series of one name.
type Family struct {
	Name   string
	Kind   Kind
	Help   string // one line, without a full stop
	Labels []Label
	Bounds []float64 // of a histogram, growing
}

// Unit is what the numbers count, as the name says: "seconds", "bytes", "ratio",
// or "" for things.
func (f *Family) Unit() string {
	name := strings.TrimSuffix(f.Name, "_total")
	for _, unit := range []string{"seconds", "bytes", "ratio"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return ""
}

// families are all that the packages of this program declare. It is written while
// these are initialized, and only read from then on.
var families = map[string]*Family{}

// All returns the families that the packages of this program declare, by name.
func All() []*Family {
	all := make([]*Family, 0, len(families))
	for _, name := range slices.Sorted(maps.Keys(families)) {
		all = append(all, families[name])
	}
	return all
}

// CounterFamily declares counters.
type CounterFamily struct{ family Family }

// GaugeFamily declares gauges.
type GaugeFamily struct{ family Family }

// HistogramFamily declares histograms.
type HistogramFamily struct{ family Family }

// Counter declares a family of counters, whose name ends in _total. Declarations are
// for variables of packages: one that breaks the rules is a panic.
func Counter(name, help string, labels ...Label) *CounterFamily {
	c := &CounterFamily{Family{Name: name, Kind: KindCounter, Help: help, Labels: labels}}
	declare(&c.family)
	return c
}

// Gauge declares a family of gauges.
func Gauge(name, help string, labels ...Label) *GaugeFamily {
	g := &GaugeFamily{Family{Name: name, Kind: KindGauge, Help: help, Labels: labels}}
	declare(&g.family)
	return g
}

// Histogram declares a family of histograms with these upper bounds, growing. There
// is one more for what is beyond the last.
func Histogram(name, help string, bounds []float64, labels ...Label) *HistogramFamily {
	h := &HistogramFamily{Family{Name: name, Kind: KindHistogram, Help: help, Labels: labels, Bounds: bounds}}
	declare(&h.family)
	return h
}

func declare(f *Family) {
	if err := f.check(); err != nil {
		panic(fmt.Sprintf("meter: %s: %v", f.Name, err))
	}
	families[f.Name] = f
}

var (
	namePattern  = regexp.MustCompile(`^tailrace(_[a-z0-9]+)+$`)
	labelPattern = regexp.MustCompile(`^[a-z][a-z_]*$`)
)

// check names the first rule that a declaration breaks.
func (f *Family) check() error {
	switch total := strings.HasSuffix(f.Name, "_total"); {
	case families[f.Name] != nil:
		return fmt.Errorf("declared twice")
	case !namePattern.MatchString(f.Name):
		return fmt.Errorf("want words of small letters behind tailrace_")
	case total != (f.Kind == KindCounter):
		return fmt.Errorf("counters end in _total, and nothing else does")
	case f.Help == "" || strings.ContainsAny(f.Help, "\n\\|") || strings.HasSuffix(f.Help, "."):
		return fmt.Errorf("the meaning is one line without backslash, bar and full stop")
	case f.Kind == KindHistogram && (len(f.Bounds) == 0 || !slices.IsSorted(f.Bounds)):
		return fmt.Errorf("a histogram has growing bounds")
	}
	for _, l := range f.Labels {
		switch {
		case !labelPattern.MatchString(l.Name) || l.Name == "le":
			return fmt.Errorf("label %q", l.Name)
		case (len(l.Values) == 0) == (l.Each == ""):
			return fmt.Errorf("label %s: either it has a list of values, or it is said what bounds them", l.Name)
		}
	}
	return nil
}

// Exponential returns n bounds for a histogram, each so many times the one before.
func Exponential(first, times float64, n int) []float64 {
	bounds := make([]float64, n)
	for i := range bounds {
		// As people write it: 0.00016 and not 0.00016000000000000001.
		bounds[i], _ = strconv.ParseFloat(strconv.FormatFloat(first, 'g', 12, 64), 64) // it can be read back
		first *= times
	}
	return bounds
}
