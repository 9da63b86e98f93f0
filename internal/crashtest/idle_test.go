package crashtest

import (
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestIdleRestartsDoNotGrowTheStore kills a server that has nothing to do, over
// and over. Every start begins a log file; what the earlier ones leave must be
// next to nothing.
func TestIdleRestartsDoNotGrowTheStore(t *testing.T) {
	r := newRand(t)
	dir := filepath.Join(t.TempDir(), "store")
	size := fileSize(*idleFile)
	const appends = 20
	p := serve(t, dir, "127.0.0.1:0", size...)
	c := newClient(p.url())
	put(t, c, "idle", textKind)
	var want string
	for i := range appends {
		body := "message " + strconv.Itoa(i) + "\n"
		post(t, c, "idle", textKind, body)
		want += body
	}
	p.kill(t)
	before := allocated(t, dir)
	for range *idleFlag {
		p := launch(t, nil, serveArgs(dir, "127.0.0.1:0", size...)...)
		p.awaitServing(t)
		// The next log file is being made in the background: have it cut off
		// anywhere.
		<-time.After(time.Duration(r.IntN(60)) * time.Millisecond)
		p.kill(t)
	}
	// Each append, and the create, has a frame of one page at most; two pages
	// are left of a log file that nobody used.
	data := int64(appends+1)*4096 + int64(*idleFlag+1)*2*4096
	after := allocated(t, dir)
	t.Logf("idle: %d unclean restarts, %d bytes before, %d after, log files of %d", *idleFlag, before, after, *idleFile)
	if limit := 3**idleFile + data; after >= limit {
		t.Errorf("after %d restarts the store has %d bytes, limit %d", *idleFlag, after, limit)
	}
	p = serve(t, dir, "127.0.0.1:0", size...)
	if got := get(t, newClient(p.url()), "idle"); got != want {
		t.Errorf("read back %q, want %q", got, want)
	}
}

// allocated is what a store takes on the medium in bytes.
func allocated(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Lstat(path, &st)
		}
		bytes += st.Blocks * 512
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// put creates a stream.
func put(t *testing.T, c *client, name string, k kind) {
	t.Helper()
	a, err := c.do(request{method: "PUT", name: name, header: []string{"Content-Type", k.contentType()}})
	if err != nil || a.status != http.StatusCreated {
		t.Fatalf("create %s: %v %v", name, err, a)
	}
}

// post appends to a stream.
func post(t *testing.T, c *client, name string, k kind, body string) {
	t.Helper()
	a, err := c.do(request{method: "POST", name: name, body: []byte(body), header: []string{"Content-Type", k.contentType()}})
	if err != nil || a.status != http.StatusNoContent {
		t.Fatalf("append to %s: %v %v", name, err, a)
	}
}

// get reads a stream.
func get(t *testing.T, c *client, name string) (body string) {
	t.Helper()
	a, err := c.read(name, beginning, func(a answer, _ string) { body += string(a.body) })
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("read %s: %v %v", name, err, a)
	}
	return body
}
