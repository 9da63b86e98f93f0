package crashtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/s3test"
)

// bucketFlags put into a bucket what can be, as soon as it can be.
func bucketFlags(s *s3test.Server) []string {
	return []string{
		"--bucket", "s3://" + s3test.Bucket + "/crash/test", "--bucket-endpoint", s.Endpoint, "--bucket-path-style", "--bucket-allow-http",
		"--bucket-disk-bytes", "2MiB", "--bucket-cache-bytes", "512KiB", "--bucket-send-bytes", "1",
		"--bucket-publish-every", "100ms", "--bucket-grace", "0s", "--bucket-read-timeout", "5s",
		"--flush-bytes", "64KiB", "--flush-age", "100ms", "--merge-fan-in", "2", "--block-cache-bytes", "256KiB",
	}
}

// bucketWorld is a world whose history goes to a bucket.
type bucketWorld struct {
	*world
	s3     *s3test.Server
	bucket objstore.Bucket

	unsent, doomed int // servers killed while they sent, while objects waited to be deleted
	outage         int // times that the store was killed
	through        int // appends acknowledged while it was gone
	remote         int64
	unavailable    int // reads that were answered so while it was gone
}

// TestKillMinusNineWithABucket kills servers under load, and the store that has
// their history, at random moments: while segments are sent, states published,
// objects deleted, and while servers recover. Nothing that was acknowledged is
// lost, appends go on without the store, and whenever a server died the bucket
// has what the manifest says and nothing else. What is restored from it at last
// is all there was.
func TestKillMinusNineWithABucket(t *testing.T) {
	s := s3test.Start(t)
	c := s.Config()
	c.Prefix = "crash/test/"
	dir := filepath.Join(t.TempDir(), "store")
	w := &bucketWorld{s3: s, bucket: s3test.Open(t, c),
		world: &world{t: t, rand: newRand(t), dir: dir, env: s.Env(), flags: bucketFlags(s), outages: true, rounds: *tierRounds}}
	w.dead = w.audit
	w.begin()
	for n := range w.rounds {
		switch n % 3 {
		case 0:
			w.round(n)
		case 1:
			w.roundOf(n, func(r *round) { w.outageIn(r, w.rand.IntN(2) == 0) })
		case 2:
			w.roundOf(n, func(r *round) {
				w.outageIn(r, true)
				w.pause(0, 300)
			})
		}
		if w.v.guilty() {
			w.v.report(t)
			t.Fatalf("round %d; the server said:\n%s", n, w.server.log)
		}
	}
	w.finish()
	w.settled()
	digests := w.digests()
	w.server.terminate(t)
	if code := w.server.awaitEnd(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, w.server.log)
	}
	w.clean()
	w.restored(digests)
	w.v.report(t)
	t.Log(w.summary(t))
	t.Logf("  bucket: %d rounds; %d servers killed while they sent, %d while objects waited to be deleted; %d times the store, %d appends meanwhile; %d reads waited for it, %d were told to come again",
		w.rounds, w.unsent, w.doomed, w.outage, w.through, w.remote, w.unavailable)
	w.requireWork(t)
	if w.outage == 0 || w.through == 0 || w.remote == 0 {
		t.Error("no outage, no append in one, or no read from the bucket")
	}
	if w.rounds >= manyRounds && (w.unsent == 0 || w.doomed == 0 || w.unavailable == 0) {
		t.Error("no server was killed while it sent, or none while objects waited to be deleted, or no cold read was refused")
	}
}

// outageMin is how many appends have to be acknowledged without the store.
const outageMin = 100

// outageIn kills the store, and goes on when appends were acknowledged without
// it, with the store again if it is to be back.
func (w *bucketWorld) outageIn(r *round, back bool) {
	w.pause(20, 150)
	w.s3.Kill()
	w.outage++
	before := r.acked.Load()
	limit := time.After(patience)
	for r.acked.Load() < before+outageMin {
		select {
		case <-time.After(backOff):
		case <-limit:
			w.t.Fatalf("without the store %d appends were acknowledged:\n%s", r.acked.Load()-before, w.server.log)
		}
	}
	w.through += int(r.acked.Load() - before)
	w.readCold()
	if back {
		w.s3.Restart(w.t)
	}
}

// readCold reads what is not on the disk while the store is gone: the answer is
// the truth, or none for now.
func (w *bucketWorld) readCold() {
	w.t.Helper()
	tr := w.tracks[w.rand.IntN(len(w.tracks))]
	var got []place
	a, err := w.admin.read(tr.name, beginning, func(a answer, from string) {
		all, err := tr.kind.decode(a.body)
		if err != nil {
			w.v.add(corrupt, "%s: after %s: %v", tr.name, from, err)
		}
		got = append(got, all...)
	})
	if n := min(len(got), len(tr.order)); !slices.Equal(got[:n], tr.order[:n]) {
		w.v.add(takenBack, "%s: without the store it has %s, with it %s", tr.name, first(got), first(tr.order))
	}
	switch {
	case err == nil && a.status == http.StatusOK:
	case err == nil && a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), "storage_unavailable"):
		w.unavailable++
	default:
		w.v.add(refused, "read %s without the store: %v %v", tr.name, err, a)
	}
}

// audit looks at the bucket of a server that was killed. A store that is gone
// too comes back now or, every other time, after the next server has started.
func (w *bucketWorld) audit() {
	w.t.Helper()
	if w.s3.Running() || w.rand.IntN(2) == 0 {
		if !w.s3.Running() {
			w.s3.Restart(w.t)
		}
		a := w.look()
		if a.Unsent > 0 {
			w.unsent++
		}
		if a.Doomed > 0 {
			w.doomed++
		}
		return
	}
	w.launch()
	w.restarts = append(w.restarts, w.server.awaitServing(w.t))
	w.s3.Restart(w.t)
	w.kill()
	w.unready++
}

// look demands that the bucket has what the store refers to, and nothing else.
func (w *bucketWorld) look() engine.Audit {
	w.t.Helper()
	a, err := engine.AuditBucket(w.t.Context(), engine.Options{Dir: w.dir, Tier: &engine.TierOptions{Bucket: w.bucket}})
	if err != nil || len(a.Lost)+len(a.Orphans) > 0 {
		w.t.Fatalf("audit: %+v, %v", a, err)
	}
	return a
}

// tierStatus is what the command says about the bucket.
func (w *bucketWorld) tierStatus() engine.TierStats {
	w.t.Helper()
	code, stdout, stderr := runToEnd(w.t, nil, "status", "--data", w.dir, "--json")
	var s struct{ Bucket *engine.TierStats }
	if err := json.Unmarshal([]byte(stdout), &s); code != 0 || err != nil || s.Bucket == nil {
		w.t.Fatalf("status: exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	return *s.Bucket
}

// settled waits until the bucket has everything and nothing too much.
func (w *bucketWorld) settled() {
	w.t.Helper()
	for limit := time.Now().Add(patience); ; {
		s := w.tierStatus()
		if s.Phase == engine.TierReady && s.CoveredAt > 0 && s.MissingSeconds == 0 && s.MissingBytes == 0 && s.WaitingSegments == 0 && s.DoomedObjects == 0 {
			w.remote = s.CacheMisses
			return
		}
		if time.Now().After(limit) {
			w.t.Fatalf("the bucket does not come to rest: %+v\n%s", s, w.server.log)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// clean looks at the bucket after a regular end.
func (w *bucketWorld) clean() {
	w.t.Helper()
	if a := w.look(); a.Unsent+a.Doomed > 0 || a.Objects == 0 {
		w.t.Errorf("audit at the end: %+v", a)
	}
	code, stdout, stderr := runToEnd(w.t, w.env, append([]string{"check", w.dir}, w.flags[:6]...)...)
	if code != 0 || !strings.Contains(stdout, "nothing lost in the bucket") || strings.Contains(stdout, "orphan") {
		w.t.Errorf("check: exit code %d: %s%s", code, stdout, stderr)
	}
}

// digests are of every shared stream, all of it. Where a response ends is up to
// the server, so the brackets that make an array of one are left out.
func (w *bucketWorld) digests() map[string]string {
	w.t.Helper()
	all := make(map[string]string)
	for _, tr := range w.tracks {
		sum := sha256.New()
		a, err := w.admin.read(tr.name, beginning, func(a answer, _ string) {
			body := a.body
			if tr.kind == jsonKind {
				if body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]")); len(body) > 0 {
					body = append(body, ',')
				}
			}
			sum.Write(body)
		})
		if err != nil || a.status != http.StatusOK {
			w.t.Fatalf("read %s: %v %v", tr.name, err, a)
		}
		all[tr.name] = fmt.Sprintf("%x up to %s", sum.Sum(nil), a.next())
	}
	return all
}

// restored makes a store of the bucket, serves it in place of the old one, and
// judges it as that one was.
func (w *bucketWorld) restored(want map[string]string) {
	w.t.Helper()
	again := filepath.Join(w.t.TempDir(), "restored")
	code, stdout, stderr := runToEnd(w.t, w.env, append([]string{"restore", again}, w.flags[:6]...)...)
	if code != 0 || !strings.Contains(stdout, "--bucket-takeover") {
		w.t.Fatalf("restore: exit code %d: %s%s", code, stdout, stderr)
	}
	old := w.dir
	w.dir, w.flags = again, append(w.flags, "--bucket-takeover")
	w.launch()
	w.server.awaitServing(w.t)
	w.admin.forget()
	w.judge(nil, true)
	for name, digest := range w.digests() {
		if digest != want[name] {
			w.v.add(lost, "%s: restored with digest %s, want %s", name, digest, want[name])
		}
	}
	w.settled()
	w.server.terminate(w.t)
	w.server.awaitEnd(w.t)
	w.look()
	// The directory that it was taken from leaves the bucket alone.
	p := launch(w.t, w.env, serveArgs(old, w.addr, w.flags[:len(w.flags)-1]...)...)
	if code := p.awaitEnd(w.t); code != 2 || !strings.Contains(p.log.String(), "--bucket-takeover") {
		w.t.Errorf("the old directory: exit code %d:\n%s", code, p.log)
	}
	w.dir = old
}

// TestStartWithoutTheBucket starts a server while its bucket is away: it serves,
// says so, and finds the bucket when that comes back.
func TestStartWithoutTheBucket(t *testing.T) {
	s := s3test.Start(t)
	s.Kill()
	dir := filepath.Join(t.TempDir(), "store")
	p := launch(t, s.Env(), serveArgs(dir, "127.0.0.1:0", append(fileSize(256<<10), bucketFlags(s)...)...)...)
	p.awaitServing(t)
	c := newClient(p.url())
	put(t, c, "s", textKind)
	post(t, c, "s", textKind, "without a bucket")
	await := func(message string) {
		t.Helper()
		for limit := time.Now().Add(patience); p.log.value(message, "phase") == ""; <-time.After(backOff) {
			if time.Now().After(limit) {
				t.Fatalf("the server does not say %q:\n%s", message, p.log)
			}
		}
	}
	await("bucket is starting")
	s.Restart(t)
	await("bucket is ready")
	if got := get(t, c, "s"); got != "without a bucket" {
		t.Errorf("read back %q", got)
	}
	if trouble := p.log.trouble(); len(trouble) > 0 {
		t.Errorf("the server said: %q", trouble)
	}
}
