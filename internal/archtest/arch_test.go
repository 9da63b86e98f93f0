// Package archtest holds the tests that keep the shape of the project: which
// package may import which, and where the outside world is touched.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// graph says which packages of ours each package may import. Arrows point
// down: a package that is missing here, or an arrow that is not drawn, fails.
var graph = map[string][]string{
	"index":                {},
	"internal/stream":      {},
	"internal/model":       {},
	"internal/jsonmode":    {},
	"internal/sse":         {},
	"internal/sse/ssetest": {},
	"internal/vfs":         {},
	"internal/vfs/memfs":   {"internal/vfs"},
	"internal/vfs/faultfs": {"internal/vfs"},
	"internal/vfs/vfstest": {"internal/vfs"},
	"internal/frame":       {},
	"internal/meter":       {},
	"wal":                  {"internal/frame", "internal/meter", "internal/vfs"},
	"wal/waltest":          {"wal", "internal/frame", "internal/vfs"},
	"internal/manifest":    {"internal/frame", "internal/vfs"},
	"internal/checkpoint":  {"internal/frame"},
	"internal/bucket":      {"internal/frame"},
	"internal/remote":      {"internal/frame", "internal/vfs"},
	"segment":              {"index", "internal/frame"},
	"engine": {"index", "internal/bucket", "internal/checkpoint", "internal/frame", "internal/jsonmode", "internal/manifest",
		"internal/meter", "internal/objstore", "internal/project", "internal/remote", "internal/stream", "internal/vfs", "segment", "wal"},
	"internal/secretscan": {},
	"internal/evloop":     {},
	"internal/project":    {},
	"internal/admin":      {"engine", "internal/meter", "internal/project", "internal/stream"},
	"internal/client":     {},
	"internal/auth":       {"internal/meter", "internal/project"},
	"internal/config":     {"internal/project"},
	"server": {"engine", "internal/auth", "internal/evloop", "internal/jsonmode", "internal/meter", "internal/project",
		"internal/sse", "internal/stream"},
	"cmd/tailrace": {"engine", "internal/admin", "internal/auth", "internal/bucket", "internal/checkpoint", "internal/client", "internal/config",
		"internal/frame", "internal/manifest", "internal/meter", "internal/objstore", "internal/project",
		"internal/objstore/dir", "internal/objstore/s3", "internal/vfs", "segment", "server", "wal"},

	"internal/objstore":          {"internal/frame"},
	"internal/objstore/mem":      {"internal/frame", "internal/objstore"},
	"internal/objstore/dir":      {"internal/frame", "internal/objstore", "internal/vfs"},
	"internal/objstore/faultobj": {"internal/frame", "internal/objstore"},
	"internal/objstore/objtest":  {"internal/objstore"},
	"internal/objstore/s3":       {"internal/objstore"},
	"internal/objstore/s3test":   {"internal/objstore", "internal/objstore/s3"},
}

// only says who may import what the project is built on.
var only = map[string][]string{
	"github.com/valyala/fasthttp":                   {"server"},
	"github.com/klauspost/compress/gzip":            {"server"},
	"github.com/klauspost/compress/zstd":            {"segment"},
	"github.com/RoaringBitmap/roaring/v2/roaring64": {"engine", "segment"},
	"golang.org/x/sys/unix":                         {"internal/evloop"},
	"github.com/spf13/pflag":                        {"cmd/tailrace", "internal/config"},
	"github.com/dustin/go-humanize":                 {"cmd/tailrace", "internal/config"},
	"github.com/BurntSushi/toml":                    {"internal/config"},
	"github.com/VictoriaMetrics/metrics":            {"cmd/tailrace", "engine", "internal/admin", "internal/auth", "internal/meter", "server", "wal"},
	"golang.org/x/time/rate":                        {"internal/auth", "server"},
	"github.com/aws":                                {"internal/objstore/s3"},
	"github.com/go-jose":                            {"internal/auth"},
	"github.com/hashicorp/golang-lru":               {"internal/auth"},
}

// testOnly are packages of ours that only tests may import.
var testOnly = []string{"internal/model", "internal/sse/ssetest", "internal/vfs/memfs", "internal/vfs/faultfs", "internal/vfs/vfstest", "wal/waltest",
	"internal/objstore/mem", "internal/objstore/faultobj", "internal/objstore/objtest", "internal/objstore/s3test", "internal/secretscan"}

type pkg struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

const module = "tailrace/"

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // others hold tests only: they may import anything
			all = append(all, p)
		}
	}
}

func TestArrowsPointDown(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		seen[name] = true
		allowed, known := graph[name]
		if !known {
			t.Errorf("package %s is not in the graph: say what it may import", name)
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				if !slices.Contains(allowed, ours) {
					t.Errorf("%s imports %s: the graph has no such arrow", name, ours)
				}
				if slices.Contains(testOnly, ours) && !slices.Contains(testOnly, name) {
					t.Errorf("%s imports %s, which is for tests", name, ours)
				}
			}
			for lib, users := range only {
				if (imported == lib || strings.HasPrefix(imported, lib+"/")) && !slices.Contains(users, name) {
					t.Errorf("%s imports %s: only %v may", name, imported, users)
				}
			}
		}
	}
	for name := range graph {
		if !seen[name] {
			t.Errorf("the graph names %s, which does not exist", name)
		}
	}
}

// TestFilesAreTouchedInOnePlace keeps the file functions of package os, and
// the system calls, inside the file seam and the command. The event loop has
// descriptors too, of sockets, and the servers that tests start have theirs.
func TestFilesAreTouchedInOnePlace(t *testing.T) {
	users := map[string][]string{
		"os":        {"internal/vfs", "internal/evloop", "internal/objstore/s3test", "internal/config", "cmd/tailrace"},
		"os/signal": {"cmd/tailrace"},
	}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for lib, allowed := range users {
			if slices.Contains(p.Imports, lib) && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s: only %v may", name, lib, allowed)
			}
		}
	}
}
