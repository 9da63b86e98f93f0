package docs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailrace/internal/secretscan"
)

// address is where the README says that the server listens, and adminAddress
// where the page on the admin interface does.
const (
	address      = "127.0.0.1:4437"
	adminAddress = "127.0.0.1:4438"
)

// step is a block of commands and, if the page shows it, what it prints.
type step struct {
	commands string
	want     []string
	compare  bool
}

// testMark is before each block of commands that is executed.
const testMark = "<!-- test -->"

var marked = regexp.MustCompile("(?ms)^<!-- (test|output) -->\n```(?:sh|text)\n(.*?)^```$")

// steps are the marked blocks of a page in order. Blocks without a mark are
// not for the test.
func steps(t *testing.T, page string) []step {
	t.Helper()
	var all []step
	for _, m := range marked.FindAllStringSubmatch(page, -1) {
		if m[1] == "test" {
			all = append(all, step{commands: m[2]})
			continue
		}
		if len(all) == 0 || all[len(all)-1].compare {
			t.Fatalf("this output belongs to no commands:\n%s", m[2])
		}
		last := &all[len(all)-1]
		last.want, last.compare = linesOf(m[2]), true
	}
	if n := len(all); n == 0 || n != strings.Count(page, testMark) {
		t.Fatalf("%d marked blocks of commands, and %d marks", n, strings.Count(page, testMark))
	}
	return all
}

func linesOf(text string) []string {
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
}

// shows is what pages with commands have to show, so that nobody takes out of a
// page what it is there for.
var shows = map[string][]string{
	"../README.md":  {"-X PUT", "-X POST", "kill -9", "live=sse", "Producer-Seq"},
	"operations.md": {"-X PATCH", "Stream-Retention-Age", "Stream-Trim", "status", "rm -r ./data", "restore --bucket", "--bucket-takeover", "check ./data --bucket", "inspect bucket-head"},
	"cli.md":        {"tailrace create", "tailrace append", "tailrace read", "tailrace tail", "tailrace head", "tailrace close", "tailrace delete", "tailrace token", "--lines", "--producer", "--offsets", "exit code"},
	"runbook.md":    {"--disk-free-low", "stored-bytes", "reload", "backup", "Stream-Timing", "dd of=", "restore", "health/ready", "token secret", "drain", "config check"},
	"producers.md":  {"Producer-Epoch: $epoch", "Stream-Seq", "Stream-Expected-Offset", "--producer"},
	"caching.md":    {"If-None-Match", "live=long-poll"},
	"security.md":   {"public-read", "token=", "Token-Life", "server.log"},
	"admin.md":      {"cursor=", "-X DELETE", "/jobs/", "/metrics", "/health/ready", "/drain"},
}

// TestPagesDoWhatTheySay executes the commands of every page that has some.
func TestPagesDoWhatTheySay(t *testing.T) {
	unseen := maps.Clone(shows)
	for _, page := range pages(t) {
		if !strings.Contains(read(t, page), testMark) {
			continue
		}
		needed := shows[page]
		delete(unseen, page)
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			follow(t, page, needed...)
		})
	}
	for page := range unseen {
		t.Errorf("%s has no commands any more", page)
	}
}

// fences are the blocks of a page, with the line before.
var fences = regexp.MustCompile("(?m)^(.*)\n```([a-z]*)\n(?:.*\n)*?```$")

// skipped says of a block why nobody executes it.
var skipped = regexp.MustCompile(`^<!-- not run: \S.* -->$`)

// TestEveryCommandIsExecuted finds the blocks of commands that are not, and those
// that do not say what they are.
func TestEveryCommandIsExecuted(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range fences.FindAllStringSubmatch(read(t, page), -1) {
			switch before, kind := m[1], m[2]; kind {
			case "sh":
				if before != testMark && !skipped.MatchString(before) {
					t.Errorf("%s: neither executed nor said why not:\n%s", page, m[0])
				}
			case "text", "json", "toml", "js", "http", "yaml", "ini":
			default:
				t.Errorf("%s: a block of %q:\n%s", page, kind, m[0])
			}
		}
	}
}

// follow executes the commands of a page in one shell, as somebody who pastes
// them would, and compares what they print. Only the addresses are others, so that
// the test disturbs nobody, and the log files are small.
func follow(t *testing.T, page string, shown ...string) {
	t.Helper()
	own := freeAddress(t)
	all := steps(t, strings.NewReplacer(address, own, adminAddress, freeAddress(t)).Replace(read(t, page)))
	var script strings.Builder
	for i, s := range all {
		fmt.Fprintf(&script, "printf '\\n%s\\n'\n%s", boundary(i), s.commands)
	}
	fmt.Fprintf(&script, "printf '\\n%s\\n'\n", boundary(len(all)))
	for _, needed := range shown {
		if !strings.Contains(script.String(), needed) {
			t.Errorf("%s shows no %s", page, needed)
		}
	}

	printed, err := shell(t, script.String(), environment(
		"TAILRACE_LISTEN="+own, "TAILRACE_LOG_FILE_BYTES=1MiB", "TAILRACE_BODY_BYTES=256KiB",
		"LC_ALL=C",
	))
	if err != nil {
		t.Errorf("the commands failed: %v", err)
	}
	for i, s := range all {
		_, rest, reached := strings.Cut(printed, "\n"+boundary(i)+"\n")
		if !reached {
			t.Fatalf("these commands were not reached:\n%s", s.commands)
		}
		got, _, _ := strings.Cut(rest, "\n"+boundary(i+1)+"\n")
		if s.compare && !matches(s.want, linesOf(got)) {
			t.Errorf("these commands\n%s\nprinted\n%s\nwhile the page shows\n%s", s.commands, got, strings.Join(s.want, "\n"))
		}
	}
}

func boundary(i int) string { return fmt.Sprintf("=== step %d ===", i) }

// shell runs a script in a new directory with the program, as bash does for
// somebody who stops at the first error. All that it starts is ended with it.
func shell(t *testing.T, script string, env []string) (printed string, err error) {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the commands need %s: %v", tool, err)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(work, "bin"), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	// Files rather than pipes: a server that outlives the script would keep a
	// pipe open, and the test waiting.
	stdout, stderr := create(t, "stdout"), create(t, "stderr")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(env, "HOME="+dir), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -cmd.Process.Pid
	defer syscall.Kill(group, syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(group, syscall.SIGKILL) }
	err = cmd.Wait()
	if left := syscall.Kill(group, 0); err == nil && !errors.Is(left, syscall.ESRCH) {
		t.Errorf("the commands leave processes behind")
	}
	if found := secretscan.In(read(t, stderr.Name())); found != nil {
		t.Errorf("standard error, where servers log, has %q", found)
	}
	if t.Failed() || err != nil {
		t.Logf("standard error:\n%s", read(t, stderr.Name()))
	}
	return read(t, stdout.Name()), err
}

func create(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// given are the ports that freeAddress has found. The system may offer one again that
// nobody listens on yet.
var given sync.Map

// freeAddress finds a port that nobody uses.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := "127.0.0.1:" + strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
		ln.Close()
		if _, again := given.LoadOrStore(address, true); !again {
			return address
		}
	}
}

// matches compares lines. A line of three dots stands for any number of lines,
// and three dots within a line for any text.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "..." {
		for n := range len(got) + 1 {
			if matches(want[1:], got[n:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && matchesLine(want[0], got[0]) && matches(want[1:], got[1:])
}

func matchesLine(want, got string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(got)
}

// TestComparisonOfOutputCanFail keeps the comparison itself honest.
func TestComparisonOfOutputCanFail(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a\nb\n", "a\r\nb\r\n", true},
		{"a\n", "a", true},
		{"a\n...\nc\n", "a\nb\nb\nc\n", true},
		{"a\n...\n", "a\n", true},
		{`{"x":"..."}`, `{"x":"1"}`, true},
		{"a\n", "a\nb\n", false},
		{"a\nb\n", "a\n", false},
		{"a\n...\nc\n", "a\nb\n", false},
		{"a.c\n", "abc\n", false},
		{"a\n", "\n", false},
		{"a\n", "xa\n", false},
	} {
		if ok := matches(linesOf(c.want), linesOf(c.got)); ok != c.ok {
			t.Errorf("%q shown, %q printed: match is %t", c.want, c.got, ok)
		}
	}
}
