package proxytest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// caddyOptions are those of a test: nothing of the machine is touched, and nobody
// is asked for a certificate. The site is that of the documentation.
const caddyOptions = `{
	admin off
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	default_bind 127.0.0.1
	storage file_system %q
	servers {
		protocols h1 h2
	}
}
import %q
`

func startCaddy(t *testing.T, path, upstream string) *front {
	t.Helper()
	documented, err := filepath.Abs("../../docs/front-ends/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, caddyOptions, dir, documented), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "caddy", []string{"HOME=" + dir, "SITE=https://localhost:" + port, "UPSTREAM=" + upstream},
		path, "run", "--adapter", "caddyfile", "--config", config)
	served, certified := false, false
	p.await(t, func(line string) bool {
		var record struct{ Msg string }
		if json.Unmarshal([]byte(line), &record) == nil {
			served = served || record.Msg == "serving initial configuration"
			certified = certified || record.Msg == "certificate obtained successfully"
		}
		return served && certified
	})
	return newFront(t, port, filepath.Join(dir, "pki", "authorities", "local", "root.crt"))
}
