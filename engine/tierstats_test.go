package engine

import (
	"encoding/json"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/stream"
	"tailrace/internal/vfs/memfs"
)

// TestTierStatsSayWhatARestoreWouldLose follows the numbers through the life of
// a store: everything is missing, nothing is, something is, also after a
// restart, and when the bucket has another owner.
func TestTierStatsSayWhatARestoreWouldLose(t *testing.T) {
	if none := newEngine(Options{}.withDefaults()).TierStats(); none.Phase != TierNone {
		t.Errorf("without a bucket: %+v", none)
	}
	f := startTier(t, nil)
	all := f.fill(6, 10, 200)
	settle(t, f.Engine)
	s := f.TierStats()
	if s.LastError != "" {
		t.Errorf("a start with a bucket in health leaves the error %s", s.LastError)
	}
	if s.Phase != TierReady || s.CoveredAt != 0 || s.MissingSeconds != -1 || s.MissingBytes == 0 || s.WaitingSegments == 0 ||
		s.WaitingBytes != s.LocalBytes || s.BucketBytes != 0 {
		t.Errorf("before anything was sent: %+v", s)
	}
	f.drain()
	whole := func(when string) {
		t.Helper()
		s := f.TierStats()
		if s.CoveredAt == 0 || s.MissingSeconds != 0 || s.MissingBytes != 0 || s.WaitingSegments != 0 || s.LocalBytes != 0 ||
			s.BucketBytes == 0 || s.RemoteBytes != s.BucketBytes || s.DoomedObjects != 0 || s.LostObjects != 0 {
			t.Errorf("%s: %+v", when, s)
		}
	}
	whole("after all was published")
	f.same(all)
	if s := f.TierStats(); s.CacheMisses == 0 || s.FetchedBytes == 0 || s.CachedBytes == 0 || s.Requests[objstore.OpPut]["ok"] == 0 || s.BytesUp == 0 || s.BytesDown == 0 {
		t.Errorf("after reads: %+v", s)
	}
	f.restart()
	whole("after a restart")
	covered := f.TierStats().CoveredAt
	want(t, f.Engine, stream.Appended, appendTo("s1", "text/plain", "more"))
	f.clock.advance(5e9)
	settle(t, f.Engine)
	if s := f.TierStats(); s.CoveredAt != covered || s.MissingSeconds < 5 || s.MissingBytes == 0 {
		t.Errorf("after an append that was not sent: %+v", s)
	}
	b, err := json.Marshal(f.TierStats())
	var back TierStats
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || back.Phase != TierReady || back.MissingBytes == 0 {
		t.Errorf("%s is read as %+v, %v", b, back, err)
	}
}

// TestRequestsOfAPublicationAreCounted holds the cost model of the documentation
// against what is asked: two requests for each object, one for the head; a
// round of deletions looks at the head once; a cold first byte is one read.
func TestRequestsOfAPublicationAreCounted(t *testing.T) {
	f := startTier(t, nil)
	count := func() (puts, heads, reads, deletes int64) {
		sum := func(op string) (n int64) {
			for _, c := range f.TierStats().Requests[op] {
				n += c
			}
			return n
		}
		return sum(objstore.OpPut), sum(objstore.OpHead), sum(objstore.OpReadAt), sum(objstore.OpDelete)
	}
	want(t, f.Engine, stream.Created, create("s", "text/plain", "a first byte"))
	settle(t, f.Engine)
	f.clock.advance(2e9)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	p, h, r, d := count()
	if err := f.Tier(); err != nil {
		t.Fatal(err)
	}
	const objects = 3 // segment, stream table, state
	np, nh, nr, nd := count()
	if np-p != objects+1 || nh-h != objects+1 || nr-r != 1 || nd != d {
		t.Errorf("a publication took %d puts, %d heads, %d reads, %d deletes", np-p, nh-h, nr-r, nd-d)
	}
	if err := f.evict(); err != nil {
		t.Fatal(err)
	}
	p, h, r, d = count()
	f.same(map[string]string{"s": "a first byte"})
	f.same(map[string]string{"s": "a first byte"})
	np, nh, nr, nd = count()
	if np != p || nh != h || nr-r != 1 || nd != d {
		t.Errorf("two cold reads took %d puts, %d heads, %d reads, %d deletes", np-p, nh-h, nr-r, nd-d)
	}
	// A table and a state take the place of others, the segment is dead: what went
	// is deleted in one round.
	want(t, f.Engine, stream.Deleted, func(e *Engine) Ticket { return e.Delete("s") })
	settle(t, f.Engine)
	for _, step := range []func() error{f.Flush, f.Merge} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.advance(2e9)
	p, h, r, d = count()
	if err := f.Tier(); err != nil {
		t.Fatal(err)
	}
	np, nh, nr, nd = count()
	if np-p != 3 || nh-h != 2+2 || nr-r != 2 || nd-d != 2 {
		t.Errorf("a publication and a round of deletions took %d puts, %d heads, %d reads, %d deletes", np-p, nh-h, nr-r, nd-d)
	}
}

// TestRestoreKnowsWhatThePublicationReplaced: the state before the one that is
// restored is known to the new directory, and deleted in its time.
func TestRestoreKnowsWhatThePublicationReplaced(t *testing.T) {
	f := startTier(t, func(o *Options) { o.Tier.Grace = time.Hour })
	f.fill(2, 2, 50)
	f.drain()
	want(t, f.Engine, stream.Appended, appendTo("s1", "text/plain", "more"))
	f.drain()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.disk = memfs.New()
	if _, err := RestoreFromBucket(t.Context(), BucketRestore{FS: f.disk, To: "store", Bucket: f.bucket, Rand: f.rng.Uint64}); err != nil {
		t.Fatal(err)
	}
	f.set = func(o *Options) { o.Tier.Takeover = true }
	f.open()
	f.audited()
	if s := f.TierStats(); s.DoomedObjects == 0 {
		t.Errorf("nothing was replaced: %+v", s)
	}
	f.drain()
	f.audited()
	if s := f.TierStats(); s.DoomedObjects != 0 || s.Phase != TierReady {
		t.Errorf("what was replaced is still there: %+v", s)
	}
}
