package wal

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/meter"
)

// What is measured of group commit. It is counted under Group.mu, which whoever
// stages or commits holds anyway, so it costs no other lock and nothing for a
// record.
var (
	batchRecords = meter.Histogram("tailrace_wal_batch_records", "records of a commit", meter.Exponential(1, 2, 14))
	batchBytes   = meter.Histogram("tailrace_wal_batch_bytes",
		"bytes of the records of a commit", meter.Exponential(256, 4, 10))
	queueWait = meter.Histogram("tailrace_wal_queue_wait_seconds",
		"how long the first record of a batch waited for the commit of it to begin: none in it waited longer",
		meter.Exponential(25e-6, 2, 18))
	commitCount   = meter.Counter("tailrace_wal_commits_total", "batches made durable")
	recordCount   = meter.Counter("tailrace_wal_records_total", "records made durable")
	commitRunning = meter.Gauge("tailrace_wal_commit_running_seconds",
		"how long the commit under way takes already, 0 while there is none")
	stagedBytes   = meter.Gauge("tailrace_wal_staged_bytes", "bytes of records that wait to become durable")
	stagedBatches = meter.Gauge("tailrace_wal_staged_batches", "batches that wait for their commit to begin")
	spareWaits    = meter.Counter("tailrace_wal_preallocation_waits_total",
		"times that commits waited for the next log file to be made ready")
	refusedCount = meter.Counter("tailrace_wal_refused_total",
		"records refused: busy, because too much waits; full, because the disk is full",
		meter.OneOf("reason", "busy", "full"))
	diskFull = meter.Gauge("tailrace_wal_disk_full", "1 while the disk has no room for the next log file")
)

// groupMeters are the numbers of a Group, under its mu.
type groupMeters struct {
	records, bytes, wait meter.Buckets
	commits, total       uint64 // batches, and records in them
	spareWaits           uint64
	busy, full           uint64    // records refused
	began                time.Time // of the commit under way, or zero
}

// measure begins to measure the group.
func (g *Group) measure(set *metrics.Set) {
	g.meters = groupMeters{records: batchRecords.Buckets(), bytes: batchBytes.Buckets(), wait: queueWait.Buckets()}
	g.unmeasure = meter.Collect(set, func(r *meter.Reading) {
		g.mu.Lock()
		m, staged, batches, full := g.meters, g.staged, len(g.queue), g.full
		recordsOf, bytesOf, waitOf := m.records.Clone(), m.bytes.Clone(), m.wait.Clone()
		g.mu.Unlock()
		r.Histogram(batchRecords, recordsOf)
		r.Histogram(batchBytes, bytesOf)
		r.Histogram(queueWait, waitOf)
		r.Counter(commitCount, float64(m.commits))
		r.Counter(recordCount, float64(m.total))
		r.Counter(spareWaits, float64(m.spareWaits))
		r.Counter(refusedCount, float64(m.busy), "busy")
		r.Counter(refusedCount, float64(m.full), "full")
		r.Gauge(stagedBytes, float64(staged))
		r.Gauge(stagedBatches, float64(batches))
		r.Gauge(diskFull, one(full))
		running := 0.0
		if !m.began.IsZero() {
			running = time.Since(m.began).Seconds()
		}
		r.Gauge(commitRunning, running)
	})
}

// begin notes that the commit of a batch begins. It is called under mu.
func (m *groupMeters) begin(b *Batch, now time.Time) {
	m.began = now
	m.wait.Add(now.Sub(b.opened).Seconds())
}

// end notes that a batch is durable. It is called under mu.
func (m *groupMeters) end(b *Batch) {
	m.began = time.Time{}
	m.commits++
	m.total += uint64(b.records)
	m.records.Add(float64(b.records))
	m.bytes.Add(float64(len(b.payload)))
}

// waitsForSpare notes that commits wait for the next file.
func (g *Group) waitsForSpare() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meters.spareWaits++
}
