package meter

import (
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

var (
	testCounter   = Counter("tailrace_test_things_total", "things, by what came of them", OneOf("outcome", "ok", "error"))
	testGauge     = Gauge("tailrace_test_bytes", "bytes of now")
	testHistogram = Histogram("tailrace_test_seconds", "how long it took", []float64{0.001, 1}, EachOf("of", "test"))
	testBuckets   = Histogram("tailrace_test_records", "records of a batch", Exponential(1, 2, 3))
)

// TestPageHasEachFamilyOnceWithItsMeaning compares a whole page: what the owner
// counts and what is asked for stand together, in the order of their names.
func TestPageHasEachFamilyOnceWithItsMeaning(t *testing.T) {
	set := metrics.NewSet()
	testCounter.In(set, "ok").Add(3)
	h := testHistogram.In(set, "a")
	for _, v := range []float64{0.0005, 0.001, 0.5, 7} {
		h.Update(v)
	}
	b := testBuckets.Buckets()
	for _, v := range []float64{1, 2, 3, 4, 5} {
		b.Add(v)
	}
	stop := Collect(set, func(r *Reading) {
		r.Histogram(testBuckets, b.Clone())
		r.Gauge(testGauge, 1<<40)
		r.Counter(testCounter, 1.5, "error")
	})
	const want = `# HELP tailrace_test_bytes bytes of now
# TYPE tailrace_test_bytes gauge
tailrace_test_bytes 1099511627776
# HELP tailrace_test_records records of a batch
# TYPE tailrace_test_records histogram
tailrace_test_records_bucket{le="1"} 1
tailrace_test_records_bucket{le="2"} 2
tailrace_test_records_bucket{le="4"} 4
tailrace_test_records_bucket{le="+Inf"} 5
tailrace_test_records_sum 15
tailrace_test_records_count 5
# HELP tailrace_test_seconds how long it took
# TYPE tailrace_test_seconds histogram
tailrace_test_seconds_bucket{of="a",le="0.001"} 2
tailrace_test_seconds_bucket{of="a",le="1"} 3
tailrace_test_seconds_bucket{of="a",le="+Inf"} 4
tailrace_test_seconds_sum{of="a"} 7.5015
tailrace_test_seconds_count{of="a"} 4
# HELP tailrace_test_things_total things, by what came of them
# TYPE tailrace_test_things_total counter
tailrace_test_things_total{outcome="ok"} 3
tailrace_test_things_total{outcome="error"} 1.5
`
	if got := page(t, set); got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
	stop()
	if got := page(t, set); strings.Contains(got, "test_bytes") {
		t.Errorf("somebody who stopped is still asked:\n%s", got)
	}
}

func page(t *testing.T, set *metrics.Set) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, set); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOwnerThatIsOpenedAgainGoesOn: counters do not begin again.
func TestOwnerThatIsOpenedAgainGoesOn(t *testing.T) {
	set := metrics.NewSet()
	testCounter.In(set, "ok").Inc()
	testCounter.In(set, "ok").Inc()
	if n := testCounter.In(set, "ok").Get(); n != 2 {
		t.Errorf("counted %d, want 2", n)
	}
}

// TestNobodyAsks: without a set everything can be counted all the same.
func TestNobodyAsks(t *testing.T) {
	testCounter.In(nil, "ok").Inc()
	testGauge.In(nil).Set(1)
	testHistogram.In(nil, "x").Update(1)
	Collect(nil, func(*Reading) { t.Error("asked") })()
}

func panics(t *testing.T, do func()) (said any) {
	t.Helper()
	defer func() {
		if said = recover(); said == nil {
			t.Error("no panic")
		}
	}()
	do()
	return nil
}

// TestLabelsAreBounded: no series comes into being that was not declared.
func TestLabelsAreBounded(t *testing.T) {
	set := metrics.NewSet()
	panics(t, func() { testCounter.In(set, "perhaps") })
	panics(t, func() { testCounter.In(set) })
	panics(t, func() { testGauge.In(set, "ok") })
	Collect(set, func(r *Reading) { panics(t, func() { r.Counter(testCounter, 1, "perhaps") }) })
	if got := page(t, set); got != "" {
		t.Errorf("left behind:\n%s", got)
	}
}

// TestDeclarationsKeepTheRules names the rule that each of these breaks.
func TestDeclarationsKeepTheRules(t *testing.T) {
	for want, f := range map[string]Family{
		"declared twice":          {Name: "tailrace_test_bytes", Kind: KindGauge, Help: "x"},
		"words of small letters":  {Name: "tailrace_Things", Kind: KindGauge, Help: "x"},
		"behind tailrace_":        {Name: "things", Kind: KindGauge, Help: "x"},
		"counters end in _total":  {Name: "tailrace_things", Kind: KindCounter, Help: "x"},
		"nothing else does":       {Name: "tailrace_things_total", Kind: KindGauge, Help: "x"},
		"without backslash":       {Name: "tailrace_things", Kind: KindGauge, Help: "x."},
		"the meaning is one line": {Name: "tailrace_things", Kind: KindGauge},
		"growing bounds":          {Name: "tailrace_things", Kind: KindHistogram, Help: "x", Bounds: []float64{2, 1}},
		"label \"le\"":            {Name: "tailrace_things", Kind: KindGauge, Help: "x", Labels: []Label{OneOf("le", "1")}},
		"what bounds them":        {Name: "tailrace_things", Kind: KindGauge, Help: "x", Labels: []Label{{Name: "path"}}},
	} {
		if err := f.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", f, err, want)
		}
	}
}

// TestUnitIsInTheName reads it there.
func TestUnitIsInTheName(t *testing.T) {
	for f, want := range map[*Family]string{
		&testCounter.family: "", &testGauge.family: "bytes", &testHistogram.family: "seconds", {Name: "tailrace_written_bytes_total"}: "bytes",
	} {
		if got := f.Unit(); got != want {
			t.Errorf("%s counts %q, want %q", f.Name, got, want)
		}
	}
}
