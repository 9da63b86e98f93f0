package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the command itself in a process of its own, for what only all of it
// shows: what its flags mean together, and what it costs beside a server of another
// build.
type program struct {
	addr  string // of clients
	admin string // of operators; "" without
	cmd   *exec.Cmd
	ended chan error // why it ended, when it has
	log   *tail
}

// buildProgram builds the command as it is now.
func buildProgram(tb testing.TB) string {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "tailrace")
	if out, err := exec.Command("go", "build", "-o", binary, "tailrace/cmd/tailrace").CombinedOutput(); err != nil {
		tb.Fatalf("bench: build the command: %v\n%s", err, out)
	}
	return binary
}

// programPatience is how long the command may take to begin and to end.
const programPatience = time.Minute

// startProgram starts a binary on a new store and waits until it serves. It is
// ended with the test.
func startProgram(tb testing.TB, binary string, flags ...string) *program {
	tb.Helper()
	flags = append([]string{"serve", "--data", filepath.Join(tb.TempDir(), "data"), "--listen", "127.0.0.1:0", "--log-format", "json"}, flags...)
	p := &program{cmd: exec.Command(binary, flags...), ended: make(chan error, 1), log: new(tail)}
	for _, pair := range environ() {
		if !strings.HasPrefix(pair, "TAILRACE_") {
			p.cmd.Env = append(p.cmd.Env, pair)
		}
	}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.end(tb) })
	serving := make(chan struct{})
	go p.follow(log, hasFlag(flags, "--admin-listen"), serving)
	select {
	case <-serving:
	case err := <-p.ended:
		tb.Fatalf("bench: %s ended instead of serving: %v\n%s", binary, err, p.log)
	case <-time.After(programPatience):
		tb.Fatalf("bench: %s does not serve\n%s", binary, p.log)
	}
	return p
}

func hasFlag(flags []string, name string) bool {
	for _, f := range flags {
		if f == name {
			return true
		}
	}
	return false
}

// follow reads the log to its end. The addresses are in it.
func (p *program) follow(log io.Reader, admin bool, serving chan<- struct{}) {
	for in := bufio.NewScanner(log); in.Scan(); {
		p.log.add(in.Text())
		var line struct{ Msg, URL string }
		if serving == nil || json.Unmarshal(in.Bytes(), &line) != nil {
			continue
		}
		switch line.Msg {
		case "serving":
			p.addr = strings.TrimPrefix(line.URL, "http://")
		case "serving operators":
			p.admin = line.URL
		}
		if p.addr != "" && (!admin || p.admin != "") {
			close(serving)
			serving = nil
		}
	}
	p.ended <- p.cmd.Wait()
}

// end asks the process to end, which is to be without an error.
func (p *program) end(tb testing.TB) {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			tb.Errorf("bench: the server ended: %v\n%s", err, p.log)
		}
	case <-time.After(programPatience):
		p.cmd.Process.Kill()
		<-p.ended
		tb.Errorf("bench: the server did not end\n%s", p.log)
	}
}

// state is what a child would say of itself, as far as the system knows it.
func (p *program) state(tb testing.TB) state {
	tb.Helper()
	cpu, err := cpuTimeOf(p.cmd.Process.Pid)
	if err != nil {
		tb.Fatal(err)
	}
	return state{CPU: cpu}
}

// clockTick is the unit of times in /proc, whatever the kernel counts in.
const clockTick = 10 * time.Millisecond

// cpuTimeOf is the CPU time of a process so far, in user and system mode, as exact
// as a tick.
func cpuTimeOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("bench: read CPU time: %w", err)
	}
	// The second field is the name in parentheses, with any characters.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0, fmt.Errorf("bench: read CPU time: %q", text)
	}
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("bench: read CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// profiled profiles the process for so long, if a profile was asked for, and returns
// what waits for the end of that. It needs --pprof.
func (p *program) profiled(tb testing.TB, what string, d time.Duration) (wait func()) {
	tb.Helper()
	if *profile == "" {
		return func() {}
	}
	out, err := os.Create(*profile + "-" + what)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer out.Close()
		r, err := http.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.admin, int(d.Seconds())))
		if err == nil {
			_, err = io.Copy(out, r.Body)
			r.Body.Close()
		}
		done <- err
	}()
	return func() {
		if err := <-done; err != nil {
			tb.Errorf("bench: profile: %v", err)
		}
	}
}

// series reads the metrics, by their names with labels.
func (p *program) series(tb testing.TB) map[string]float64 {
	tb.Helper()
	r, err := http.Get(p.admin + "/metrics")
	if err != nil {
		tb.Fatalf("bench: %v\n%s", err, p.log)
	}
	defer r.Body.Close()
	all := make(map[string]float64)
	in := bufio.NewScanner(r.Body)
	for in.Scan() {
		name, value, _ := strings.Cut(in.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = n
		}
	}
	if err := in.Err(); err != nil || r.StatusCode != http.StatusOK {
		tb.Fatalf("bench: metrics: status %d, %v", r.StatusCode, err)
	}
	return all
}
