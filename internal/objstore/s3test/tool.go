package s3test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tool is a pinned program.
type tool struct{ name, pkg, env string }

var (
	versitygw = tool{"versitygw", "github.com/versity/versitygw/cmd/versitygw", "TAILRACE_VERSITYGW"}
	toxiproxy = tool{"toxiproxy", "github.com/Shopify/toxiproxy/v2/cmd/server", "TAILRACE_TOXIPROXY"}
)

// find returns the path of the binary, which it builds if there is none that is
// as new as its version.
func (p tool) find(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(p.env); path != "" {
		return path
	}
	path, err := p.built()
	if err != nil {
		t.Fatalf("s3test: %s: %v", p.name, err)
	}
	return path
}

func (p tool) built() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	bin, module := filepath.Join(root, "bin"), filepath.Join(root, "internal", "testtools")
	path := filepath.Join(bin, p.name)
	if upToDate(path, module) {
		return path, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	// Packages are tested at the same time, by processes that know nothing of
	// each other: the others wait and find it built.
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := flock(lock); err != nil {
		return "", err
	}
	if upToDate(path, module) {
		return path, nil
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", path+".new", p.pkg)
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, os.Rename(path+".new", path)
}

func upToDate(path, module string) bool {
	built, err := os.Stat(path)
	if err != nil {
		return false
	}
	pinned, err := os.Stat(filepath.Join(module, "go.sum"))
	return err == nil && !built.ModTime().Before(pinned.ModTime())
}

// moduleRoot is the directory above the package under test that has the main
// module.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module tailrace\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not below the module tailrace")
		}
		dir = parent
	}
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
