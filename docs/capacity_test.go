package docs

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	figure   = regexp.MustCompile(`^([0-9][0-9,]*(?:\.[0-9]+)?)(?: |$)`)
	measured = regexp.MustCompile("^`(Benchmark[^`]+)` `([^`]+)`$")
)

// TestFiguresWereMeasured compares every figure of the page with the line of the
// result that it is from.
func TestFiguresWereMeasured(t *testing.T) {
	for _, cells := range tables(t, "capacity.md", "What", "Figure", "Measured as", "In") {
		number, by := figure.FindStringSubmatch(cells[1]), measured.FindStringSubmatch(cells[2])
		if number == nil || by == nil {
			t.Errorf("no figure, or nothing that it was measured as: %q", cells)
			continue
		}
		want, err := strconv.ParseFloat(strings.ReplaceAll(number[1], ",", ""), 64)
		if err != nil {
			t.Errorf("%q: %v", cells[1], err)
		}
		found := results(t, literal(t, cells[3]), by[1], by[2])
		if !slices.ContainsFunc(found, func(got float64) bool { return math.Abs(got-want) <= want*1e-4 }) {
			t.Errorf("%s: the page says %v, the result has %v", cells[0], want, found)
		}
	}
}

// results are the values of a unit in the lines of a benchmark.
func results(t *testing.T, file, benchmark, unit string) (values []float64) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../bench/results", file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != benchmark {
			continue
		}
		for i, word := range words {
			if word == unit {
				v, err := strconv.ParseFloat(words[i-1], 64)
				if err != nil {
					t.Errorf("%s: %q: %v", file, line, err)
				}
				values = append(values, v)
			}
		}
	}
	return values
}

// TestEstimatesAreThoseOfTheEngine compares what streams and producers count with.
func TestEstimatesAreThoseOfTheEngine(t *testing.T) {
	source := read(t, "../engine/options.go")
	for name, said := range map[string]map[string]string{
		"streamCost":   {"capacity.md": "estimate of %s bytes, its name", "../README.md": "estimate of %s bytes for each and its name"},
		"producerCost": {"capacity.md": "with %s bytes and its id"},
	} {
		m := regexp.MustCompile(`(?m)^\t` + name + ` += (\d+)$`).FindStringSubmatch(source)
		if m == nil {
			t.Fatalf("the engine has no %s", name)
		}
		for page, sentence := range said {
			if want := fmt.Sprintf(sentence, m[1]); !strings.Contains(strings.Join(strings.Fields(read(t, page)), " "), want) {
				t.Errorf("%s does not say: %s", page, want)
			}
		}
	}
}
