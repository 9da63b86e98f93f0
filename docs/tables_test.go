package docs

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tailrace/server"
)

var (
	flagLine    = regexp.MustCompile(`(?m)^ +--([a-z0-9-]+)( [a-z]+)?  +(.*)$`)
	flagDefault = regexp.MustCompile(`\(default (.*)\)$`)
)

// TestFlagsAreThoseOfTheHelp compares flags, defaults and variables with what
// the program itself says.
func TestFlagsAreThoseOfTheHelp(t *testing.T) {
	row := func(name, def string) string {
		env := "TAILRACE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		return fmt.Sprintf("--%s, default %s, %s", name, def, env)
	}
	var actual []string
	for _, m := range flagLine.FindAllStringSubmatch(output(t, "serve", "--help"), -1) {
		def := "false" // of a switch, which the help leaves out, as it does a 0 or no text
		switch m[2] {
		case " int", " bytes", " duration":
			def = "0"
		case " string":
			def = "none"
		}
		if d := flagDefault.FindStringSubmatch(m[3]); d != nil {
			def = strings.Trim(d[1], `"`)
		}
		actual = append(actual, row(m[1], def))
	}
	var documented []string
	for _, cells := range tables(t, "configuration.md", "Flag", "Default", "Environment", "Meaning", "Reload") {
		documented = append(documented, fmt.Sprintf("%s, default %s, %s", literal(t, cells[0]), literal(t, cells[1]), literal(t, cells[2])))
	}
	compare(t, "flags", documented, actual)
}

// TestCommandsAreThoseOfTheHelp compares the commands.
func TestCommandsAreThoseOfTheHelp(t *testing.T) {
	var actual, documented []string
	for _, m := range regexp.MustCompile(`(?m)^  (tailrace .*?)  +`).FindAllStringSubmatch(output(t, "help"), -1) {
		actual = append(actual, m[1])
	}
	for _, cells := range table(t, "operations.md", "Command", "Does", "Exit code") {
		documented = append(documented, literal(t, cells[0]))
	}
	compare(t, "commands", documented, actual)
}

// TestRetryAfterComesWithTheStatusesNamed holds the sentence on errors.md
// against the catalogue.
func TestRetryAfterComesWithTheStatusesNamed(t *testing.T) {
	const sentence = "Errors with status 503, and those with 429 but `too_many_producers`, carry `Retry-After`"
	if !strings.Contains(strings.Join(strings.Fields(read(t, "errors.md")), " "), sentence) {
		t.Fatalf("errors.md does not say: %s", sentence)
	}
	for _, e := range server.Catalogue() {
		if e.Retry != (e.Status == 503 || e.Status == 429 && e.Code != "too_many_producers") {
			t.Errorf("%s (%d): Retry-After is %t", e.Code, e.Status, e.Retry)
		}
	}
}

// TestPathRulesAreThoseOfTheServer compares the rules for paths, in order.
func TestPathRulesAreThoseOfTheServer(t *testing.T) {
	var actual, documented []string
	for _, r := range server.PathRules() {
		example := r.Example
		if len(example) > 100 {
			example = fmt.Sprintf("a name of %d bytes", len(example)-len("/v1/stream/"))
		}
		actual = append(actual, fmt.Sprintf("%s: %s is %d %s", r.Rule, example, r.Status, r.Code))
	}
	for _, cells := range table(t, "paths.md", "Rule", "Example", "Status", "Code") {
		if _, err := strconv.Atoi(cells[2]); err != nil {
			t.Errorf("paths.md: status %q: %v", cells[2], err)
		}
		documented = append(documented, fmt.Sprintf("%s: %s is %s %s", cells[0], strings.Trim(cells[1], "`"), cells[2], literal(t, cells[3])))
	}
	compare(t, "path rules", documented, actual)
}

// TestFilesOfThePageAreGood checks the examples of configuration.md.
func TestFilesOfThePageAreGood(t *testing.T) {
	files := regexp.MustCompile("(?ms)^```toml\n# (\\S+)\n.*?^```$").FindAllStringSubmatch(read(t, "configuration.md"), -1)
	if len(files) < 3 {
		t.Fatalf("the page has %d files", len(files))
	}
	dir := t.TempDir()
	secret := "VGhpcyBzZWNyZXQgaXMgb25seSBmb3IgdGhpcyB0ZXN0Lg=="
	for name, text := range map[string]string{"acme.secret": secret, "mint.key": secret, "acme.jwks.json": jwks} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	writePair(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	for _, m := range files {
		name := filepath.Join(dir, m[1])
		writeFile(t, name, strings.TrimSuffix(strings.TrimPrefix(m[0], "```toml\n"), "```"))
		if out := output(t, "config", "check", "--config", name); !strings.Contains(out, "can be used") {
			t.Errorf("%s: %s", m[1], out)
		}
		shown := output(t, "config", "show", "--config", name)
		for _, value := range append(regexp.MustCompile(`value = "[^"]+"`).FindAllString(m[0], -1), secret) {
			if strings.Contains(shown, value) {
				t.Errorf("%s: a secret is shown", m[1])
			}
		}
	}
}

// TestServersOfThePageCouldStart has the program read the command lines that are
// no blocks of commands, because they need a bucket of somebody: what is wrong
// with them is one setting of the test only.
func TestServersOfThePageCouldStart(t *testing.T) {
	wrong := func(args ...string) string {
		cmd := exec.Command(binary(), append(args, "--log-level", "loud")...)
		cmd.Env = environment()
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%v: started", cmd)
		}
		return string(out)
	}
	want := wrong("serve")
	lines := regexp.MustCompile(`(?m)^ {4}tailrace (serve .*)$`).FindAllStringSubmatch(read(t, "operations.md"), -1)
	if len(lines) == 0 {
		t.Error("the page starts no server")
	}
	for _, line := range lines {
		if got := wrong(strings.Fields(line[1])...); got != want {
			t.Errorf("%s: %s", line[0], got)
		}
	}
}
