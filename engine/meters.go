package engine

import (
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"tailrace/internal/manifest"
	"tailrace/internal/meter"
	"tailrace/internal/stream"
)

// What is measured of streams, memory and segments. All of it is known anyway, and
// read at once when somebody asks.
var (
	streamCount     = meter.Gauge("tailrace_streams", "streams, those that only forks keep included")
	streamCountMax  = meter.Gauge("tailrace_streams_max", "the limit of tailrace_streams")
	producerCount   = meter.Gauge("tailrace_producers", "producers that streams remember")
	streamTextBytes = meter.Gauge("tailrace_stream_text_bytes", "names, content types and other texts of streams")
	tableBytes      = meter.Gauge("tailrace_stream_table_bytes", "memory that streams take, but for their appends")
	tableBytesMax   = meter.Gauge("tailrace_stream_table_max_bytes",
		"beyond so much new streams are refused as memory_full")
	watcherCount = meter.Gauge("tailrace_watchers", "readers that follow a stream live, as the engine sees them")

	frameBytes    = meter.Gauge("tailrace_frame_bytes", "memory that appends take which no segment has yet")
	frameBytesMax = meter.Gauge("tailrace_frame_max_bytes", "beyond so much commits wait for a flush")
	frameCount    = meter.Gauge("tailrace_frames", "batches with appends in memory that no segment has yet")
	appendsHeld   = meter.Gauge("tailrace_frame_appends", "appends in memory that no segment has yet")
	stagedOps     = meter.Gauge("tailrace_staged_operations", "operations that wait to become durable")
	stagedOpsMax  = meter.Gauge("tailrace_staged_operations_max", "beyond so many, writes are refused as overloaded")
	commitsHeld   = meter.Gauge("tailrace_commits_held", "1 while commits wait for a flush to make room in memory")

	operationCount = meter.Counter("tailrace_operations_total",
		"operations put into the log, by kind", meter.OneOf("kind", operationNames[1:]...))
	bodyBytes = meter.Counter("tailrace_body_bytes_total", "bodies of creates and appends put into the log")

	checkpointAge = meter.Gauge("tailrace_checkpoint_age_seconds",
		"how long ago the last flush ended, or the store was opened")
	checkpointLogFiles = meter.Gauge("tailrace_checkpoint_log_files",
		"log files that a start would replay something of")
	segmentCount  = meter.Gauge("tailrace_segments", "segments, by where their blocks are", segmentPlaces)
	segmentStored = meter.Gauge("tailrace_segment_bytes",
		"bytes of segments, by where their blocks are", segmentPlaces)
	layerCount = meter.Gauge("tailrace_segment_layers",
		"layers of segments: places to look for what a stream has")
	layerCountMax = meter.Gauge("tailrace_segment_layers_late",
		"beyond so many layers merging is late, and considers nobody else")
	garbageFiles = meter.Gauge("tailrace_garbage_files", "files that nothing needs and that are not removed yet")

	cacheRequests = meter.Counter("tailrace_block_cache_requests_total",
		"blocks asked for: hit, miss, or joined, which waited for another who was loading it",
		meter.OneOf("result", "hit", "miss", "joined"))
	cacheEvictions = meter.Counter("tailrace_block_cache_evictions_total", "blocks dropped to make room for others")
	cacheBytes     = meter.Gauge("tailrace_block_cache_bytes", "decoded blocks in memory")
	cacheBytesMax  = meter.Gauge("tailrace_block_cache_max_bytes", "the limit of tailrace_block_cache_bytes")
	cacheBlocks    = meter.Gauge("tailrace_block_cache_blocks", "decoded blocks in memory")

	damageCount = meter.Counter("tailrace_damage_total",
		"times that stored bytes did not verify: reads, merges, sends and scrubs that met some")
	openedIn     = meter.Gauge("tailrace_recovery_seconds", "how long the store took to open")
	engineFailed = meter.Gauge("tailrace_engine_failed",
		"1 when nothing can become durable any more, and the process is about to end")
)

// segmentPlaces: those in both places are whole on the disk and in the bucket.
var segmentPlaces = meter.OneOf("place", "disk", "both", "bucket")

// operationNames are the kinds of records, by stream.Kind.
var operationNames = [...]string{
	stream.KindCreate: "create", stream.KindAppend: "append", stream.KindDelete: "delete", stream.KindExpire: "expire",
	stream.KindTouch: "touch", stream.KindChange: "change", stream.KindTrim: "trim", closes: "close",
}

// closes counts an append that closes its stream, beside its kind.
const closes = stream.KindTrim + 1

// meters are the numbers of an engine that nobody else knows.
type meters struct {
	operations  [len(operationNames)]uint64 // under Engine.mu
	bodyBytes   uint64                      // the same
	memoryReads uint64                      // the same

	readMeters
	maintenanceMeters
	tierMeters
}

func newMeters(set *metrics.Set) *meters {
	return &meters{
		readMeters: newReadMeters(set), maintenanceMeters: newMaintenanceMeters(set), tierMeters: newTierMeters(set),
	}
}

// staged counts a record that was put into the log. Engine.mu is held.
func (m *meters) staged(rec *stream.Record) {
	m.operations[rec.Kind]++
	if rec.Kind == stream.KindAppend && rec.Close {
		m.operations[closes]++
	}
	m.bodyBytes += uint64(len(rec.Body))
}

// measure begins to answer for an engine that was opened.
func (e *Engine) measure(took time.Duration) {
	openedIn.In(e.opts.Metrics).Set(took.Seconds())
	e.unmeasure = meter.Collect(e.opts.Metrics, func(r *meter.Reading) {
		e.readStreams(r)
		e.readUse(r)
		e.readSegments(r)
		e.blocks.read(r)
		e.readReads(r)
		e.readMaintenance(r)
		e.readTier(r)
	})
}

// readStreams gives what Engine.mu guards. It is held for some dozen loads and, as
// for each append, a look at each batch in flight.
func (e *Engine) readStreams(r *meter.Reading) {
	e.mu.Lock()
	counted, bodies, fromMemory := e.meters.operations, e.meters.bodyBytes, e.meters.memoryReads
	now, checkpointAt := e.now(), e.checkpointAt
	streamsNow, producersNow, text, table := e.table.Len(), e.producers, e.text, e.tableBytes()
	watching, unflushed, framesNow := e.watching, e.unflushedBytes(), len(e.frames.byBatch)
	appends, ops := e.appends, e.stagedOps
	held, stuck := e.held != nil, e.flushStuck
	files := e.lastMark.pos.File - min(e.checkpoint.WALFile, e.lastMark.pos.File) + 1
	flushing, backingUp := time.Time{}, time.Time{}
	if e.flush != nil {
		flushing = e.flush.began
	}
	if e.backup != nil {
		backingUp = e.backup.began
	}
	e.mu.Unlock()

	r.Gauge(streamCount, float64(streamsNow))
	r.Gauge(streamCountMax, float64(e.opts.StreamsMax))
	r.Gauge(producerCount, float64(producersNow))
	r.Gauge(streamTextBytes, float64(text))
	r.Gauge(tableBytes, float64(table))
	r.Gauge(tableBytesMax, float64(e.opts.tableBytesMax()))
	r.Gauge(watcherCount, float64(watching))
	r.Gauge(frameBytes, float64(unflushed))
	r.Gauge(frameBytesMax, float64(e.opts.FrameBytesMax))
	r.Gauge(frameCount, float64(framesNow))
	r.Gauge(appendsHeld, float64(appends))
	r.Gauge(stagedOps, float64(ops))
	r.Gauge(stagedOpsMax, float64(e.opts.InFlightMax))
	r.Gauge(commitsHeld, one(held))
	for kind, name := range operationNames {
		if name != "" {
			r.Counter(operationCount, float64(counted[kind]), name)
		}
	}
	r.Counter(bodyBytes, float64(bodies))
	r.Counter(readCount, float64(fromMemory), "memory")
	r.Gauge(checkpointAge, float64(max(0, now-checkpointAt))/1000)
	r.Gauge(checkpointLogFiles, float64(files))
	r.Gauge(flushStuck, one(stuck))
	r.Gauge(flushRunning, secondsSince(flushing))
	r.Gauge(backupRunning, secondsSince(backingUp))
	r.Counter(damageCount, float64(e.damage.Load()))
	r.Gauge(engineFailed, one(e.Err() != nil))
}

// readSegments gives what the manifest says, which takes no lock.
func (e *Engine) readSegments(r *meter.Reading) {
	state := e.manifest.State()
	var count, bytes [3]int64
	for _, l := range state.Layers {
		for i := range l.Segments {
			at := 0
			switch l.Segments[i].Place {
			case manifest.PlaceBoth:
				at = 1
			case manifest.PlaceRemote:
				at = 2
			}
			count[at]++
			bytes[at] += l.Segments[i].Bytes
		}
	}
	for i, place := range segmentPlaces.Values {
		r.Gauge(segmentCount, float64(count[i]), place)
		r.Gauge(segmentStored, float64(bytes[i]), place)
	}
	r.Gauge(layerCount, float64(len(state.Layers)))
	r.Gauge(layerCountMax, float64(layersLate*e.opts.MergeFanIn))
	r.Gauge(garbageFiles, float64(len(state.Garbage)))
}

// read gives what the cache counts.
func (c *blockCache) read(r *meter.Reading) {
	c.mu.Lock()
	hits, misses, joined, evicted := c.hits, c.misses, c.joined, c.evicted
	bytes, blocks := c.bytes, len(c.entries)
	c.mu.Unlock()
	r.Counter(cacheRequests, float64(hits), "hit")
	r.Counter(cacheRequests, float64(misses), "miss")
	r.Counter(cacheRequests, float64(joined), "joined")
	r.Counter(cacheEvictions, float64(evicted))
	r.Gauge(cacheBytes, float64(bytes))
	r.Gauge(cacheBytesMax, float64(c.max))
	r.Gauge(cacheBlocks, float64(blocks))
}

// running is since when something goes on. What has not ended yet is in no counter:
// this shows it.
type running struct{ since atomic.Pointer[time.Time] }

func (r *running) begin() (end func()) {
	now := time.Now()
	r.since.Store(&now)
	return r.end
}

func (r *running) end() { r.since.Store(nil) }

// took is for how long, 0 if it does not go on.
func (r *running) took() time.Duration {
	if since := r.since.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

func secondsSince(began time.Time) float64 {
	if began.IsZero() {
		return 0
	}
	return time.Since(began).Seconds()
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
