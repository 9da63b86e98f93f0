package crashtest

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// launchLimited starts a server that may open only so many files.
func launchLimited(t *testing.T, files string, args []string) *process {
	t.Helper()
	shell := []string{"-c", `ulimit -n "$1" && shift && exec "$@"`, "sh", files, program}
	return launchCommand(t, nil, exec.Command("sh", append(shell, args...)...))
}

// TestConnectionsLeaveDescriptorsForTheLog opens more connections than the
// server may have, and makes the log need new files meanwhile.
func TestConnectionsLeaveDescriptorsForTheLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	p := launchLimited(t, "200", serveArgs(dir, "127.0.0.1:0", fileSize(1<<20)...))
	p.awaitServing(t)
	c := newClient(p.url())
	put(t, c, "s", textKind) // and keeps its connection

	addr := strings.TrimPrefix(p.url(), "http://")
	for range 300 {
		idle, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	body := strings.Repeat("x", 100_000)
	const appends = 40 // four files
	for range appends {
		post(t, c, "s", textKind, body)
	}
	if got := get(t, c, "s"); len(got) != appends*len(body) {
		t.Errorf("%d bytes are there, want %d", len(got), appends*len(body))
	}
}

// TestTooFewDescriptorsAreRefused: the store could not keep its promises.
func TestTooFewDescriptorsAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	p := launchLimited(t, "100", serveArgs(dir, "127.0.0.1:0"))
	if code := p.awaitEnd(t); code != 1 || !strings.Contains(p.log.String(), "open files") {
		t.Errorf("exit code %d, want 1 and a message about open files:\n%s", code, p.log)
	}
}
