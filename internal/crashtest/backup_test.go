package crashtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBackupWhileServingIsAWholeStore backs a loaded server up, kills it,
// restores, and compares: each stream of the restored store is a beginning of
// what was sent, and has all that was acknowledged before the backup began.
func TestBackupWhileServingIsAWholeStore(t *testing.T) {
	dir := t.TempDir()
	data, saved := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	tiny := append(fileSize(64<<10), "--flush-bytes", "16384", "--merge-fan-in", "2", "--block-cache-bytes", "65536")
	p := serve(t, data, "127.0.0.1:0", tiny...)
	const streams = 8
	url := func(p *process, i int) string { return fmt.Sprintf("%s/v1/stream/s%d", p.url(), i) }
	client := &http.Client{Timeout: patience}
	send := func(method, url, body string) error {
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "text/plain")
		res, err := client.Do(r)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("%s %s: %s", method, url, res.Status)
		}
		return nil
	}

	var mu sync.Mutex
	sent, acked := make([]string, streams), make([]int, streams)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range streams {
		if err := send(http.MethodPut, url(p, i), ""); err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf("%d of stream %d;%s", n, i, strings.Repeat("x", n*37%900))
				mu.Lock()
				sent[i] += body
				mu.Unlock()
				if err := send(http.MethodPost, url(p, i), body); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[i] = len(sent[i])
				mu.Unlock()
			}
		})
	}
	// Until there are segments, all of it would be in the log.
	if err := send(http.MethodPut, p.url()+"/v1/stream/more", ""); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		found, err := filepath.Glob(filepath.Join(data, "seg", "*.seg"))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no segments: %v", err)
		}
		if len(found) > 1 {
			break
		}
		if err := send(http.MethodPost, p.url()+"/v1/stream/more", "more"); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(data, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control socket: %v, %v", info, err)
	}
	mu.Lock()
	before := append([]int(nil), acked...)
	mu.Unlock()
	if code, out, stderr := runToEnd(t, nil, "backup", saved, "--data", data); code != 0 || !strings.Contains(out, "backup of") {
		t.Fatalf("backup: exit code %d: %s%s", code, out, stderr)
	}
	close(stop)
	writers.Wait()
	p.kill(t)

	again := filepath.Join(dir, "again")
	for _, command := range [][]string{{"check", saved}, {"restore", saved, again}, {"check", again}, {"check", data, "--repair"}} {
		if code, out, stderr := runToEnd(t, nil, command...); code != 0 || !strings.Contains(out, "no fault found") {
			t.Fatalf("%v: exit code %d: %s%s", command, code, out, stderr)
		}
	}
	if code, _, _ := runToEnd(t, nil, serveArgs(saved, "127.0.0.1:0")...); code != 1 {
		t.Errorf("a backup was served, exit code %d", code)
	}
	compare := func(dir string, from []int) {
		t.Helper()
		p := serve(t, dir, "127.0.0.1:0", tiny...)
		for i := range streams {
			got := readWhole(t, client, url(p, i))
			if len(got) < from[i] || !strings.HasPrefix(sent[i], got) {
				t.Errorf("%s: stream %d has %d bytes, acknowledged were %d", dir, i, len(got), from[i])
			}
		}
		p.terminate(t)
		p.awaitEnd(t)
	}
	compare(again, before)
	compare(data, acked)

	// With no server there, the command opens the store itself.
	if code, out, stderr := runToEnd(t, nil, "backup", filepath.Join(dir, "offline"), "--data", data); code != 0 {
		t.Errorf("backup without a server: exit code %d: %s%s", code, out, stderr)
	}
	if code, _, stderr := runToEnd(t, nil, "backup", saved, "--data", data); code != 1 || !strings.Contains(stderr, "not an empty directory") {
		t.Errorf("backup over a backup: exit code %d: %s", code, stderr)
	}
}

// readWhole reads a stream to its tail.
func readWhole(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	var all bytes.Buffer
	for offset := "-1"; ; {
		res, err := client.Get(url + "?offset=" + offset)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(&all, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("read %s: %s, %v", url, res.Status, err)
		}
		offset = res.Header.Get("Stream-Next-Offset")
		if n == 0 || res.Header.Get("Stream-Up-To-Date") != "" {
			return all.String()
		}
	}
}
