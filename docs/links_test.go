package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinksLeadSomewhere follows every relative link to its file, and to its
// heading if it names one. Links to other hosts are not tried.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			path, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
			} else if fragment != "" && !slices.Contains(anchors(read(t, target)), fragment) {
				t.Errorf("%s: link to %s: no such heading", page, m[1])
			}
		}
	}
}

// anchors are the names by which links reach the headings of a page.
func anchors(page string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		name := notSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestDecisionsAreIndexed finds each decision record in the index.
func TestDecisionsAreIndexed(t *testing.T) {
	records, err := filepath.Glob("adr/[0-9]*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("no decision records: %v", err)
	}
	index := read(t, "adr/README.md")
	for _, r := range records {
		if name := filepath.Base(r); !strings.Contains(index, "]("+name+")") {
			t.Errorf("adr/README.md does not list %s", name)
		}
	}
}

// TestMakeTargetsExist finds each target that a page tells to make.
func TestMakeTargetsExist(t *testing.T) {
	rules := regexp.MustCompile(`(?m)^([a-z-]+):(?:[^=]|$)`).FindAllStringSubmatch(read(t, "../Makefile"), -1)
	var targets []string
	for _, m := range rules {
		targets = append(targets, m[1])
	}
	told := regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	for _, page := range pages(t) {
		for _, piece := range code(read(t, page)) {
			for _, m := range told.FindAllStringSubmatch(piece, -1) {
				if !slices.Contains(targets, m[1]) {
					t.Errorf("%s tells to make %s, which the Makefile does not know", page, m[1])
				}
			}
		}
	}
}

// TestNamedTestsExist finds each test that a page names as a proof.
func TestNamedTestsExist(t *testing.T) {
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	walkTree(t, func(path string, d fs.DirEntry) {
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range function.FindAllStringSubmatch(read(t, path), -1) {
				known[m[1]] = true
			}
		}
	})
	named := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
	for _, page := range pages(t) {
		for _, piece := range code(read(t, page)) {
			for _, name := range named.FindAllString(piece, -1) {
				if !known[name] {
					t.Errorf("%s names %s, which does not exist", page, name)
				}
			}
		}
	}
}

// TestTreeIsTheOneInTheReadme compares the directories with what the README
// says of them: each one named exists, and each with Go files is named, if only
// by the one it is in.
func TestTreeIsTheOneInTheReadme(t *testing.T) {
	var named []string
	for _, cells := range table(t, "../README.md", "Directory", "Holds") {
		for _, name := range strings.Split(cells[0], ", ") {
			name = literal(t, name)
			named = append(named, name)
			if info, err := os.Stat(filepath.Join("..", name)); err != nil || !info.IsDir() {
				t.Errorf("README.md names the directory %s, which does not exist", name)
			}
		}
	}
	walkTree(t, func(path string, d fs.DirEntry) {
		if filepath.Ext(path) != ".go" {
			return
		}
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		for _, name := range named {
			if dir == name || strings.HasPrefix(dir, name+"/") {
				return
			}
		}
		t.Errorf("README.md does not name %s", dir)
	})
}

// walkTree visits the files of the project, but not what others installed.
func walkTree(t *testing.T, visit func(path string, d fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != ".." && (name == "node_modules" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			visit(path, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
