package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/manifest"
	"tailrace/internal/meter"
)

// What is measured of flushes, merges, scrubs and backups.
var (
	outcomes = meter.OneOf("outcome", "ok", "error")

	flushCount = meter.Counter("tailrace_flushes_total",
		"flushes that ended; one that is given up because the store is closed is none", outcomes)
	flushSeconds = meter.Histogram("tailrace_flush_seconds",
		"how long flushes took that ended well", meter.Exponential(1e-3, 4, 9))
	flushedBytes = meter.Counter("tailrace_flush_written_bytes_total", "segments that flushes wrote")
	flushRunning = meter.Gauge("tailrace_flush_running_seconds",
		"how long the flush under way takes already, 0 while there is none")
	flushStuck = meter.Gauge("tailrace_flush_failing",
		"1 while the last flush failed: it is tried again, and writes are refused when memory is full")

	mergeCount = meter.Counter("tailrace_merges_total",
		"merges that ended; one that is given up because the store is closed is none", outcomes)
	mergeSeconds = meter.Histogram("tailrace_merge_seconds",
		"how long merges took that ended well, their rests included", meter.Exponential(1e-2, 4, 9))
	mergeInputs = meter.Histogram("tailrace_merge_inputs", "layers that a merge read", meter.Exponential(1, 2, 6))
	mergeRead   = meter.Counter("tailrace_merge_read_bytes_total", "what merges had to look at, not compressed")
	mergeKept   = meter.Counter("tailrace_merge_kept_bytes_total",
		"what of it somebody shows, not compressed: the rest is gone")
	mergeWritten = meter.Counter("tailrace_merge_written_bytes_total", "segments that merges wrote")
	mergeRunning = meter.Gauge("tailrace_merge_running_seconds",
		"how long the merge under way takes already, 0 while there is none")

	garbageRemoved = meter.Counter("tailrace_garbage_removed_total", "files removed that nothing needed any more")

	scrubCount = meter.Counter("tailrace_scrub_segments_total",
		"segments read and verified", meter.OneOf("outcome", "ok", "damaged"))
	scrubbedBytes = meter.Counter("tailrace_scrub_bytes_total", "bytes of segments read to verify them")
	scrubRunning  = meter.Gauge("tailrace_scrub_running_seconds",
		"how long the segment being verified takes already, 0 while there is none")
	scrubAge = meter.Gauge("tailrace_scrub_oldest_age_seconds",
		"how long ago that segment was verified or made which waits longest, as of the last look")

	backupCount   = meter.Counter("tailrace_backups_total", "backups that ended", outcomes)
	backupRunning = meter.Gauge("tailrace_backup_running_seconds",
		"how long the backup under way takes already, 0 while there is none")
)

// maintenanceMeters are the numbers of what goes on beside requests.
type maintenanceMeters struct {
	flushOK, flushError *metrics.Counter
	flushTook           *metrics.PrometheusHistogram
	flushed             *metrics.Counter

	mergeOK, mergeError *metrics.Counter
	mergeTook, inputs   *metrics.PrometheusHistogram
	read, kept, written *metrics.Counter
	merging             *running

	removed *metrics.Counter

	scrubOK, scrubDamaged, scrubBytes *metrics.Counter
	scrubbing                         *running
	scrubSince                        *atomic.Int64 // engine time, unix milliseconds; 0 = not looked yet

	backupOK, backupError *metrics.Counter
}

func newMaintenanceMeters(set *metrics.Set) maintenanceMeters {
	return maintenanceMeters{
		flushOK: flushCount.In(set, "ok"), flushError: flushCount.In(set, "error"),
		flushTook: flushSeconds.In(set), flushed: flushedBytes.In(set),
		mergeOK: mergeCount.In(set, "ok"), mergeError: mergeCount.In(set, "error"),
		mergeTook: mergeSeconds.In(set), inputs: mergeInputs.In(set),
		read: mergeRead.In(set), kept: mergeKept.In(set), written: mergeWritten.In(set), merging: new(running),
		removed: garbageRemoved.In(set),
		scrubOK: scrubCount.In(set, "ok"), scrubDamaged: scrubCount.In(set, "damaged"),
		scrubBytes: scrubbedBytes.In(set),
		scrubbing:  new(running), scrubSince: new(atomic.Int64),
		backupOK: backupCount.In(set, "ok"), backupError: backupCount.In(set, "error"),
	}
}

func (e *Engine) readMaintenance(r *meter.Reading) {
	m := e.meters
	r.Gauge(mergeRunning, m.merging.took().Seconds())
	r.Gauge(scrubRunning, m.scrubbing.took().Seconds())
	age := 0.0
	if since := m.scrubSince.Load(); since != 0 {
		age = float64(max(0, e.clockMS.Load()-since)) / 1000
	}
	r.Gauge(scrubAge, age)
}

// Beyond either of these, what was done is worth telling everybody.
const (
	reportTime  = time.Second
	reportBytes = 64 << 20
)

// report logs that something is done which took time and wrote bytes.
func (e *Engine) report(what string, bytes int64, took time.Duration, attributes ...any) {
	level := slog.LevelDebug
	if took >= reportTime || bytes >= reportBytes {
		level = slog.LevelInfo
	}
	attributes = append(attributes, "bytes", bytes, "took", took.Round(time.Millisecond))
	e.opts.Logger.Log(context.Background(), level, what, attributes...)
}

// flushed takes note of a flush that ended well.
func (e *Engine) flushed(f *flush) {
	m, took := e.meters, time.Since(f.began)
	m.flushOK.Inc()
	m.flushTook.Update(took.Seconds())
	m.flushed.AddInt64(f.segment.bytes)
	e.report("flushed", f.segment.bytes, took, "batch", f.end.batch, "streams", f.rows.count, "snapshot", f.full)
}

// merged takes note of a merge that ended well.
func (e *Engine) merged(m *merge, removed int) {
	took, bytes := time.Since(m.began), bytesOfSegments(m.done)
	e.meters.mergeOK.Inc()
	e.meters.mergeTook.Update(took.Seconds())
	e.meters.inputs.Update(float64(len(m.plan.inputs)))
	e.meters.read.AddInt64(m.plan.bytes)
	e.meters.kept.AddInt64(m.kept)
	e.meters.written.AddInt64(bytes)
	e.report("merged", bytes, took, "level", m.plan.level, "layers", len(m.plan.inputs), "segments", removed,
		"into", len(m.done), "read", m.plan.bytes, "kept", m.kept)
}

func bytesOfSegments(all []manifest.Segment) (n int64) {
	for i := range all {
		n += all[i].Bytes
	}
	return n
}

// collected takes note of files that were removed.
func (e *Engine) collected(files int) {
	e.meters.removed.Add(files)
	e.opts.Logger.Debug("garbage removed", "files", files)
}

// verified takes note of a segment in which nothing was found wrong.
func (e *Engine) verified(s *segmentFile, began time.Time) {
	e.meters.scrubOK.Inc()
	e.report("segment verified", s.info.Bytes, time.Since(began), "segment", s.info.ID, "path", s.path)
}
