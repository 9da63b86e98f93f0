package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKillMinusNineLosesNothing kills a server under load again and again. What
// was acknowledged is there, once, in order, where it was said to be; what was
// not is repeated until it is, and is there once too; nothing that was ever
// shown is taken back.
func TestKillMinusNineLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if *keepFlag != "" {
		dir = *keepFlag
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("%s is there already", dir)
		}
	}
	w := newWorld(t, dir)
	for n := range w.rounds {
		w.round(n)
		if w.v.guilty() {
			w.v.report(t)
			t.Fatalf("round %d; the server said:\n%s", n, w.server.log)
		}
	}
	w.finish()
	w.kill()
	code, stdout, stderr := runToEnd(t, nil, "check", dir)
	if code != 0 {
		t.Errorf("check: exit code %d: %s%s", code, stdout, stderr)
	}
	w.v.report(t)
	t.Log(w.summary(t))
	w.requireWork(t)
}

// summary is the result in one line, and what was done in a few more.
func (w *world) summary(t *testing.T) string {
	acked, bytes, retried, landed, repeated := 0, 0, 0, 0, 0
	for _, p := range w.producers {
		acked += p.acked
		bytes += p.bodyBytes
		retried += p.retried
		landed += p.landed
		repeated += p.repeated
	}
	steps, stepsRetried, objects := 0, 0, 0
	for _, k := range w.workers {
		steps += k.steps
		stepsRetried += k.retried
		objects += len(k.objects)
	}
	slices.Sort(w.restarts)
	var p50, longest time.Duration
	if n := len(w.restarts); n > 0 {
		p50, longest = w.restarts[n/2], w.restarts[n-1]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "crash: %d rounds, %d acknowledged, %d lost, %d doubled, %d reordered, %d corrupt, restart p50 %v max %v\n",
		w.rounds, acked, w.v.count(lost), w.v.count(doubled), w.v.count(reordered), w.v.count(corrupt),
		p50.Round(time.Millisecond), longest.Round(time.Millisecond))
	fmt.Fprintf(&b, "  %d bytes by %d producers; %d appends retried after a crash, %d of them had landed; %d repeated on purpose; %d answers asked to come later\n",
		bytes, len(w.producers), retried, landed, repeated, w.later)
	fmt.Fprintf(&b, "  %d creates, appends, closes, forks and deletes of %d other streams, %d retried\n", steps, objects, stepsRetried)
	fmt.Fprintf(&b, "  %d misplaced, %d taken back from live readers (%d), %d undone, %d refused; %d servers killed while they recovered; %d log files",
		w.v.count(misplaced), w.v.count(takenBack), len(w.followers)+w.newcomers, w.v.count(undone), w.v.count(refused), w.unready, filesMade(t, w.dir))
	return b.String()
}

// manyRounds are enough to fill log files on any machine.
const manyRounds = 50

// requireWork fails a test that proved nothing: one where nothing was stored,
// no crash left an answer open, or no log file was filled.
func (w *world) requireWork(t *testing.T) {
	retried := 0
	for _, p := range w.producers {
		retried += p.retried
		if p.acked == 0 {
			t.Errorf("%v: nothing was acknowledged", p)
		}
	}
	if retried == 0 {
		t.Error("no crash left an append without answer")
	}
	if files := filesMade(t, w.dir); w.rounds >= manyRounds && files <= w.rounds+w.unready+1 {
		t.Errorf("%d log files, as many as there were servers: none was filled", files)
	}
}

// filesMade is how many log files a store has had, by the number of the newest:
// those that segments have made needless are gone.
func filesMade(t *testing.T, dir string) int {
	t.Helper()
	names := logFiles(t, dir)
	if len(names) == 0 {
		t.Fatal("the store has no log file")
	}
	n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(names[len(names)-1]), ".wal"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// logFiles returns the names of a store's log files in order.
func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "wal", "*.wal"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
