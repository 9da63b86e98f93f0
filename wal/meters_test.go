package wal

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

// numbers is what the metrics page says, by series.
func numbers(t testing.TB, set *metrics.Set) map[string]float64 {
	t.Helper()
	var page strings.Builder
	if err := meter.Write(&page, set); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for line := range strings.Lines(page.String()) {
		if line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, twice := all[line[:at]]; twice {
			t.Errorf("%s is there twice", line[:at])
		}
		all[line[:at]] = v
	}
	return all
}

func wantNumbers(t testing.TB, set *metrics.Set, want map[string]float64) {
	t.Helper()
	got := numbers(t, set)
	for series, v := range want {
		if n, ok := got["tailrace_wal_"+series]; !ok || n != v {
			t.Errorf("%s is %v (there: %t), want %v", series, n, ok, v)
		}
	}
}

// TestNumbersAreWhatHappened stages, commits, rotates, trims and opens again, and
// compares the page with what was done.
func TestNumbersAreWhatHappened(t *testing.T) {
	set := metrics.NewSet()
	o := testOptions(memfs.New())
	o.Metrics = set
	l, _, _ := mustOpen(t, o)
	g := NewGroup(l, GroupOptions{Manual: true, Metrics: set})
	stage := func(n, size int) {
		t.Helper()
		for range n {
			if _, _, err := g.Stage(Growth, nil, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit := func() {
		t.Helper()
		if ok, err := g.Commit(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	stage(3, 100)
	wantNumbers(t, set, map[string]float64{
		"staged_batches": 1, "staged_bytes": 3 * 101, "commits_total": 0, "spare_ready": 0, "failed": 0, "files": 1,
		"recovery_clean": 1, "recovery_torn": 0, "recovery_records": 0,
	})
	commit()
	stage(1, 300)
	commit()
	wantNumbers(t, set, map[string]float64{
		"staged_batches": 0, "staged_bytes": 0, "commits_total": 2, "records_total": 4,
		`batch_records_bucket{le="1"}`: 1, `batch_records_bucket{le="2"}`: 1, `batch_records_bucket{le="4"}`: 2, "batch_records_sum": 4,
		`batch_bytes_bucket{le="256"}`: 0, `batch_bytes_bucket{le="1024"}`: 2, "batch_bytes_sum": 3*101 + 302,
		"sync_seconds_count": 2, "written_bytes_total": 2 * pageBytes,
	})
	if err := g.Allocate(); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, set, map[string]float64{"spare_ready": 1, `preallocations_total{from="new"}`: 1, "preallocate_seconds_count": 1})
	for numbers(t, set)[`tailrace_wal_rotations_total{spare="ready"}`] == 0 {
		stage(1, 4000)
		commit()
	}
	wantNumbers(t, set, map[string]float64{"spare_ready": 0, "files": 2, `rotations_total{spare="made"}`: 0})
	// Without a spare the next file is made when it is needed.
	for first := l.cur.number; l.cur.number == first; {
		if _, err := l.Append(frameOf(strings.Repeat("x", 4000))); err != nil {
			t.Fatal(err)
		}
	}
	wantNumbers(t, set, map[string]float64{"files": 3, `rotations_total{spare="made"}`: 1, "trimmed_files_total": 0})
	if err := g.Trim(Pos{File: 3}); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, set, map[string]float64{"files": 1, "trimmed_files_total": 2})
	// Given up files become the next ones.
	if err := g.Allocate(); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, set, map[string]float64{`preallocations_total{from="recycled"}`: 1, `preallocations_total{from="new"}`: 2})
	newest := l.cur.seq
	mustClose(t, g)
	if left := numbers(t, set); left["tailrace_wal_commits_total"] != 0 {
		t.Error("a closed log still tells what it has staged")
	}
	o.Prepare = func(Store) (Place, error) { return Place{Seq: newest}, nil }
	_, rec, _ := mustOpen(t, o)
	if rec.Records == 0 {
		t.Fatalf("nothing was there: %+v", rec)
	}
	wantNumbers(t, set, map[string]float64{
		"recovery_records": float64(rec.Records), "recovery_files": float64(rec.Files), "recovery_clean": 1,
	})
}

// TestNumbersOfAGroupThatRuns: commits have times, and nothing waits in the end.
func TestNumbersOfAGroupThatRuns(t *testing.T) {
	set := metrics.NewSet()
	o := testOptions(memfs.New())
	o.Metrics = set
	l, _, _ := mustOpen(t, o)
	g := NewGroup(l, GroupOptions{Metrics: set, WitnessIdle: -1})
	for range 5 {
		b, _, err := g.Stage(Growth, nil, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		<-b.Done()
	}
	wantNumbers(t, set, map[string]float64{"commits_total": 5, "queue_wait_seconds_count": 5, "commit_running_seconds": 0})
	if got := numbers(t, set); got["tailrace_wal_queue_wait_seconds_sum"] <= 0 || got["tailrace_wal_queue_wait_seconds_sum"] > 60 {
		t.Errorf("waited %v s", got["tailrace_wal_queue_wait_seconds_sum"])
	}
	mustClose(t, g)
}

// TestNumbersShowAFullDiskAndAFailure: both are to be seen while they last.
func TestNumbersShowAFullDiskAndAFailure(t *testing.T) {
	set := metrics.NewSet()
	mem := memfs.New()
	fs := faultfs.New(mem)
	o := testOptions(fs)
	o.Metrics = set
	l, _, _ := mustOpen(t, o)
	g := NewGroup(l, GroupOptions{Manual: true, Metrics: set})
	mem.SetCapacity(mem.Used())
	if err := g.Allocate(); !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	for {
		_, _, err := g.Stage(Growth, nil, make([]byte, 4000))
		if errors.Is(err, ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wantNumbers(t, set, map[string]float64{
		"disk_full": 1, `refused_total{reason="full"}`: 1, `refused_total{reason="busy"}`: 0, "failed": 0,
	})
	mem.SetCapacity(-1)
	if err := g.Allocate(); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, set, map[string]float64{"disk_full": 0})
	fs.FailNth(faultfs.SyncData, 1, errors.New("the medium is gone"))
	if _, err := g.Commit(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	wantNumbers(t, set, map[string]float64{"failed": 1, "commits_total": 0})
	g.Close()
}
