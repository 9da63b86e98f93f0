package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	startTime = time.Minute // for a program to answer
	pollTime  = 5 * time.Millisecond
)

// process is a program that serves HTTP on one address.
type process struct {
	path   string
	args   []string
	health string // URL that answers 200 when it serves

	cmd  *exec.Cmd
	done chan struct{} // closed when it ended
	out  *output
}

// start starts the program and waits until it answers.
func (p *process) start() error {
	p.cmd = exec.Command(p.path, p.args...)
	p.out = &output{}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // ends by our kill; before that, start reports it
		close(done)
	}(p.cmd, p.done)

	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for {
		if answers(ctx, p.health) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.path, p.out)
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("%s does not answer: %s", p.path, p.out)
		}
	}
}

// kill ends the program without warning and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.done
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// portTries is how often another port is taken when somebody else was faster.
const portTries = 5

// serve starts a program on a free port of the loopback interface.
func serve(t testing.TB, describe func(address string) *process) (p *process, address string) {
	t.Helper()
	var errs []error
	for range portTries {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		p = describe(address)
		if err := p.start(); err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() { p.kill() })
		return p, address
	}
	t.Fatalf("s3test: %v", errors.Join(errs...))
	return nil, ""
}

// outputMax bounds what is kept of what a program writes: its beginning.
const outputMax = 16 << 10

type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := outputMax - o.buf.Len(); room > 0 {
		o.buf.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
