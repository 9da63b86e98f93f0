package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/vfs/memfs"
	"tailrace/server"
)

var updateFlag = flag.Bool("update", false, "write the golden files")

// serveStore serves an empty store in memory and returns its address.
func serveStore(t *testing.T, network string) string {
	t.Helper()
	e, err := engine.Open(engine.Options{FS: memfs.New(), Dir: "store", LogFileBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, server.Options{LiveTime: 200 * time.Millisecond, Portable: network == "unix"})
	if err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "socket")
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if network == "unix" {
		return "unix:" + at
	}
	return "http://" + ln.Addr().String()
}

// shell runs client commands against one server.
type shell struct {
	t       *testing.T
	server  string
	env     []string
	signals chan os.Signal
}

func newShell(t *testing.T, server string, env ...string) *shell {
	return &shell{t: t, server: server, env: append(env, serverVariable+"="+server), signals: make(chan os.Signal, 2)}
}

// try runs a command with all of its input there.
func (x *shell) try(input string, args ...string) (code int, stdout, stderr string) {
	x.t.Helper()
	var out, err bytes.Buffer
	code = x.start(strings.NewReader(input), &out, &err, args...)
	return code, out.String(), err.String()
}

func (x *shell) start(stdin io.Reader, stdout, stderr io.Writer, args ...string) int {
	command, ok := clientCommands[args[0]]
	if !ok {
		command = inspectCommand
	}
	s := newSession(args[0], command, x.env, stdin, stdout, stderr)
	s.signals = x.signals
	s.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return s.run(args[1:])
}

// ok demands that a command succeeds, and returns what it prints.
func (x *shell) ok(input string, args ...string) string {
	x.t.Helper()
	code, stdout, stderr := x.try(input, args...)
	if code != exitOK {
		x.t.Fatalf("%v: exit code %d: %s%s", args, code, stdout, stderr)
	}
	return stdout
}

// fails demands that a command ends with a code and prints a text as its error.
func (x *shell) fails(code int, text, input string, args ...string) {
	x.t.Helper()
	got, stdout, stderr := x.try(input, args...)
	if got != code || !strings.Contains(stderr, text) {
		x.t.Errorf("%v: exit code %d, want %d with %q: %s%s", args, got, code, text, stdout, stderr)
	}
}

// TestHelpOfClientCommands compares the help of each with what it was.
func TestHelpOfClientCommands(t *testing.T) {
	commands := [][]string{{"inspect"}, {"token", "secret"}, {"token", "key"}, {"token", "sign"}, {"token", "mint"}}
	for _, name := range slices.Sorted(maps.Keys(clientCommands)) {
		commands = append(commands, []string{name})
	}
	x := newShell(t, "http://127.0.0.1:1")
	for _, c := range commands {
		code, stdout, stderr := x.try("", append(c, "--help")...)
		if code != exitOK || stderr != "" {
			t.Errorf("%v --help: exit code %d, %s", c, code, stderr)
		}
		for line := range strings.Lines(stdout) {
			if !strings.HasPrefix(line, "  ") && len(line) > 90 {
				t.Errorf("%v --help: a line of %d columns: %s", c, len(line), line)
			}
		}
		golden := filepath.Join("testdata", "help", strings.Join(c, "-")+".txt")
		if *updateFlag {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if stdout != string(want) {
			t.Errorf("%v --help prints\n%s\nwant\n%s\n(-update writes it)", c, stdout, want)
		}
	}
}

// TestClientCommandsAreReached: main knows each, and the general help names it.
func TestClientCommandsAreReached(t *testing.T) {
	for _, name := range append(slices.Collect(maps.Keys(clientCommands)), "inspect") {
		demand(t, exitOK, []string{name, "--help"}, "tailrace "+name)
		if !strings.Contains(usage, "\n  tailrace "+name+" ") {
			t.Errorf("the help does not name %s", name)
		}
	}
}

// TestBadCommandLines: exit code 2, the reason, and how it is used.
func TestBadCommandLines(t *testing.T) {
	x := newShell(t, "http://127.0.0.1:1")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		args []string
	}{
		{"0 arguments", []string{"create"}},
		{"--bogus", []string{"create", "a", "--bogus"}},
		{"--token", []string{"head", "a", "--token", "secret"}},
		{"not empty", []string{"head", ""}},
		{"--ttl", []string{"create", "a", "--ttl", "1500ms"}},
		{"--ttl", []string{"create", "a", "--ttl", "0"}},
		{"--ttl does not go", []string{"create", "a", "--ttl", "1h", "--expires-at", "2030-01-01T00:00:00Z"}},
		{"--keep-age", []string{"create", "a", "--keep-age", "-1h"}},
		{"--keep-bytes", []string{"create", "a", "--keep-bytes", "0"}},
		{"--offset goes with --from", []string{"create", "a", "--offset", "now"}},
		{"want http://", []string{"head", "a", "--server", "host:1"}},
		{"token file", []string{"head", "http://me:secret@host/v1/stream/a"}},
		{"--server does not go", []string{"head", "http://host/v1/stream/a", "--server", "http://host"}},
		{"is no stream", []string{"head", "http://host/v1/other/a"}},
		{"--token-file", []string{"head", "a", "--token-file", "/no/such/file"}},
		{"is empty", []string{"head", "a", "--token-file", empty}},
		{"--ca-file", []string{"head", "a", "--ca-file", empty}},
		{"--chunk", []string{"append", "a", "--chunk", "0"}},
		{"--in-flight", []string{"append", "a", "--in-flight", "0"}},
		{"--epoch goes with", []string{"append", "a", "--epoch", "1"}},
		{"--producer", []string{"append", "a", "--producer", ""}},
		{"--from", []string{"read", "a", "--from", ""}},
		{"--raw", []string{"read", "a", "--raw", "--json"}},
		{"--live", []string{"tail", "a", "--live", "carrier-pigeon"}},
		{"one at most", []string{"ls", "a", "b"}},
		{"--projects takes no", []string{"ls", "a", "--projects"}},
		{"takes the place", []string{"delete", "a", "--prefix", "b"}},
		{"go with --prefix", []string{"delete", "a", "--yes"}},
		{"--yes is needed", []string{"delete", "--prefix", "a/"}},
		{"which file", []string{"inspect", "wal"}},
		{"which of", []string{"token"}},
		{"none of secret", []string{"token", "forge"}},
		{"--project", []string{"token", "key", "--scope", "read"}},
		{"--scope", []string{"token", "key", "--project", "acme"}},
		{"none of read", []string{"token", "key", "--project", "acme", "--scope", "write"}},
		{"is no stream of the project", []string{"token", "key", "--project", "acme", "--scope", "read", "--stream", "other/a"}},
		{"begin with acme/", []string{"token", "key", "--project", "acme", "--scope", "read", "--prefix", "acme"}},
		{"--secret-file", []string{"token", "sign", "--project", "acme", "--scope", "read"}},
		{"--life", []string{"token", "mint", "a", "--life", "10ms"}},
	} {
		x.fails(exitUsage, c.text, "", c.args...)
		if _, _, stderr := x.try("", c.args...); !strings.Contains(stderr, "usage: tailrace "+c.args[0]) || strings.Contains(stderr, "secret@") {
			t.Errorf("%v: %s", c.args, stderr)
		}
	}
}
