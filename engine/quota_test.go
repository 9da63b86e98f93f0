package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/manifest"
	"tailrace/internal/meter"
	"tailrace/internal/project"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// openProjects opens a new store whose paths begin with a project.
func openProjects(t *testing.T, change ...func(*Options)) (*Engine, *memfs.FS) {
	t.Helper()
	fs := memfs.New()
	o := manualOptions(fs, newFakeClock(), rand.New(rand.NewPCG(1, 2)))
	o.Projects, o.LogFileBytes = true, 8<<20
	for _, c := range change {
		c(&o)
	}
	e := mustOpen(t, o)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, fs
}

// wantUse compares what a project has.
func wantUse(t *testing.T, e *Engine, project string, streams int, bytes int64) {
	t.Helper()
	if got := e.Use(project); got.Streams != streams || got.StoredBytes != bytes {
		t.Fatalf("%s has %d streams and %d bytes, want %d and %d", project, got.Streams, got.StoredBytes, streams, bytes)
	}
}

func remove(path string) func(*Engine) Ticket {
	return func(e *Engine) Ticket { return e.Delete(path) }
}

func trimAll(path string) func(*Engine) Ticket {
	return func(e *Engine) Ticket {
		return e.Change(&stream.Change{Path: path, HasTrim: true, Trim: stream.OffsetMax})
	}
}

func closeIt(path string) func(*Engine) Ticket {
	return func(e *Engine) Ticket { return e.Append(&stream.Append{Path: path, Close: true}) }
}

func body(n int) string { return strings.Repeat("x", n) }

// TestBytesQuotaIsExact: at the limit everything is accepted, one byte more is
// not, nobody else is affected, and what makes room goes on.
func TestBytesQuotaIsExact(t *testing.T) {
	e, _ := openProjects(t)
	e.SetLimits("acme", ProjectLimits{StoredBytes: 100})
	want(t, e, stream.QuotaBytes, create("acme/a", "text/plain", body(96)))
	wantUse(t, e, "acme", 0, 0)
	want(t, e, stream.Created, create("acme/a", "text/plain", body(45))) // and the gap
	want(t, e, stream.QuotaBytes, appendTo("acme/a", "text/plain", body(46)))
	wantUse(t, e, "acme", 1, 50)
	want(t, e, stream.QuotaBytes, create("acme/b", "text/plain", body(46)))
	want(t, e, stream.Created, create("acme/b", "text/plain", ""))
	want(t, e, stream.Appended, appendTo("acme/b", "text/plain", body(45)))
	wantUse(t, e, "acme", 2, 100)

	// Full.
	if a, b := e.Admits("acme/b", 1), e.Admits("other/a", 1<<40); a != stream.QuotaBytes || b != stream.None {
		t.Errorf("admits %s and %s", a, b)
	}
	before := dumpText(t, e)
	want(t, e, stream.QuotaBytes, appendTo("acme/b", "text/plain", "x"))
	want(t, e, stream.QuotaBytes, create("acme/c", "text/plain", "x"))
	fork := func(path string, at stream.Offset, sub uint64) func(*Engine) Ticket {
		return func(e *Engine) Ticket {
			r := stream.Create{Path: path, TTL: stream.NoTTL, From: "acme/a", HasFromOffset: true, FromOffset: at, SubOffset: sub}
			return e.CreateCold(&r)
		}
	}
	want(t, e, stream.QuotaBytes, fork("acme/f", 0, 3)) // it copies three bytes
	if after := dumpText(t, e); after != before {
		t.Errorf("a refusal changed\n%s\nto\n%s", before, after)
	}
	want(t, e, stream.Exists, create("acme/a", "text/plain", body(1000)))
	want(t, e, stream.Created, create("other/a", "text/plain", body(1000)))
	want(t, e, stream.Created, fork("acme/f", 50, 0)) // it copies nothing
	want(t, e, stream.Created, create("acme/d", "text/plain", ""))
	want(t, e, stream.Closed, closeIt("acme/d"))
	want(t, e, stream.Changed, func(e *Engine) Ticket {
		return e.Change(&stream.Change{Path: "acme/d", HasTTL: true, TTL: 100})
	})
	wantUse(t, e, "acme", 4, 100)

	want(t, e, stream.Changed, trimAll("acme/b"))
	wantUse(t, e, "acme", 4, 50)
	// The fork shows what is dropped here, so it stays and counts.
	want(t, e, stream.Changed, trimAll("acme/a"))
	wantUse(t, e, "acme", 4, 50)
	want(t, e, stream.Deleted, remove("acme/f"))
	wantUse(t, e, "acme", 3, 0)
	want(t, e, stream.Appended, appendTo("acme/b", "text/plain", body(95)))
	wantUse(t, e, "acme", 3, 100)

	// A limit below what there is refuses growth and nothing else.
	e.SetLimits("acme", ProjectLimits{StoredBytes: 10})
	want(t, e, stream.QuotaBytes, appendTo("acme/a", "text/plain", "x"))
	want(t, e, stream.Exists, create("acme/a", "text/plain", ""))
	want(t, e, stream.Closed, closeIt("acme/a"))
	want(t, e, stream.Deleted, remove("acme/b"))
	wantUse(t, e, "acme", 2, 0)
	want(t, e, stream.Created, create("acme/e", "text/plain", "12345"))
	want(t, e, stream.QuotaBytes, create("acme/g", "text/plain", "1"))
	e.SetAllLimits(map[string]ProjectLimits{"other": {StoredBytes: 1}}, 0)
	want(t, e, stream.Created, create("acme/g", "text/plain", "1"))
	want(t, e, stream.QuotaBytes, create("other/b", "text/plain", "1"))
}

func dumpText(t *testing.T, e *Engine) string {
	t.Helper()
	var b strings.Builder
	if err := dump(e, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestStreamsQuotaIsExact counts what is kept for forks too.
func TestStreamsQuotaIsExact(t *testing.T) {
	e, _ := openProjects(t)
	e.SetLimits("acme", ProjectLimits{Streams: 2})
	want(t, e, stream.Created, create("acme/a", "text/plain", "x"))
	fork := func(path string) func(*Engine) Ticket {
		return func(e *Engine) Ticket {
			return e.Create(&stream.Create{Path: path, TTL: stream.NoTTL, From: "acme/a"})
		}
	}
	want(t, e, stream.Created, fork("acme/f"))
	want(t, e, stream.QuotaStreams, create("acme/b", "text/plain", ""))
	want(t, e, stream.QuotaStreams, fork("acme/b"))
	want(t, e, stream.Exists, create("acme/a", "text/plain", ""))
	want(t, e, stream.Created, create("other", "text/plain", ""))
	want(t, e, stream.Deleted, remove("acme/a"))
	wantUse(t, e, "acme", 2, 6)
	want(t, e, stream.QuotaStreams, create("acme/b", "text/plain", ""))
	want(t, e, stream.Deleted, remove("acme/f"))
	wantUse(t, e, "acme", 0, 0)
	want(t, e, stream.Created, create("acme/b", "text/plain", ""))
	e.SetLimits("acme", ProjectLimits{Streams: 1})
	want(t, e, stream.QuotaStreams, create("acme/c", "text/plain", ""))
	want(t, e, stream.Appended, appendTo("acme/b", "text/plain", "x"))
}

// TestProducersQuota: producers that a stream knows go on.
func TestProducersQuota(t *testing.T) {
	e, _ := openProjects(t)
	e.SetLimits("acme", ProjectLimits{ProducersPerStream: 2, StoredBytes: 36})
	by := func(path, id string, seq int64, n int) func(*Engine) Ticket {
		return func(e *Engine) Ticket {
			return e.Append(&stream.Append{Path: path, ContentType: "text/plain", Body: []byte(body(n)), Producer: stream.Producer{ID: id, Seq: seq}})
		}
	}
	for _, path := range []string{"acme/a", "other/a"} {
		want(t, e, stream.Created, create(path, "text/plain", ""))
		want(t, e, stream.Appended, by(path, "p", 0, 7))
		want(t, e, stream.Appended, by(path, "q", 0, 7))
	}
	want(t, e, stream.TooManyProducers, by("acme/a", "r", 0, 1))
	want(t, e, stream.Appended, by("other/a", "r", 0, 1))
	want(t, e, stream.Appended, by("acme/a", "p", 1, 7))
	// With no byte to spare a repetition is still one.
	want(t, e, stream.QuotaBytes, by("acme/a", "q", 1, 1))
	want(t, e, stream.Duplicate, by("acme/a", "p", 1, 7))
	want(t, e, stream.Duplicate, by("acme/a", "q", 0, 7))
	e.SetLimits("acme", ProjectLimits{ProducersPerStream: 1})
	want(t, e, stream.Appended, by("acme/a", "q", 1, 1))
}

// TestAllProjectsTogetherHaveALimit: the limit of the store is that of all.
func TestAllProjectsTogetherHaveALimit(t *testing.T) {
	e, _ := openProjects(t, func(o *Options) { o.StoredBytesMax = 100 })
	want(t, e, stream.Created, create("a/1", "text/plain", body(45)))
	want(t, e, stream.Created, create("b/1", "text/plain", body(45)))
	want(t, e, stream.QuotaBytes, create("c/1", "text/plain", "x"))
	if got := e.Admits("c/1", 1); got != stream.QuotaBytes {
		t.Errorf("admits %s", got)
	}
	want(t, e, stream.Deleted, remove("a/1"))
	want(t, e, stream.Created, create("c/1", "text/plain", body(45)))
	if got := e.Stats().StoredBytes; got != 100 {
		t.Errorf("%d bytes are stored", got)
	}
}

// TestAStreamThatKeepsItsLastBytesIsNotStuck: where a limit is below what the
// policy of a stream lets it have for a while, it drops what it need not keep a
// little earlier.
func TestAStreamThatKeepsItsLastBytesIsNotStuck(t *testing.T) {
	e, _ := openProjects(t)
	e.SetLimits("acme", ProjectLimits{StoredBytes: 104})
	want(t, e, stream.Created, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "acme/a", ContentType: "text/plain", TTL: stream.NoTTL, KeepBytes: 96})
	})
	for i := range 40 {
		want(t, e, stream.Appended, appendTo("acme/a", "text/plain", body(3)))
		if got := e.Use("acme").StoredBytes; got > 104 || i > 12 && got < 96 {
			t.Fatalf("%d bytes after append %d", got, i)
		}
	}
	if err := checkKept(e); err != nil {
		t.Error(err)
	}
	// What a fork shows does not go.
	want(t, e, stream.Created, func(e *Engine) Ticket {
		return e.Create(&stream.Create{Path: "acme/f", TTL: stream.NoTTL, From: "acme/a"})
	})
	code := stream.Appended
	for i := 0; code == stream.Appended; i++ {
		code = do(t, e, func() Ticket { return appendTo("acme/a", "text/plain", body(3))(e) }).Code
		if i > 5 {
			t.Fatal("it grows beyond the limit")
		}
	}
	if code != stream.QuotaBytes || e.Use("acme").StoredBytes > 104 {
		t.Errorf("%s with %d bytes", code, e.Use("acme").StoredBytes)
	}
}

// checkKept is checkAccounts for projects with limits.
func checkKept(e *Engine) error {
	for name, own := range countAccounts(e) {
		if got := e.Use(name); got.Streams != own.streams || got.StoredBytes != own.stored {
			return fmt.Errorf("%s has %+v, the table says %+v", name, got, own)
		}
	}
	return nil
}

// TestDeletedProjectsLeaveNothing: what is deleted does not count from then on,
// its bytes leave the disk with the merges, and its project is not known any more.
func TestDeletedProjectsLeaveNothing(t *testing.T) {
	e, fs := openProjects(t)
	rng := rand.New(rand.NewPCG(5, 6))
	random := make([]byte, 6000)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	want(t, e, stream.Created, create("stays/a", "application/octet-stream", "x"))
	empty := e.Stats().StoredBytes
	flushNow(t, e)
	inFiles := func() (bytes int64) {
		for name, content := range fs.Snapshot() {
			if strings.Contains(name, "/"+manifest.SegmentDir+"/") {
				bytes += int64(len(content))
			}
		}
		return bytes
	}
	segments := e.Stats().SegmentBytes
	if got := inFiles(); got != segments {
		t.Fatalf("%d bytes in files, %d in segments", got, segments)
	}
	for i := range 12 {
		want(t, e, stream.Created, create(fmt.Sprint("acme/", i), "application/octet-stream", string(random)))
		if i%4 == 3 {
			flushNow(t, e)
		}
	}
	wantUse(t, e, "acme", 12, 12*6005)
	if got := e.Stats().SegmentBytes; got < segments+12*6000 {
		t.Fatalf("the segments have %d bytes", got)
	}
	for i := range 12 {
		want(t, e, stream.Deleted, remove(fmt.Sprint("acme/", i)))
	}
	wantUse(t, e, "acme", 0, 0)
	if got := e.Stats().StoredBytes; got != empty {
		t.Errorf("%d bytes are stored, want %d", got, empty)
	}
	if all := e.Projects(); len(all) != 1 || all[0].Project != "stays" {
		t.Errorf("projects: %v", all)
	}
	flushNow(t, e)
	if err := e.Merge(); err != nil {
		t.Fatal(err)
	}
	if err := e.sweepGarbage(); err != nil {
		t.Fatal(err)
	}
	// One segment for the stream that stays, as before.
	if got, files := e.Stats().SegmentBytes, inFiles(); got > segments+segments/2 || files != got {
		t.Errorf("the segments have %d bytes, in files %d; %d before", got, files, segments)
	}
}

// TestNamesOfProjectsDoNotPileUp: limits keep an account, and nothing else does.
func TestNamesOfProjectsDoNotPileUp(t *testing.T) {
	e, _ := openProjects(t)
	for i := range 10 {
		path := fmt.Sprintf("stranger-%d/x", i)
		want(t, e, stream.NotFound, remove(path))
		e.Admits(path, 1)
		e.Use(path)
		want(t, e, stream.Created, create(path, "text/plain", "x"))
		want(t, e, stream.Deleted, remove(path))
	}
	e.SetLimits("nobody", ProjectLimits{})
	e.SetLimits("acme", ProjectLimits{Streams: 5})
	want(t, e, stream.Created, create("acme/x", "text/plain", "x"))
	want(t, e, stream.Deleted, remove("acme/x"))
	if all := e.Projects(); len(all) != 1 || all[0] != (ProjectUse{"acme", Use{Limits: ProjectLimits{Streams: 5}}}) {
		t.Errorf("projects: %+v", all)
	}
	e.SetAllLimits(nil, 0)
	if len(e.accounts.byName) != 0 {
		t.Errorf("%v are left", e.Projects())
	}
}

// TestWithoutProjectsAllIsOne: limits are those of the default project then.
func TestWithoutProjectsAllIsOne(t *testing.T) {
	e, _ := openProjects(t, func(o *Options) { o.Projects = false })
	e.SetLimits(project.Default, ProjectLimits{Streams: 1})
	want(t, e, stream.Created, create("acme/x", "text/plain", "x"))
	want(t, e, stream.QuotaStreams, create("other/x", "text/plain", "x"))
	wantUse(t, e, project.Default, 1, 6)
	wantUse(t, e, "acme", 0, 0)
}

// TestSeriesOfProjectsAreBounded: a store that served anybody has as many first
// segments as its clients liked, and none of them becomes a series.
func TestSeriesOfProjectsAreBounded(t *testing.T) {
	set := metrics.NewSet()
	e, _ := openProjects(t, func(o *Options) { o.Metrics = set })
	for _, path := range []string{"made-up/a", "acme/a", "free/a"} {
		want(t, e, stream.Created, create(path, "text/plain", "x"))
	}
	for _, c := range []struct {
		limits map[string]ProjectLimits
		want   []string
	}{
		{map[string]ProjectLimits{"acme": {Streams: 9}, "free": {}, "empty": {}}, []string{"acme", "free"}},
		{map[string]ProjectLimits{"free": {Streams: 1}}, []string{"free"}},
		{nil, nil},
	} {
		e.SetAllLimits(c.limits, 0)
		var page strings.Builder
		if err := meter.Write(&page, set); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"made-up", "acme", "free", "empty"} {
			has := strings.Contains(page.String(), `tailrace_project_streams{project="`+name+`"} 1`)
			if has != slices.Contains(c.want, name) {
				t.Errorf("with limits of %v, a series of %s: %t", c.limits, name, has)
			}
		}
	}
}
