// Package docs holds the documentation, and the tests that keep it true: what
// it tells to type is typed, what it lists is compared with the program, and
// what it points to has to exist.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// work is a directory with bin/tailrace in it, as make build leaves one.
var work string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if work, err = os.MkdirTemp("", "tailrace-docs-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(work)
	build := exec.Command("go", "build", "-o", binary(), "../cmd/tailrace")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return m.Run(), nil
}

func binary() string { return filepath.Join(work, "bin", "tailrace") }

// environment is that of the test without settings of a server or of curl,
// which would change what the commands do.
func environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return strings.HasPrefix(name, "TAILRACE_") || strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
	return append(env, more...)
}

// output runs the program and returns what it prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary(), args...)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return string(out)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages are the paths of all pages of the project, relative to this directory.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	inside, err := filepath.Glob("../conformance/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, inside...)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(found, "../README.md") || !slices.Contains(found, "http.md") {
		t.Fatalf("the pages are not where they used to be: %v", found)
	}
	return found
}

// table returns the rows of the one table of a page that has these headings,
// cell by cell.
func table(t *testing.T, page string, headings ...string) [][]string {
	t.Helper()
	rows, found := rowsOf(t, page, headings)
	if found != 1 {
		t.Fatalf("%s has %d tables of %v", page, found, headings)
	}
	return rows
}

// tables are the rows of all of them.
func tables(t *testing.T, page string, headings ...string) [][]string {
	t.Helper()
	rows, _ := rowsOf(t, page, headings)
	if len(rows) == 0 {
		t.Fatalf("%s has no table of %v", page, headings)
	}
	return rows
}

func rowsOf(t *testing.T, page string, headings []string) (rows [][]string, found int) {
	t.Helper()
	inside := false
	for line := range strings.Lines(read(t, page)) {
		cells := cellsOf(line)
		switch {
		case cells == nil:
			inside = false
		case slices.Equal(cells, headings):
			found++
			inside = true
		case inside && strings.Trim(cells[0], "-: ") != "":
			rows = append(rows, cells)
		}
	}
	return rows, found
}

func cellsOf(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
		return nil
	}
	cells := strings.Split(line[1:len(line)-1], "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(c)
	}
	return cells
}

// literal is the text of a cell that is all code.
func literal(t *testing.T, cell string) string {
	t.Helper()
	if len(cell) < 3 || cell[0] != '`' || strings.IndexByte(cell[1:], '`') != len(cell)-2 {
		t.Fatalf("cell %q should be one literal", cell)
	}
	return cell[1 : len(cell)-1]
}

var codeForms = regexp.MustCompile("(?ms)^```.*?^```$|^ {4}[^\n]*$|`[^`\n]+`")

// code is everything on a page that is set as code.
func code(page string) []string { return codeForms.FindAllString(page, -1) }

// missing and extra compare two lists and say what only one of them has.
func compare(t *testing.T, what string, documented, actual []string) {
	t.Helper()
	for _, a := range actual {
		if !slices.Contains(documented, a) {
			t.Errorf("%s: not documented: %s", what, a)
		}
	}
	for _, d := range documented {
		if !slices.Contains(actual, d) {
			t.Errorf("%s: documented, but the program has nothing like it: %s", what, d)
		}
	}
	if !t.Failed() && !slices.Equal(documented, actual) {
		t.Errorf("%s: documented in another order:\n%s\nthe program has\n%s", what, strings.Join(documented, "\n"), strings.Join(actual, "\n"))
	}
}
