package wal

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

// What is measured of the files. A sync as it counts here is the one call that
// writes frames and makes them durable: the system may do both in one.
var (
	syncSeconds = meter.Histogram("tailrace_wal_sync_seconds", "how long it took to write frames and make them durable",
		meter.Exponential(50e-6, 2, 18))
	writtenBytes = meter.Counter("tailrace_wal_written_bytes_total", "frames written, with headers and padding")
	rotateCount  = meter.Counter("tailrace_wal_rotations_total",
		"log files begun, by whether the next one was ready or had to be made first",
		meter.OneOf("spare", "ready", "made"))
	preallocateCount = meter.Counter("tailrace_wal_preallocations_total",
		"log files made ready ahead of need, by what they were made of",
		meter.OneOf("from", "new", "recycled"))
	preallocateSeconds = meter.Histogram("tailrace_wal_preallocate_seconds",
		"how long it took to make the next log file ready",
		meter.Exponential(1e-3, 4, 8))
	filesKept = meter.Gauge("tailrace_wal_files",
		"log files that hold frames which may be needed, the one being written included")
	filesGone = meter.Counter("tailrace_wal_trimmed_files_total", "log files given up")
	logFailed = meter.Gauge("tailrace_wal_failed",
		"1 when the log failed: nothing can be written until the process starts again")
	spareReady   = meter.Gauge("tailrace_wal_spare_ready", "1 while the next log file is ready")
	ballastShort = meter.Gauge("tailrace_wal_ballast_short",
		"1 while the space kept for opening on a full disk is not all there")
	recoverTook = meter.Gauge("tailrace_wal_recovery_seconds",
		"how long the log took to open, reading what its replay builds on included")
	recoverRecords = meter.Gauge("tailrace_wal_recovery_records", "records in the log when it was opened")
	recoverFiles   = meter.Gauge("tailrace_wal_recovery_files", "log files read when it was opened")
	recoverTorn    = meter.Gauge("tailrace_wal_recovery_torn",
		"1 if a frame was cut that was being written when the process before ended")
	recoverClean = meter.Gauge("tailrace_wal_recovery_clean",
		"1 if the log is new, or was closed by the process before")
)

// fileMeters are the numbers of Files.
type fileMeters struct {
	sync         *metrics.PrometheusHistogram
	written      *metrics.Counter
	ready, made  *metrics.Counter // rotateCount
	fresh, again *metrics.Counter // preallocations
	preallocate  *metrics.PrometheusHistogram
	files        *metrics.Gauge
	gone         *metrics.Counter
	stop         func()
}

// measure begins to measure a log that was opened.
func (l *Files) measure(rec *Recovery, took time.Duration) {
	set := l.o.Metrics
	recoverTook.In(set).Set(took.Seconds())
	recoverRecords.In(set).Set(float64(rec.Records))
	recoverFiles.In(set).Set(float64(rec.Files))
	recoverTorn.In(set).Set(one(rec.Torn != nil))
	recoverClean.In(set).Set(one(rec.Clean))
	l.meters.stop = meter.Collect(set, func(r *meter.Reading) {
		l.mu.Lock()
		failed, spare, short := l.err != nil, l.spare != nil, l.short
		l.mu.Unlock()
		r.Gauge(logFailed, one(failed))
		r.Gauge(spareReady, one(spare))
		r.Gauge(ballastShort, one(short))
	})
}

func newFileMeters(set *metrics.Set) fileMeters {
	return fileMeters{
		sync: syncSeconds.In(set), written: writtenBytes.In(set),
		ready: rotateCount.In(set, "ready"), made: rotateCount.In(set, "made"),
		fresh: preallocateCount.In(set, "new"), again: preallocateCount.In(set, "recycled"),
		preallocate: preallocateSeconds.In(set),
		files:       filesKept.In(set), gone: filesGone.In(set), stop: func() {},
	}
}

// synced counts a write that ended well.
func (m *fileMeters) synced(began time.Time, bytes int) {
	m.sync.UpdateDuration(began)
	m.written.Add(bytes)
}

// provided counts a spare.
func (m *fileMeters) provided(s *spare, began time.Time) {
	m.preallocate.UpdateDuration(began)
	if s.reused {
		m.again.Inc()
	} else {
		m.fresh.Inc()
	}
}

// holds notes which files there are. It is called under serving.
func (l *Files) holds(newest uint64) { l.meters.files.Set(float64(newest + 1 - l.store.First)) }

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
