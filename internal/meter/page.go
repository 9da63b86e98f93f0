package meter

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// ContentType is that of the page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes the numbers of a set as a page for Prometheus, each family below what
// it means and what kind it has, and families in the order of their names.
func Write(w io.Writer, set *metrics.Set) error {
	var all bytes.Buffer
	set.WritePrometheus(&all)
	lines := make(map[string][]string) // by family
	var names []string
	for line := range strings.Lines(all.String()) {
		if line[0] == '#' {
			continue // of a process that has the library write its own
		}
		name := familyOf(line)
		if lines[name] == nil {
			names = append(names, name)
		}
		lines[name] = append(lines[name], line)
	}
	slices.Sort(names)
	b := bufio.NewWriter(w)
	for _, name := range names {
		if f := families[name]; f != nil {
			b.WriteString("# HELP " + name + " " + f.Help + "\n# TYPE " + name + " " + f.Kind.String() + "\n")
		}
		for _, line := range lines[name] {
			b.WriteString(line)
		}
	}
	return b.Flush()
}

// familyOf is the name of the family that a line is of.
func familyOf(line string) string {
	name := line
	if end := strings.IndexAny(line, "{ "); end >= 0 {
		name = line[:end]
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if of, ok := strings.CutSuffix(name, suffix); ok && families[of] != nil && families[of].Kind == KindHistogram {
			return of
		}
	}
	return name
}
