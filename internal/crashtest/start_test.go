package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecondServerIsRefused starts a server on a store that another one has.
func TestSecondServerIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	p := serve(t, dir, "127.0.0.1:0")
	c := newClient(p.url())
	put(t, c, "s", textKind)
	post(t, c, "s", textKind, "before ")

	code, _, stderr := runToEnd(t, nil, serveArgs(dir, "127.0.0.1:0")...)
	if code != 1 || !strings.Contains(stderr, dir) || !strings.Contains(stderr, "another process") {
		t.Errorf("exit code %d, want 1 and a message that names %s and another process:\n%s", code, dir, stderr)
	}

	post(t, c, "s", textKind, "after")
	p.kill(t)
	p = serve(t, dir, "127.0.0.1:0")
	if got := get(t, newClient(p.url()), "s"); got != "before after" {
		t.Errorf("the first server's stream is %q", got)
	}
}

// TestAddressInUseLeavesTheStoreAlone starts a server where another one listens.
func TestAddressInUseLeavesTheStoreAlone(t *testing.T) {
	p := serve(t, filepath.Join(t.TempDir(), "store"), "127.0.0.1:0")
	addr := strings.TrimPrefix(p.url(), "http://")
	dir := filepath.Join(t.TempDir(), "other")
	code, _, stderr := runToEnd(t, nil, serveArgs(dir, addr)...)
	if code != 1 || !strings.Contains(stderr, addr) {
		t.Errorf("exit code %d, want 1 and a message that names %s:\n%s", code, addr, stderr)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the store was touched: %v", err)
	}
}

// TestBadFlagsExit2 gives command lines and variables that make no sense.
func TestBadFlagsExit2(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	here := serveArgs(dir, "127.0.0.1:0")
	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"unknown flag":     {nil, append(here[:len(here):len(here)], "--no-such-flag"), "no-such-flag"},
		"unknown variable": {[]string{"TAILRACE_NO_SUCH_THING=1"}, here, "TAILRACE_NO_SUCH_THING"},
		"empty variable":   {[]string{"TAILRACE_=1"}, here, "TAILRACE_"},
		"bad size":         {nil, append(here[:len(here):len(here)], "--log-file-bytes", "many"), "log-file-bytes"},
		"bad duration":     {nil, append(here[:len(here):len(here)], "--long-poll-timeout", "30"), "long-poll-timeout"},
		"bad variable":     {[]string{"TAILRACE_STREAMS=few"}, here, "TAILRACE_STREAMS"},
		"negative":         {nil, append(here[:len(here):len(here)], "--connections", "-1"), "connections"},
		"unknown level":    {nil, append(here[:len(here):len(here)], "--log-level", "loud"), "loud"},
		"extra argument":   {nil, append(here[:len(here):len(here)], "here"), "here"},
		"unknown command":  {nil, []string{"server"}, "server"},
		"no command":       {nil, nil, "tailrace serve"},
		"check nothing":    {nil, []string{"check"}, "check DIR"},
		"inspect nothing":  {nil, []string{"inspect", "wal"}, "inspect KIND FILE"},
	} {
		code, _, stderr := runToEnd(t, c.env, c.args...)
		if code != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, want 2 and %q in the message:\n%s", name, code, c.want, stderr)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Fatalf("%s: the store was touched: %v", name, err)
		}
	}
}

// TestEnvironmentSetsWhatFlagsDoNot starts a server that is configured by
// variables, one of which the command line overrules.
func TestEnvironmentSetsWhatFlagsDoNot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	p := launch(t, []string{"TAILRACE_DATA=" + dir, "TAILRACE_LISTEN=127.0.0.1:1", "TAILRACE_LOG_FORMAT=json"},
		"serve", "--listen", "127.0.0.1:0")
	p.awaitServing(t)
	put(t, newClient(p.url()), "s", jsonKind)
	if len(logFiles(t, dir)) == 0 {
		t.Errorf("no store in %s", dir)
	}
}
