package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md")

// TestPageHasTheTables holds docs/configuration.md against the declaration.
func TestPageHasTheTables(t *testing.T) {
	const name, begin, end = "../../docs/configuration.md", "<!-- settings -->\n", "<!-- end of settings -->\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the page has no place for the tables")
	}
	want := before + begin + Tables() + "\n" + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("the tables of %s are not those of the declaration; -update writes them", name)
	}
}

// TestHelpHasEveryGroupAndFlagOnce also keeps what the tables cannot show out of
// the texts.
func TestHelpHasEveryGroupAndFlagOnce(t *testing.T) {
	usage := Usage()
	groups := make(map[string]bool)
	last := ""
	for _, s := range Settings() {
		if n := strings.Count(usage, " --"+s.Name+" "); n < 1 {
			t.Errorf("--%s is not in the help", s.Name)
		}
		if s.Help == "" || strings.ContainsAny(s.Help, "|`\n") {
			t.Errorf("--%s: the text %q does not go into a table", s.Name, s.Help)
		}
		if s.Group != last && groups[s.Group] {
			t.Errorf("group %s is there twice", s.Group)
		}
		last, groups[s.Group] = s.Group, true
		if s.Group != "" && !strings.Contains(usage, "\n"+s.Group+":\n") {
			t.Errorf("group %s is not in the help", s.Group)
		}
	}
}
