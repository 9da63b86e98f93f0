package engine

import (
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

// What is measured of reads. One that goes on from the disk to the bucket counts
// for both.
var (
	readCount = meter.Counter("tailrace_reads_total",
		"reads of streams, by where they asked for bytes", meter.OneOf("place", "memory", "disk", "bucket"))

	coldReadSeconds = meter.Histogram("tailrace_cold_read_seconds",
		"how long reads took that memory did not serve, without waiting for their turn",
		meter.Exponential(50e-6, 2, 18), coldPlaces)
	coldWaitSeconds = meter.Histogram("tailrace_cold_read_wait_seconds",
		"how long reads from the disk waited for their turn",
		meter.Exponential(10e-6, 4, 10))
	coldReads    = meter.Gauge("tailrace_cold_reads", "reads under way that memory did not serve", coldPlaces)
	coldReadsTop = meter.Gauge("tailrace_cold_reads_max",
		"the limit of tailrace_cold_reads: beyond it reads of the disk wait, and those of the bucket are refused",
		coldPlaces)
	coldWaiting = meter.Gauge("tailrace_cold_reads_waiting", "reads of the disk that wait for their turn")
)

var coldPlaces = meter.OneOf("place", "disk", "bucket")

// readMeters are the numbers of reads.
type readMeters struct {
	fromDisk, fromBucket *metrics.Counter
	disk, bucket, wait   *metrics.PrometheusHistogram
	waiting              *atomic.Int64
}

func newReadMeters(set *metrics.Set) readMeters {
	return readMeters{
		fromDisk: readCount.In(set, "disk"), fromBucket: readCount.In(set, "bucket"),
		disk: coldReadSeconds.In(set, "disk"), bucket: coldReadSeconds.In(set, "bucket"), wait: coldWaitSeconds.In(set),
		waiting: new(atomic.Int64),
	}
}

// readMemory counts a read that memory has served, unless it is cold. Engine.mu is held.
func (m *meters) readMemory(cold bool) {
	if !cold {
		m.memoryReads++
	}
}

// enterCold waits until a read may ask the disk, and returns when it began to.
func (e *Engine) enterCold() time.Time {
	asked := time.Now()
	e.meters.waiting.Add(1)
	e.coldGate <- struct{}{}
	e.meters.waiting.Add(-1)
	began := time.Now()
	e.meters.wait.Update(began.Sub(asked).Seconds())
	return began
}

// leaveCold lets the next read ask the disk.
func (e *Engine) leaveCold(began time.Time) {
	<-e.coldGate
	e.meters.fromDisk.Inc()
	e.meters.disk.UpdateDuration(began)
}

// leaveFar lets another read ask the bucket.
func (e *Engine) leaveFar(began time.Time) {
	<-e.farGate
	e.meters.fromBucket.Inc()
	e.meters.bucket.UpdateDuration(began)
}

func (e *Engine) readReads(r *meter.Reading) {
	r.Gauge(coldReads, float64(len(e.coldGate)), "disk")
	r.Gauge(coldReads, float64(len(e.farGate)), "bucket")
	r.Gauge(coldReadsTop, float64(cap(e.coldGate)), "disk")
	r.Gauge(coldReadsTop, float64(cap(e.farGate)), "bucket")
	r.Gauge(coldWaiting, float64(e.meters.waiting.Load()))
}
