package auth

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsAreTrue compares docs/auth.md with the package: its examples are accepted,
// and its lists are those of the code.
func TestDocsAreTrue(t *testing.T) {
	data, err := os.ReadFile("../../docs/auth.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	g, _ := newGuard(t, Options{})
	examples := regexp.MustCompile("(?s)<!-- claims -->\n```json\n(.*?)\n```").FindAllStringSubmatch(page, -1)
	if len(examples) == 0 {
		t.Error("no example of claims")
	}
	for _, e := range examples {
		wantGrant(t, g, raw(plainHeader, e[1]))
	}

	// A row is known by its first cell.
	first := func(heading string) (cells []string) {
		_, section, ok := strings.Cut(page, "\n## "+heading+"\n")
		if !ok {
			t.Fatalf("no section %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(section, -1) {
			for _, name := range strings.Split(m[1], ", ") {
				cells = append(cells, strings.Trim(name, "`"))
			}
		}
		return cells
	}
	var words []string
	for _, w := range scopeWords {
		words = append(words, w.word)
	}
	if got := first("Scopes"); !slices.Equal(got, words) {
		t.Errorf("the words are %q, the page has %q", words, got)
	}
	line := regexp.MustCompile("where its key is from: (.*);").FindStringSubmatch(page)
	if want := "`" + strings.Join(refusedHeaders, "`, `") + "`"; line == nil || line[1] != want {
		t.Errorf("the headers are %s", want)
	}
}
