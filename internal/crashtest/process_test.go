package crashtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tailrace/internal/secretscan"
)

// patience is how long anything may take before a test gives up. It is no
// measure of speed: a shared machine under the race detector stays far below.
const patience = 60 * time.Second

// process is one run of the program.
type process struct {
	cmd    *exec.Cmd
	log    *serverLog
	stdout bytes.Buffer // read it after the end
	began  time.Time
	ended  chan struct{} // closed when the process is gone and all it said was read
}

// launch starts the program and returns at once. What is left of it at the end
// of the test is killed.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return launchCommand(t, env, exec.Command(program, args...))
}

// launchCommand is launch for a command that becomes the program.
func launchCommand(t *testing.T, env []string, cmd *exec.Cmd) *process {
	t.Helper()
	dependOnCommand()
	p := &process{cmd: cmd, log: newServerLog(), ended: make(chan struct{})}
	p.cmd.Env = append(cleanEnv(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, p.log
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill(t)
		if found := secretscan.In(p.log.String()); found != nil {
			t.Errorf("the log has %q", found)
		}
	})
	return p
}

// cleanEnv is the environment without variables that configure the program.
func cleanEnv() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TAILRACE_") {
			env = append(env, pair)
		}
	}
	return env
}

// serveArgs is a command line that serves dir.
func serveArgs(dir, listen string, more ...string) []string {
	return append([]string{"serve", "--data", dir, "--listen", listen, "--log-format", "json"}, more...)
}

// serve starts a server and waits until it serves.
func serve(t *testing.T, dir, listen string, more ...string) *process {
	t.Helper()
	p := launch(t, nil, serveArgs(dir, listen, more...)...)
	p.awaitServing(t)
	return p
}

// awaitServing waits until the server says that it serves, and returns how
// long that took since its launch.
func (p *process) awaitServing(t *testing.T) time.Duration {
	t.Helper()
	select {
	case <-p.log.serving:
		return time.Since(p.began)
	case <-p.ended:
		t.Fatalf("the server ended with exit code %d instead of serving:\n%s", p.exitCode(), p.log)
	case <-time.After(patience):
		t.Fatalf("the server does not serve:\n%s", p.log)
	}
	return 0
}

// kill ends the process as kill -9 does and waits until it is gone. The system
// closes its sockets before.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	p.awaitEnd(t)
}

// terminate asks the process to end.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// awaitEnd waits for the end of the process and returns its exit code.
func (p *process) awaitEnd(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("the process does not end:\n%s", p.log)
	}
	return p.exitCode()
}

// exitCode is -1 for a process that a signal ended. Call it after the end.
func (p *process) exitCode() int { return p.cmd.ProcessState.ExitCode() }

// url is where the server serves.
func (p *process) url() string { return p.log.value("serving", "url") }

// runToEnd runs a command of the program and returns its exit code and what it
// printed.
func runToEnd(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := launch(t, env, args...)
	select {
	case <-p.log.serving:
		t.Errorf("tailrace %q serves", args)
		p.kill(t)
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("tailrace %q does not end", args)
	}
	return p.exitCode(), p.stdout.String(), p.log.String()
}

// fileSize is a --log-file-bytes flag with its body limit, which must fit.
func fileSize(bytes int64) []string {
	body := min(bytes/4, 16<<20)
	return []string{"--log-file-bytes", strconv.FormatInt(bytes, 10), "--body-bytes", strconv.FormatInt(body, 10)}
}
