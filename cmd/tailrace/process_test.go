package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailrace/internal/secretscan"
)

// patience is how long anything may take before a test gives up.
const patience = 60 * time.Second

// processEnv makes this program, run again, the command with the arguments in it.
const processEnv = "RUN_TAILRACE_WITH"

// TestProcess is the command, for tests that need one with a process of its own.
func TestProcess(t *testing.T) {
	text, ok := os.LookupEnv(processEnv)
	if !ok {
		t.Skip("it is started by other tests")
	}
	var args []string
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		t.Fatal(err)
	}
	os.Exit(run(args, nil, os.Stdout, os.Stderr))
}

// running is a server in a process of its own.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	ended chan struct{}

	mu    sync.Mutex
	lines []map[string]any // of its log
	news  chan struct{}    // closed, and replaced, at each line
}

// start starts a server with small files and waits until it serves. It is ended
// with the test.
func start(t *testing.T, flags ...string) *running {
	t.Helper()
	args, err := json.Marshal(append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--log-format", "json",
		"--log-file-bytes", "64KiB", "--body-bytes", "8KiB", "--drain-timeout", "30s"}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &running{t: t, cmd: exec.Command(self, "-test.run=^TestProcess$"), ended: make(chan struct{}), news: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), processEnv+"="+string(args))
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(log)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	p.url = p.await(0, "serving")["url"].(string)
	return p
}

func (p *running) follow(log io.Reader) {
	for in := bufio.NewScanner(log); in.Scan(); {
		var line map[string]any
		if json.Unmarshal(in.Bytes(), &line) != nil {
			line = map[string]any{"msg": in.Text()}
		}
		if found := secretscan.In(in.Text()); found != nil {
			p.t.Errorf("the log has %q", found)
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
	p.cmd.Wait()
	close(p.ended)
}

// logged is how many lines the log has.
func (p *running) logged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// await returns the first line of the log that begins like this, from the one with
// that number.
func (p *running) await(from int, message string) map[string]any {
	p.t.Helper()
	for deadline := time.After(patience); ; {
		p.mu.Lock()
		lines, news := p.lines, p.news
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if text, _ := lines[from]["msg"].(string); strings.HasPrefix(text, message) {
				return lines[from]
			}
		}
		select {
		case <-news:
		case <-p.ended:
			p.t.Fatalf("the process ended without saying %q: %v", message, lines)
		case <-deadline:
			p.t.Fatalf("nobody said %q: %v", message, lines)
		}
	}
}

// hangup sends SIGHUP and returns what the server says of it.
func (p *running) hangup() map[string]any {
	p.t.Helper()
	from := p.logged()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	return p.await(from, "configuration ")
}

// end lets the server drain, and expects that to go well.
func (p *running) end() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the server does not end")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		p.t.Errorf("exit code %d: %v", code, p.lines)
	}
}

// do sends a request and expects a status. The body has to be closed.
func do(t *testing.T, c *http.Client, method, url, body string, status int) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d", method, url, answer.Status, status)
	}
	return answer
}

// events are the data of an event stream, of which the comments are left out.
type events struct {
	t  *testing.T
	in *bufio.Scanner
}

func follow(t *testing.T, c *http.Client, url string) *events {
	t.Helper()
	return &events{t, bufio.NewScanner(do(t, c, "GET", url+"?offset=-1&live=sse", "", 200).Body)}
}

// want reads until an event has this data.
func (e *events) want(data string) {
	e.t.Helper()
	for e.in.Scan() {
		if got, ok := strings.CutPrefix(e.in.Text(), "data:"); ok && strings.TrimSpace(got) == data {
			return
		}
	}
	e.t.Fatalf("no event with %q: %v", data, e.in.Err())
}

// exercise makes a stream, and appends, reads and follows it.
func exercise(t *testing.T, c *http.Client, url string) *events {
	t.Helper()
	do(t, c, "PUT", url, "one ", 201).Body.Close()
	do(t, c, "POST", url, "two", 204).Body.Close()
	answer := do(t, c, "GET", url, "", 200)
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "one two" {
		t.Fatalf("read %q, %v", body, err)
	}
	e := follow(t, c, url)
	e.want("one two")
	do(t, c, "POST", url, "three", 204).Body.Close()
	e.want("three")
	return e
}

// newPair writes a certificate for the loopback interface and its key, and returns
// a pool with it.
func newPair(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	writeFile(t, filepath.Join(dir, "cert.pem"), string(cert))
	writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// clientTLS trusts what is in a pool, and has connections of its own.
func clientTLS(t *testing.T, pool *x509.CertPool) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// clientUnix connects to a socket, whatever the URL says.
func clientUnix(t *testing.T, socket string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// shortDir is a directory with a name that is short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serialOf is the number of the certificate that new connections get.
func serialOf(addr string, o *tls.Config) (string, error) {
	o.InsecureSkipVerify = true
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, o)
	if err != nil {
		return "", err
	}
	defer c.Close()
	s := c.ConnectionState()
	return fmt.Sprint(s.PeerCertificates[0].SerialNumber, " ", s.NegotiatedProtocol), nil
}
