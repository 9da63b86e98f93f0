package engine

import (
	"context"

	"tailrace/internal/bucket"
	"tailrace/internal/manifest"
)

// TierStats is how it stands between a store and its bucket. Counters begin
// with the process.
type TierStats struct {
	Phase TierPhase `json:"phase"`

	LocalBytes    int64 `json:"local_bytes"`     // of segments that are whole on the disk
	LocalBytesMax int64 `json:"local_bytes_max"` // TierOptions.LocalBytes
	BucketBytes   int64 `json:"bucket_bytes"`    // of segments that are in the bucket, on the disk too or not
	RemoteBytes   int64 `json:"remote_bytes"`    // of segments whose blocks are only there
	CachedBytes   int64 `json:"cached_bytes"`    // of those that the cache has on the disk

	WaitingSegments int   `json:"waiting_segments"` // that are not in the bucket yet
	WaitingBytes    int64 `json:"waiting_bytes"`    // in them
	DoomedObjects   int   `json:"doomed_objects"`   // that wait to be deleted

	// What a restore from the bucket would give: everything up to CoveredAt, engine
	// time in unix milliseconds. 0 means that nothing was published yet, or that the
	// bucket was not reached since the start.
	CoveredAt int64 `json:"covered_at_ms"`
	// MissingSeconds is how old that is, 0 if nothing was written since; -1 goes with
	// a CoveredAt of 0.
	MissingSeconds float64 `json:"missing_seconds"`
	// MissingBytes is at most what would be lost: of appends that no segment has, as
	// they are in memory, and of segments with something newer, as they are stored.
	MissingBytes int64 `json:"missing_bytes"`

	UnavailableReads int64 `json:"unavailable_reads"` // answered storage_unavailable
	LostObjects      int64 `json:"lost_objects"`      // times that one was not there, or not what it should be

	CacheHits    int64 `json:"cache_hits"`    // reads of blocks that waited for no request
	CacheMisses  int64 `json:"cache_misses"`  // and that did
	FetchedBytes int64 `json:"fetched_bytes"` // that the cache got from the bucket

	// Requests counts attempts by operation and outcome, such as "put" and "ok".
	Requests  map[string]map[string]int64 `json:"requests"`
	BytesUp   int64                       `json:"bytes_up"`   // in bodies that the bucket accepted
	BytesDown int64                       `json:"bytes_down"` // in reads that succeeded
	Retries   int64                       `json:"retries"`    // attempts that were not the first of their call

	LastError   string `json:"last_error,omitempty"` // of the bucket, but for those that a probe provokes
	LastErrorAt int64  `json:"last_error_at_ms,omitempty"`
}

// MarshalText gives a phase its name.
func (p TierPhase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name of a phase; one that it does not know is TierNone.
func (p *TierPhase) UnmarshalText(b []byte) error {
	for *p = TierFenced; *p > TierNone && p.String() != string(b); *p-- {
	}
	return nil
}

// TierStats returns the numbers of now. They are of slightly different moments.
func (e *Engine) TierStats() TierStats {
	t := e.tier
	if t == nil {
		return TierStats{}
	}
	e.mu.Lock()
	now, durable, frames := e.now(), e.durable, e.unflushedBytes()
	e.mu.Unlock()
	state := e.manifest.State()
	s := TierStats{
		Phase: TierPhase(t.phase.Load()), LocalBytes: localBytes(&state), LocalBytesMax: t.opts.LocalBytes,
		DoomedObjects: len(state.Tier.Doomed), UnavailableReads: t.unavailable.Load(), LostObjects: t.lost.Load(),
		CoveredAt: t.covered.Load(), MissingSeconds: -1, MissingBytes: frames,
		Requests: make(map[string]map[string]int64),
	}
	covered := t.coveredBatch.Load()
	for _, l := range state.Layers {
		for _, seg := range l.Segments {
			switch {
			case seg.Place >= manifest.PlaceBoth:
				s.BucketBytes += seg.Bytes
			default:
				s.WaitingSegments++
				s.WaitingBytes += seg.Bytes
			}
			if seg.Place == manifest.PlaceRemote {
				s.RemoteBytes += seg.Bytes
			}
			if l.To > covered {
				s.MissingBytes += seg.Bytes
			}
		}
	}
	if s.CoveredAt != 0 {
		s.MissingSeconds = 0
		if durable > covered {
			s.MissingSeconds = float64(max(0, now-s.CoveredAt)) / 1000
		}
	}
	c := t.cache.Stats()
	s.CachedBytes, s.CacheHits, s.CacheMisses, s.FetchedBytes = c.Bytes, c.Hits, c.Misses, c.FetchedBytes
	asked := t.store.Stats()
	for _, r := range asked.Requests {
		if s.Requests[r.Op] == nil {
			s.Requests[r.Op] = make(map[string]int64)
		}
		s.Requests[r.Op][r.Kind.String()] = r.N
	}
	s.BytesUp, s.BytesDown, s.Retries = asked.BytesUp, asked.BytesDown, asked.Retries
	if asked.LastErrorAt.UnixNano() > t.asked.Load() {
		s.LastError, s.LastErrorAt = asked.LastError, asked.LastErrorAt.UnixMilli()
	}
	return s
}

// covers notes what a restore from the bucket would give.
func (t *tier) covers(c manifest.Checkpoint) {
	t.coveredBatch.Store(c.Batch)
	t.covered.Store(c.At)
}

// learnCovered finds out what an earlier process published, and when, 0 if that is
// not known. A bucket that does not tell is no error: the next publication does.
func (e *Engine) learnCovered(ctx context.Context, h *bucket.Head) (written int64) {
	if h.State.ID == 0 {
		return 0
	}
	state, p, err := readState(ctx, e.tier.store, h)
	if err != nil {
		e.opts.Logger.Warn("cannot read the published state", "err", err)
		return 0
	}
	e.tier.covers(state.Checkpoint)
	return p.Written
}
