package engine

import (
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/manifest"
	"tailrace/internal/meter"
	"tailrace/internal/objstore"
)

// What is measured of the bucket, beside TierStats. Without a bucket only the first
// of these are there.
var (
	sendCount   = meter.Counter("tailrace_tier_segments_sent_total", "segments sent to the bucket")
	sendSeconds = meter.Histogram("tailrace_tier_send_seconds",
		"how long it took to send a segment", meter.Exponential(1e-2, 4, 8))
	sendRunning = meter.Gauge("tailrace_tier_send_running_seconds",
		"how long the segment being sent takes already, 0 while there is none")
	publishCount   = meter.Counter("tailrace_tier_publications_total", "states published that a restore finds")
	publishRunning = meter.Gauge("tailrace_tier_publication_running_seconds",
		"how long the publication under way takes already, 0 while there is none")
	evictCount  = meter.Counter("tailrace_tier_segments_evicted_total", "segments that left the disk")
	deleteCount = meter.Counter("tailrace_tier_objects_deleted_total", "objects deleted from the bucket")
	tierPhase   = meter.Gauge("tailrace_tier_phase",
		"1 for how it stands between the store and its bucket", meter.OneOf("phase", tierPhases()...))
	tierWaiting  = meter.Gauge("tailrace_tier_waiting_segments", "segments that are not in the bucket yet")
	waitingBytes = meter.Gauge("tailrace_tier_waiting_bytes", "bytes of segments that are not in the bucket yet")
	localNow     = meter.Gauge("tailrace_tier_local_bytes", "bytes of segments that are whole on the disk")
	localMax     = meter.Gauge("tailrace_tier_local_max_bytes",
		"what segments may take on the disk; from three quarters of it on, they leave the disk")
	bucketBytes = meter.Gauge("tailrace_tier_bucket_bytes",
		"bytes of segments that are in the bucket, on the disk too or not")
	doomedCount = meter.Gauge("tailrace_tier_doomed_objects", "objects that wait to be deleted")

	coveredAge = meter.Gauge("tailrace_tier_missing_seconds",
		"how old what a restore would give is, 0 if nothing was written since, -1 if not known")
	missingBytes     = meter.Gauge("tailrace_tier_missing_bytes", "what a restore would miss, at most")
	unavailableCount = meter.Counter("tailrace_tier_unavailable_reads_total",
		"reads that the bucket did not serve, answered storage_unavailable")
	lostObjects = meter.Counter("tailrace_tier_lost_objects_total",
		"times that an object was not there, or not what it should be")
	reserveHeld = meter.Gauge("tailrace_tier_reserve_held",
		"1 while there is space kept to move segments off a full disk")

	tierCacheBytes    = meter.Gauge("tailrace_tier_cache_bytes", "parts of segments of the bucket that the disk has")
	tierCacheBytesMax = meter.Gauge("tailrace_tier_cache_max_bytes", "the limit of tailrace_tier_cache_bytes")
	tierCacheRequests = meter.Counter("tailrace_tier_cache_requests_total",
		"reads of parts of segments of the bucket: a miss needs a request",
		meter.OneOf("result", "hit", "miss"))
	tierCacheWaiting = meter.Gauge("tailrace_tier_cache_waiting", "reads of parts of segments that wait for the bucket")
	fetchedBytes     = meter.Counter("tailrace_tier_fetched_bytes_total", "parts of segments that came from the bucket")

	tierRequests = meter.Counter("tailrace_tier_requests_total",
		"attempts at the bucket, by operation and what came of them, of those that occurred",
		meter.OneOf("op", objstore.OpPut, objstore.OpReadAt, objstore.OpHead, objstore.OpDelete, objstore.OpList),
		meter.OneOf("outcome", requestOutcomes()...))
	tierRetries = meter.Counter("tailrace_tier_retries_total",
		"attempts at the bucket that were not the first of their call")
	tierSent      = meter.Counter("tailrace_tier_sent_bytes_total", "bodies that the bucket accepted")
	tierReceived  = meter.Counter("tailrace_tier_received_bytes_total", "bytes of reads that the bucket served")
	tierInFlight  = meter.Gauge("tailrace_tier_requests_in_flight", "attempts at the bucket under way", tierDirections)
	tierQueue     = meter.Gauge("tailrace_tier_requests_waiting", "calls that wait to ask the bucket", tierDirections)
	tierInFlights = meter.Gauge("tailrace_tier_requests_in_flight_max",
		"the limit of tailrace_tier_requests_in_flight, which follows what the bucket bears", tierDirections)
)

var tierDirections = meter.OneOf("direction", "read", "write")

func tierPhases() (all []string) {
	for p := TierNone; p <= TierFenced; p++ {
		all = append(all, p.String())
	}
	return all
}

// requestOutcome is the kind of an error as a label.
func requestOutcome(kind string) string { return strings.ReplaceAll(kind, " ", "_") }

func requestOutcomes() (all []string) {
	for k := objstore.Kind(0); !strings.HasPrefix(k.String(), "kind "); k++ {
		all = append(all, requestOutcome(k.String()))
	}
	return all
}

// tierMeters are the numbers of what is done with the bucket.
type tierMeters struct {
	sent            *metrics.Counter
	sendTook        *metrics.PrometheusHistogram
	sending         *running
	publications    *metrics.Counter
	publishing      *running
	evicted, erased *metrics.Counter
}

func newTierMeters(set *metrics.Set) tierMeters {
	return tierMeters{
		sent: sendCount.In(set), sendTook: sendSeconds.In(set), sending: new(running),
		publications: publishCount.In(set), publishing: new(running),
		evicted: evictCount.In(set), erased: deleteCount.In(set),
	}
}

func (e *Engine) readTier(r *meter.Reading) {
	r.Gauge(sendRunning, e.meters.sending.took().Seconds())
	r.Gauge(publishRunning, e.meters.publishing.took().Seconds())
	s := e.TierStats()
	for p, name := range tierPhases() {
		r.Gauge(tierPhase, one(TierPhase(p) == s.Phase), name)
	}
	t := e.tier
	if t == nil {
		return
	}
	r.Gauge(tierWaiting, float64(s.WaitingSegments))
	r.Gauge(waitingBytes, float64(s.WaitingBytes))
	r.Gauge(localNow, float64(s.LocalBytes))
	r.Gauge(localMax, float64(s.LocalBytesMax))
	r.Gauge(bucketBytes, float64(s.BucketBytes))
	r.Gauge(doomedCount, float64(s.DoomedObjects))
	r.Gauge(coveredAge, s.MissingSeconds)
	r.Gauge(missingBytes, float64(s.MissingBytes))
	r.Counter(unavailableCount, float64(s.UnavailableReads))
	r.Counter(lostObjects, float64(s.LostObjects))
	r.Gauge(reserveHeld, one(e.reserved.Load()))
	r.Gauge(tierCacheBytes, float64(s.CachedBytes))
	r.Gauge(tierCacheBytesMax, float64(t.opts.CacheBytes))
	r.Counter(tierCacheRequests, float64(s.CacheHits), "hit")
	r.Counter(tierCacheRequests, float64(s.CacheMisses), "miss")
	r.Gauge(tierCacheWaiting, float64(t.cache.Stats().Waiting))
	r.Counter(fetchedBytes, float64(s.FetchedBytes))
	for op, kinds := range s.Requests {
		for kind, n := range kinds {
			r.Counter(tierRequests, float64(n), op, requestOutcome(kind))
		}
	}
	r.Counter(tierRetries, float64(s.Retries))
	r.Counter(tierSent, float64(s.BytesUp))
	r.Counter(tierReceived, float64(s.BytesDown))
	asked := t.store.Stats()
	for i, load := range []objstore.Load{asked.Reads, asked.Writes} {
		direction := tierDirections.Values[i]
		r.Gauge(tierInFlight, float64(load.InFlight), direction)
		r.Gauge(tierQueue, float64(load.Waiting), direction)
		r.Gauge(tierInFlights, float64(load.Limit), direction)
	}
}

// segmentSent takes note of a segment that the bucket has now.
func (e *Engine) segmentSent(seg *manifest.Segment, began time.Time) {
	took := time.Since(began)
	e.meters.sent.Inc()
	e.meters.sendTook.Update(took.Seconds())
	e.report("segment sent", seg.Bytes, took, "segment", seg.ID, "level", seg.Level)
}

// published takes note of a state that a restore finds.
func (e *Engine) published(p *pendingState) {
	e.meters.publications.Inc()
	e.report("state published", p.object.Bytes, e.meters.publishing.took(),
		"state", p.object.ID, "batch", p.state.Checkpoint.Batch)
}

// segmentsLeft takes note of segments that left the disk.
func (e *Engine) segmentsLeft(gone []*segmentFile) {
	bytes := int64(0)
	for _, s := range gone {
		bytes += s.info.Bytes
	}
	e.meters.evicted.Add(len(gone))
	e.opts.Logger.Debug("segments left the disk", "segments", len(gone), "bytes", bytes)
}

// objectsDeleted takes note of objects that are gone from the bucket.
func (e *Engine) objectsDeleted(objects int) {
	e.meters.erased.Add(objects)
	e.opts.Logger.Debug("objects deleted", "objects", objects)
}
