package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	_ "tailrace/internal/admin" // declares series, as do those that it and the server import
	"tailrace/internal/meter"
	_ "tailrace/server"
)

var updateFlag = flag.Bool("update", false, "write what is generated on the pages again")

// family is what the tests below know of a family.
type family struct {
	kind   string
	labels []string
	values map[string][]string // of labels that have a list
}

// known are all families, by name.
func known(t *testing.T) map[string]family {
	t.Helper()
	all := map[string]family{}
	for _, f := range meter.All() {
		k := family{kind: f.Kind.String(), values: map[string][]string{}}
		for _, l := range f.Labels {
			k.labels = append(k.labels, l.Name)
			if l.Values != nil {
				k.values[l.Name] = l.Values
			}
		}
		all[f.Name] = k
	}
	return all
}

// TestGoldenMetricsPage compares what is generated on the page with the
// declarations, and writes it with -update.
func TestGoldenMetricsPage(t *testing.T) {
	const page = "metrics.md"
	got := read(t, page)
	events, err := os.ReadFile("../engine/testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, got, "series", seriesTable())
	want = between(t, want, "events", "```text\n"+string(events)+"```\n")
	if got == want {
		return
	}
	if !*updateFlag {
		t.Fatalf("%s is not what the program says; go test ./docs -run Golden -update writes it", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between puts a text between the two marks of its name.
func between(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->"
	before, rest, ok := strings.Cut(page, begin)
	_, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("the page has no place for %s", name)
	}
	return before + begin + "\n" + text + "\n" + end + after
}

func seriesTable() string {
	var b strings.Builder
	b.WriteString("| Series | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|\n")
	for _, f := range meter.All() {
		var labels []string
		for _, l := range f.Labels {
			if l.Each != "" {
				labels = append(labels, fmt.Sprintf("`%s`: each %s", l.Name, l.Each))
				continue
			}
			labels = append(labels, fmt.Sprintf("`%s`: `%s`", l.Name, strings.Join(l.Values, "`, `")))
		}
		fmt.Fprintf(&b, "| `%s` | %v | %s | %s | %s |\n", f.Name, f.Kind, f.Unit(), strings.Join(labels, "; "), f.Help)
	}
	return b.String()
}

// dashboard is what the test reads of the dashboard.
type dashboard struct {
	SchemaVersion int     `json:"schemaVersion"`
	Title         string  `json:"title"`
	UID           string  `json:"uid"`
	Panels        []panel `json:"panels"`
}

type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr  string `json:"expr"`
		RefID string `json:"refId"`
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

// TestDashboardShowsWhatThereIs: every panel asks for series that exist, with labels
// that they have, and what it shows fits into its row.
func TestDashboardShowsWhatThereIs(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.SchemaVersion < 39 || d.Title == "" || d.UID == "" {
		t.Errorf("schema %d, title %q, uid %q", d.SchemaVersion, d.Title, d.UID)
	}
	all := known(t)
	ids, rows := map[int]bool{}, []string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 {
			t.Errorf("panel %q: its id is taken, or its place is not on the grid", p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %q shows nothing, or no unit", p.Title)
		}
		for _, target := range p.Targets {
			checkExpr(t, all, "panel "+p.Title, target.Expr)
		}
	}
	want := []string{"Traffic", "Latency", "Log", "Segments", "Cache", "Live readers", "Bucket", "Projects", "Process"}
	if !slices.Equal(rows, want) {
		t.Errorf("the rows are %q, want %q", rows, want)
	}
}

var (
	ruleLine   = regexp.MustCompile(`(?m)^      - alert: (\w+)$`)
	severities = []string{"page", "ticket"}
)

// TestAlertsAskForWhatThereIs reads the rules line by line: each has all parts, and
// asks for series that exist.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	page := read(t, "alerts.yml")
	at := ruleLine.FindAllStringSubmatchIndex(page, -1)
	if len(at) < 10 {
		t.Fatalf("%d rules", len(at))
	}
	all, names := known(t), map[string]bool{}
	for i, m := range at {
		name, end := page[m[2]:m[3]], len(page)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		part := func(pattern string) string {
			found := regexp.MustCompile(`(?m)^ +` + pattern + `$`).FindStringSubmatch(page[m[1]:end])
			if found == nil {
				t.Errorf("%s has no %s", name, pattern)
				return ""
			}
			return found[1]
		}
		if names[name] {
			t.Errorf("%s is there twice", name)
		}
		names[name] = true
		checkExpr(t, all, name, part(`expr: (.+)`))
		part(`for: ([0-9]+[smhd])`)
		part(`summary: (.+)`)
		part(`description: (.+)`)
		if s := part(`severity: (\w+)`); !slices.Contains(severities, s) {
			t.Errorf("%s has severity %q", name, s)
		}
	}
	for _, name := range seriesName.FindAllString(page, -1) {
		if _, ok := find(all, name); !ok {
			t.Errorf("the rules speak of %s", name)
		}
	}
}

var (
	seriesName = regexp.MustCompile(`\b(?:tailrace|process|go)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b((?:tailrace|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`^(\w+)(=~|!~|!=|=)"(.*)"$`)
	grouping   = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
)

// checkExpr finds every series of an expression, and its labels, among those known.
func checkExpr(t *testing.T, all map[string]family, where, expr string) {
	t.Helper()
	found := selector.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 || strings.Count(expr, "(") != strings.Count(expr, ")") {
		t.Errorf("%s: %s asks for nothing, or lacks a parenthesis", where, expr)
	}
	labels := []string{"instance", "job"}
	for _, m := range found {
		f, ok := find(all, m[1])
		if !ok {
			t.Errorf("%s asks for %s, which does not exist", where, m[1])
			continue
		}
		has := append([]string{"instance", "job"}, f.labels...)
		if strings.HasSuffix(m[1], "_bucket") {
			has = append(has, "le")
		}
		labels = append(labels, has...)
		for _, match := range strings.Split(m[2], ",") {
			if match == "" {
				continue
			}
			of := matcher.FindStringSubmatch(strings.TrimSpace(match))
			if of == nil || !slices.Contains(has, of[1]) {
				t.Errorf("%s: %s of %s: it has %v", where, match, m[1], has)
				continue
			}
			if values := f.values[of[1]]; values != nil && !strings.Contains(of[3], "$") &&
				!slices.ContainsFunc(values, regexp.MustCompile("^(?:"+of[3]+")$").MatchString) {
				t.Errorf("%s: %s of %s: it is one of %v", where, match, m[1], values)
			}
		}
		if rate := regexp.MustCompile(`(rate|increase)\(` + regexp.QuoteMeta(m[0])); rate.MatchString(expr) == (f.kind == "gauge") {
			t.Errorf("%s: %s is a %s: %s", where, m[1], f.kind, expr)
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(g[1], ",") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(labels, l) {
				t.Errorf("%s: %s: no label %s", where, expr, l)
			}
		}
	}
}

// find is the family that a name in an expression is of. The names of the process
// are those that the library has on this system.
func find(all map[string]family, name string) (family, bool) {
	if f, ok := all[name]; ok && f.kind != "histogram" {
		return f, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if of, ok := strings.CutSuffix(name, suffix); ok && all[of].kind == "histogram" {
			return all[of], true
		}
	}
	if strings.HasPrefix(name, "tailrace_") {
		return family{}, false
	}
	var page bytes.Buffer
	metrics.WriteProcessMetrics(&page)
	metrics.WriteFDMetrics(&page)
	kind := "gauge"
	if strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_bucket") {
		kind = "counter"
	}
	return family{kind: kind}, regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(page.String())
}
