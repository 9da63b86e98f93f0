package engine

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

var updateFlag = flag.Bool("update", false, "write the golden files again")

// golden compares a text with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *updateFlag {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s\n(-update writes it again; who has dashboards and alerts has to know)", name, got, want)
	}
}

// page is what the metrics page says, by series. It demands what Prometheus does: a
// family is in one piece, below its kind, and no series is there twice.
func page(t testing.TB, set *metrics.Set) map[string]float64 {
	t.Helper()
	var b strings.Builder
	if err := meter.Write(&b, set); err != nil {
		t.Fatal(err)
	}
	series, begun, family := map[string]float64{}, map[string]bool{}, ""
	for line := range strings.Lines(b.String()) {
		if of, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if family = strings.Fields(of)[0]; begun[family] {
				t.Errorf("%s is in several pieces", family)
			}
			begun[family] = true
		}
		if line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if _, twice := series[line[:at]]; twice || err != nil || !strings.HasPrefix(line, family) {
			t.Errorf("%q: twice: %t, below %s: %v", line, twice, family, err)
		}
		series[line[:at]] = v
	}
	return series
}

// familyOf is the family of a series among those declared, or nil.
func familyOf(series string) *meter.Family {
	name, _, _ := strings.Cut(series, "{")
	for _, f := range meter.All() {
		rest, ok := strings.CutPrefix(name, f.Name)
		if ok && (rest == "" || f.Kind == meter.KindHistogram && slices.Contains([]string{"_bucket", "_sum", "_count"}, rest)) {
			return f
		}
	}
	return nil
}

// TestGoldenSeries holds the names, kinds, labels and meanings of everything that
// log and engine measure: others build on them.
func TestGoldenSeries(t *testing.T) {
	var b strings.Builder
	for _, f := range meter.All() {
		fmt.Fprintf(&b, "%s %v", f.Name, f.Kind)
		for _, l := range f.Labels {
			fmt.Fprintf(&b, " %s=%s", l.Name, strings.Join(l.Values, "|"))
		}
		if f.Bounds != nil {
			fmt.Fprintf(&b, " from %g to %g in %d", f.Bounds[0], f.Bounds[len(f.Bounds)-1], len(f.Bounds))
		}
		fmt.Fprintf(&b, "\n\t%s\n", f.Help)
	}
	golden(t, "metrics.txt", b.String())
}

// TestPageHasWhatIsDeclared: a store with a bucket shows every family, and nothing
// that is not declared.
func TestPageHasWhatIsDeclared(t *testing.T) {
	set := metrics.NewSet()
	f := startTier(t, func(o *Options) { o.Metrics = set })
	f.fill(4, 5, 100)
	f.drain()
	f.SetLimits(project.Default, ProjectLimits{StoredBytes: 1 << 40, Streams: 1 << 20})
	f.LookAtDisk()
	shown := map[string]bool{}
	for series := range page(t, set) {
		of := familyOf(series)
		if of == nil {
			t.Errorf("%s is not declared", series)
			continue
		}
		shown[of.Name] = true
	}
	for _, of := range meter.All() {
		if !shown[of.Name] {
			t.Errorf("%s is declared and never shown", of.Name)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := page(t, set); left["tailrace_streams"] != 0 {
		t.Error("a closed store still answers")
	}
	f.open()
	if now := page(t, set); now["tailrace_streams"] != 4 {
		t.Errorf("opened again: %v streams", now["tailrace_streams"])
	}
}

// TestSeriesAreBounded: what clients do adds no series, whatever they call their
// streams. Only what a bucket answers may be new, and has a list.
func TestSeriesAreBounded(t *testing.T) {
	set := metrics.NewSet()
	f := startTier(t, func(o *Options) { o.Metrics = set; o.LogFileBytes = 256 << 10 })
	rng := rand.New(rand.NewPCG(firstSeed(t), 0))
	use := func(streams, operations int) {
		t.Helper()
		for i := range operations {
			path := fmt.Sprintf("stream/%d \"\\\n{}", rng.IntN(streams))
			switch rng.IntN(12) {
			case 0, 1, 2:
				f.Create(&stream.Create{Path: path, ContentType: "text/plain", TTL: int64(rng.IntN(100)), Body: []byte("begun")})
			case 3:
				f.Delete(path)
			case 4:
				f.Create(&stream.Create{Path: path + "/fork", From: path, TTL: stream.NoTTL})
			case 5:
				f.Append(&stream.Append{Path: path, Close: true})
			case 6:
				res, ticket := f.Read(ReadRequest{Path: path, Touch: true})
				if res.Cold && ticket.Ready() {
					f.ReadCold(ReadRequest{Path: path})
				}
			case 7:
				f.Append(&stream.Append{Path: path, ContentType: "text/plain", Body: []byte("x"), Producer: stream.Producer{ID: path}})
			default:
				f.Append(&stream.Append{Path: path, ContentType: "text/plain", Body: []byte(strings.Repeat("y", rng.IntN(2000)))})
			}
			if i%50 == 0 {
				settle(t, f.Engine)
				if err := f.Allocate(); err != nil {
					t.Fatal(err)
				}
			}
			if i%500 == 499 {
				for f.Sweep() {
				}
				f.drain()
			}
		}
	}
	use(10, 2000)
	before := page(t, set)
	use(3000, 6000)
	after := page(t, set)
	if n := after["tailrace_streams"]; n < 500 {
		t.Errorf("%v streams are no test", n)
	}
	for series := range after {
		if _, ok := before[series]; !ok && !strings.HasPrefix(series, "tailrace_tier_requests_total{") {
			t.Errorf("%s is new", series)
		}
	}
	bound := 0
	for _, f := range meter.All() {
		n := 1
		for _, l := range f.Labels {
			if l.Each != "" && l.Each != "project" {
				t.Errorf("%s has a label without list", f.Name)
			}
			n *= max(1, len(l.Values)) // there is one project in this test
		}
		if f.Bounds != nil {
			n *= len(f.Bounds) + 3
		}
		bound += n
	}
	if len(after) > bound {
		t.Errorf("%d series, and at most %d are declared", len(after), bound)
	}
	t.Logf("%d series of at most %d", len(after), bound)
}

// TestNumbersAreWhatHappened follows a store through its life.
func TestNumbersAreWhatHappened(t *testing.T) {
	set := metrics.NewSet()
	f := startTier(t, func(o *Options) { o.Metrics, o.Tier.LocalBytes = set, 1<<20 })
	check := func(when string, want map[string]float64) {
		t.Helper()
		got := page(t, set)
		for _, series := range slices.Sorted(maps.Keys(want)) {
			if v, ok := got["tailrace_"+series]; !ok || v != want[series] {
				t.Errorf("%s: %s is %v (there: %t), want %v", when, series, v, ok, want[series])
			}
		}
	}
	want(t, f.Engine, stream.Created, create("a", "text/plain", "four"))
	want(t, f.Engine, stream.Created, create("b", "text/plain", ""))
	want(t, f.Engine, stream.Appended, appendTo("a", "text/plain", "more"))
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("b") })
	check("in memory", map[string]float64{
		"streams": 1, `operations_total{kind="create"}`: 2, `operations_total{kind="append"}`: 1, `operations_total{kind="delete"}`: 1,
		"body_bytes_total": 8, "frame_appends": 2, "frames": 2, "staged_operations": 0, `segments{place="disk"}`: 0,
		"segment_layers": 0, `tier_phase{phase="ready"}`: 1, `tier_phase{phase="failing"}`: 0, "tier_missing_seconds": -1,
		"engine_failed": 0, "commits_held": 0, "wal_records_total": 4,
	})
	if ticket := appendTo("a", "text/plain", "tail")(f.Engine); ticket.Ready() {
		t.Fatal("durable without a commit")
	}
	check("staged", map[string]float64{"staged_operations": 1, "wal_staged_batches": 1})
	f.clock.advance(3 * time.Second)
	check("later", map[string]float64{"checkpoint_age_seconds": 3})
	settle(t, f.Engine)
	f.same(map[string]string{"a": "fourmoretail"})
	check("read", map[string]float64{`reads_total{place="memory"}`: 1, `reads_total{place="disk"}`: 0, "staged_operations": 0})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	seg := f.manifest.State().Layers[0].Segments[0]
	check("flushed", map[string]float64{
		`flushes_total{outcome="ok"}`: 1, "flush_seconds_count": 1, "flush_running_seconds": 0,
		"flush_written_bytes_total": float64(seg.Bytes),
		"frame_bytes":               0, "frames": 0, `segments{place="disk"}`: 1, `segment_bytes{place="disk"}`: float64(seg.Bytes), "segment_layers": 1,
		"checkpoint_age_seconds": 0, "tier_waiting_segments": 1, "tier_waiting_bytes": float64(seg.Bytes),
	})
	f.same(map[string]string{"a": "fourmoretail"})
	f.same(map[string]string{"a": "fourmoretail"})
	check("read from the disk", map[string]float64{
		`reads_total{place="disk"}`: 2, `cold_read_seconds_count{place="disk"}`: 2, "cold_read_wait_seconds_count": 2,
		`cold_reads{place="disk"}`:                  0,
		`block_cache_requests_total{result="miss"}`: 1, `block_cache_requests_total{result="hit"}`: 1, "block_cache_blocks": 1,
		"cold_reads_waiting": 0, `cold_reads_max{place="disk"}`: coldReadsMax,
	})
	want(t, f.Engine, stream.Appended, appendTo("a", "text/plain", "!"))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Merge(); err != nil {
		t.Fatal(err)
	}
	check("merged", map[string]float64{
		`merges_total{outcome="ok"}`: 1, "merge_inputs_sum": 2, "merge_running_seconds": 0, "merge_kept_bytes_total": 13,
		"segment_layers": 1, "garbage_files": 0,
	})
	if n := page(t, set)["tailrace_garbage_removed_total"]; n < 2 {
		t.Errorf("%v files were removed", n)
	}
	f.tier.opts.LocalBytes = 1
	f.drain()
	seg = f.manifest.State().Layers[0].Segments[0]
	check("in the bucket", map[string]float64{
		`segments{place="disk"}`: 0, `segments{place="bucket"}`: 1, "tier_segments_sent_total": 1, "tier_segments_evicted_total": 1,
		"tier_bucket_bytes": float64(seg.Bytes), "tier_local_bytes": 0, "tier_missing_seconds": 0, "tier_missing_bytes": 0,
		"tier_send_running_seconds": 0, "tier_publication_running_seconds": 0, `reads_total{place="bucket"}`: 0,
	})
	if n := page(t, set)["tailrace_tier_publications_total"]; n == 0 {
		t.Error("nothing was published")
	}
	f.same(map[string]string{"a": "fourmoretail!"})
	check("read from the bucket", map[string]float64{
		`reads_total{place="bucket"}`: 1, `cold_read_seconds_count{place="bucket"}`: 1,
		`tier_cache_requests_total{result="miss"}`: 2, "damage_total": 0,
	})
	_, stop := mustWatch(t, f.Engine, "a")
	check("followed", map[string]float64{"watchers": 1})
	stop()
	check("left", map[string]float64{"watchers": 0})
	if _, err := f.Backup(t.Context(), "kept", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Backup(t.Context(), "kept", nil); err == nil {
		t.Fatal("a backup was made over another")
	}
	check("backed up", map[string]float64{
		`backups_total{outcome="ok"}`: 1, `backups_total{outcome="error"}`: 1, "backup_running_seconds": 0,
	})
	f.clock.advance(8 * 24 * time.Hour)
	if f.Now(); !f.scrub() {
		t.Fatal("nothing was due")
	}
	check("verified", map[string]float64{
		`scrub_segments_total{outcome="ok"}`: 1, `scrub_segments_total{outcome="damaged"}`: 0, "scrub_running_seconds": 0,
	})
	if n := page(t, set)["tailrace_scrub_oldest_age_seconds"]; n < 8*24*3600 {
		t.Errorf("the oldest was read %v s ago", n)
	}
}

func mustWatch(t *testing.T, e *Engine, path string) (news *int, stop func()) {
	t.Helper()
	info, _ := e.Head(path)
	news = new(int)
	stop, ok := e.Watch(path, info.ID, func() { *news++ })
	if !ok {
		t.Fatalf("%s cannot be watched", path)
	}
	return news, stop
}

// TestWhatGoesOnIsShown: a flush that has begun is seen before it ends.
func TestWhatGoesOnIsShown(t *testing.T) { synctest.Test(t, whatGoesOn) }

func whatGoesOn(t *testing.T) {
	set := metrics.NewSet()
	o := manualOptions(memfs.New(), newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.Metrics = set
	e := mustOpen(t, o)
	want(t, e, stream.Created, create("a", "text/plain", "x"))
	e.sortChanged()
	if !e.beginFlush() {
		t.Fatal("nothing to flush")
	}
	time.Sleep(5 * time.Second) // of the bubble
	if n := page(t, set)["tailrace_flush_running_seconds"]; n != 5 {
		t.Errorf("a flush under way takes %v s already, want 5", n)
	}
	for range coldReadsMax {
		e.coldGate <- struct{}{}
	}
	var entered sync.WaitGroup
	entered.Go(func() { e.leaveCold(e.enterCold()) })
	synctest.Wait() // it has come to the gate
	now := page(t, set)
	if now[`tailrace_cold_reads{place="disk"}`] != coldReadsMax || now["tailrace_cold_reads_waiting"] != 1 {
		t.Errorf("%v reads under way, %v wait", now[`tailrace_cold_reads{place="disk"}`], now["tailrace_cold_reads_waiting"])
	}
	<-e.coldGate
	entered.Wait()
	for range coldReadsMax - 1 {
		<-e.coldGate
	}
	if err := e.cancelFlush(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPageIsReadWhileTheStoreWorks is for the race detector.
func TestPageIsReadWhileTheStoreWorks(t *testing.T) {
	set := metrics.NewSet()
	o := Options{FS: memfs.New(), Dir: "store", LogFileBytes: 64 << 10, BodyBytesMax: 8 << 10}
	o.FlushBytes, o.MergeFanIn, o.Metrics = 16<<10, 2, set
	e := mustOpen(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				page(t, set)
			}
		})
	}
	path := func(i int) string { return fmt.Sprintf("s%d", i%7) }
	for i := range 500 {
		ticket := create(path(i), "text/plain", "")(e)
		if i >= 7 {
			ticket = appendTo(path(i), "text/plain", strings.Repeat("x", 200))(e)
		}
		if err := ticket.Wait(); err != nil {
			t.Fatal(err)
		}
		if res, _ := e.Read(ReadRequest{Path: path(i)}); res.Cold {
			e.ReadCold(ReadRequest{Path: path(i)})
		}
	}
	cancel()
	readers.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
