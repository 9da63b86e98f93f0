package engine

import (
	"encoding/json"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/stream"
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
