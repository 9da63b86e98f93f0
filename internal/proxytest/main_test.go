package proxytest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var (
	caddyFlag = flag.String("proxy.caddy", "", "path of caddy, to be tested with docs/front-ends/Caddyfile")
	nginxFlag = flag.String("proxy.nginx", "", "path of nginx, to be tested with docs/front-ends/nginx.conf")
)

// patience is how long anything may take before a test gives up. It is no measure
// of speed.
const patience = 60 * time.Second

// program is the path of tailrace; empty if no proxy is given.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if *caddyFlag == "" && *nginxFlag == "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tailrace-proxytest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxytest:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "tailrace")
	if out, err := exec.Command("go", "build", "-o", program, "tailrace/cmd/tailrace").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "proxytest: build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// proxies are the front-ends by name: the path of each, and what starts it.
var proxies = []struct {
	name  string
	path  *string
	start func(t *testing.T, path, upstream string) *front
}{
	{"caddy", caddyFlag, startCaddy},
	{"nginx", nginxFlag, startNginx},
}

// through runs a test through each proxy that there is, with a server of its own
// behind it.
func through(t *testing.T, flags []string, test func(t *testing.T, f *front)) {
	tested := false
	for _, p := range proxies {
		if *p.path == "" {
			continue
		}
		tested = true
		t.Run(p.name, func(t *testing.T) {
			test(t, p.start(t, *p.path, serve(t, flags...)))
		})
	}
	if !tested {
		t.Skip("no proxy is given: make test-proxy")
	}
}
