package proxytest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"tailrace/internal/secretscan"
)

// process is a program that runs until the end of the test.
type process struct {
	name  string
	lines chan string   // of what it says, until it is awaited no more
	ended chan struct{} // closed when it is gone

	mu  sync.Mutex
	log []string
}

// launch starts a program, of which the environment is env alone. What it said is
// shown if the test fails.
func launch(t *testing.T, name string, env []string, command ...string) *process {
	t.Helper()
	p := &process{name: name, lines: make(chan string, 1000), ended: make(chan struct{})}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = env
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(in); s.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, s.Text())
			p.mu.Unlock()
			select {
			case p.lines <- s.Text():
			default: // nobody listens any more
			}
		}
		in.Close()
		cmd.Wait() // it was killed
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // it may have ended
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Errorf("%s does not end", name)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if found := secretscan.In(strings.Join(p.log, "\n")); found != nil {
			t.Errorf("%s said %q", name, found)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, strings.Join(p.log, "\n"))
		}
	})
	return p
}

// await waits for a line that counts, and returns it.
func (p *process) await(t *testing.T, counts func(line string) bool) string {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case line := <-p.lines:
			if counts(line) {
				return line
			}
		case <-p.ended:
			t.Fatalf("%s has ended", p.name)
		case <-timeout:
			t.Fatalf("%s does not say that it serves", p.name)
		}
	}
}

// serve starts tailrace and returns its address.
func serve(t *testing.T, flags ...string) (addr string) {
	t.Helper()
	p := launch(t, "tailrace", nil, append([]string{program, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0",
		"--log-format", "json", "--trust-forwarded"}, flags...)...)
	var record struct{ Msg, URL string }
	p.await(t, func(line string) bool { return json.Unmarshal([]byte(line), &record) == nil && record.Msg == "serving" })
	return strings.TrimPrefix(record.URL, "http://")
}

// freePort is one that nobody listens on: a proxy has to be told its port.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
