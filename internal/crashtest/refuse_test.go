package crashtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fingerprint is what a store looks like from outside: content, size, mode and
// time of every file.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSocket != 0 {
			return nil // where the server that was killed could be asked for a backup
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		if !entry.IsDir() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprintf("%v %d %v %x", info.Mode(), info.Size(), info.ModTime(), sha256.Sum256(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// requireRefused starts a server on a store and checks the store offline. Both
// refuse it, say what must be said, and leave it as it is.
func requireRefused(t *testing.T, dir string, say ...string) {
	t.Helper()
	before := fingerprint(t, dir)
	for _, args := range [][]string{serveArgs(dir, "127.0.0.1:0"), {"check", dir}} {
		code, _, stderr := runToEnd(t, nil, args...)
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1", args[0], code)
		}
		for _, want := range say {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: nothing is said of %q:\n%s", args[0], want, stderr)
			}
		}
	}
	after := fingerprint(t, dir)
	maps.DeleteFunc(after, func(path, print string) bool {
		same := before[path] == print
		if same {
			delete(before, path)
		}
		return same
	})
	for path, print := range before {
		t.Errorf("%s was changed: %s, now %q", path, print, after[path])
		delete(after, path)
	}
	for path := range after {
		t.Errorf("%s was made", path)
	}
}

// makeStore makes a store of ten appends, each in a frame of its own, and ends
// its server by a signal.
func makeStore(t *testing.T, end syscall.Signal) (dir, content string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	p := serve(t, dir, "127.0.0.1:0", fileSize(1<<20)...)
	c := newClient(p.url())
	put(t, c, "s", textKind)
	for i := range 10 {
		body := fmt.Sprintf("acknowledged message %d\n", i)
		post(t, c, "s", textKind, body)
		content += body
	}
	if err := p.cmd.Process.Signal(end); err != nil {
		t.Fatal(err)
	}
	p.awaitEnd(t)
	return dir, content
}

// edit changes a file.
func edit(t *testing.T, path string, change func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// requireContent checks a store offline, and reads it back.
func requireContent(t *testing.T, dir, content string) {
	t.Helper()
	if code, _, stderr := runToEnd(t, nil, "check", dir); code != 0 {
		t.Errorf("check: exit code %d:\n%s", code, stderr)
	}
	p := serve(t, dir, "127.0.0.1:0")
	if got := get(t, newClient(p.url()), "s"); got != content {
		t.Errorf("read back %q, want %q", got, content)
	}
}

const pageBytes = 4096

// TestCorruptStoreIsRefused damages a byte that was acknowledged.
func TestCorruptStoreIsRefused(t *testing.T) {
	for name, end := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "closed": syscall.SIGTERM} {
		for _, message := range []string{"message 0", "message 5"} {
			t.Run(name+" "+message, func(t *testing.T) {
				dir, content := makeStore(t, end)
				path := logFiles(t, dir)[0]
				at := 0
				flip := func(b []byte) {
					if at = bytes.Index(b, []byte(message)); at < 0 {
						t.Fatalf("%q is not in %s", message, path)
					}
					b[at] ^= 0x40
				}
				edit(t, path, flip)
				place := fmt.Sprintf("%s at byte %d", path, at/pageBytes*pageBytes)
				requireRefused(t, dir, place)
				edit(t, path, func(b []byte) { b[at] ^= 0x40 })
				requireContent(t, dir, content)
			})
		}
	}
}

// TestMissingLogFileIsRefused takes the log file away.
func TestMissingLogFileIsRefused(t *testing.T) {
	dir, content := makeStore(t, syscall.SIGKILL)
	path := logFiles(t, dir)[0]
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	requireRefused(t, dir, path, "missing")
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	requireContent(t, dir, content)
}

// TestOtherVersionIsRefused makes a store that a later program might have
// written: all checksums are right.
func TestOtherVersionIsRefused(t *testing.T) {
	dir, content := makeStore(t, syscall.SIGTERM)
	for name, c := range map[string]struct {
		path string
		crc  int // where the checksum of all before it stands
	}{
		"store":    {filepath.Join(dir, "STORE"), 60},
		"log file": {logFiles(t, dir)[0], pageBytes - 4},
	} {
		t.Run(name, func(t *testing.T) {
			setVersion := func(v uint32) {
				edit(t, c.path, func(b []byte) {
					binary.LittleEndian.PutUint32(b[8:], v)
					sum := crc32.Checksum(b[:c.crc], crc32.MakeTable(crc32.Castagnoli))
					binary.LittleEndian.PutUint32(b[c.crc:], sum)
				})
			}
			original, err := os.ReadFile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			setVersion(1)
			if b, _ := os.ReadFile(c.path); !bytes.Equal(b, original) {
				t.Fatalf("the version of %s is not where this test looks for it", c.path)
			}
			setVersion(2)
			requireRefused(t, dir, c.path, "version 2", "version 1")
			setVersion(1)
		})
	}
	requireContent(t, dir, content)
}
