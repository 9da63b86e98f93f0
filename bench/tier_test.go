package bench

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/s3"
	"tailrace/internal/objstore/s3test"
)

var (
	tierTime = flag.Duration("bench.tiertime", 10*time.Second, "how long the bucket of BenchmarkTierFailing fails while something is appended")
	tierRate = flag.Int("bench.tier-rate", 2000, "appends a second of BenchmarkTierFailing; 0 = as fast as they go")
)

// tierRole puts the store of a child into the bucket of a server that the parent
// started. What is 0 is the default of the engine.
type tierRole struct {
	Endpoint     string
	LocalBytes   int64
	CacheBytes   int64
	SendBytes    int64
	PublishEvery time.Duration
	Grace        time.Duration
	Seed         uint64 // of the faults, 0 = there will be none
}

// engine gives the options, with counters and faults around the bucket.
func (r *tierRole) engine(a *actor) (*engine.TierOptions, error) {
	server := s3test.Server{Endpoint: r.Endpoint}
	b, err := s3.Open(context.Background(), server.Config())
	if err != nil {
		return nil, err
	}
	if r.Seed != 0 {
		a.faults = faultobj.New(b, r.Seed, nil)
		b = a.faults
	}
	a.bucket = newCountBucket(b)
	return &engine.TierOptions{
		Bucket: a.bucket, LocalBytes: r.LocalBytes, CacheBytes: r.CacheBytes, SendBytes: r.SendBytes,
		PublishEvery: r.PublishEvery, Grace: r.Grace,
	}, nil
}

// halfFails is a bucket on a bad day: half of all requests come to nothing, and
// of the puts and deletes another tenth takes effect without an answer that says
// so. Some of the others are slow.
var halfFails = map[faultobj.Fault]float64{
	faultobj.Internal:      .20,
	faultobj.SlowDown:      .15,
	faultobj.TimeoutBefore: .15,
	faultobj.InternalAfter: .05,
	faultobj.TimeoutAfter:  .05,
	faultobj.Slow:          .02,
}

var errNoFaults = errors.New("bench: this bucket has no faults")

// misbehave makes the bucket fail, or ends that.
func (a *actor) misbehave(fail bool) error {
	switch {
	case a.faults == nil:
		return errNoFaults
	case fail:
		a.faults.Rates(halfFails)
	default:
		a.faults.Heal()
	}
	return nil
}

// tierStore is a server with a store that may be in a bucket.
type tierStore struct {
	dir    string
	role   role
	bucket *objstore.Store // the parent's own way to it; nil until it is needed
	*child
}

// startTierStore starts a server on a new store. tier is nil for one that is all
// on the disk.
func startTierStore(tb testing.TB, o storeOptions, tier *tierRole) *tierStore {
	tb.Helper()
	s := &tierStore{dir: filepath.Join(tb.TempDir(), "store")}
	s.role = role{Dir: s.dir, Options: o, Tier: tier, Limited: true}
	s.start(tb)
	return s
}

func (s *tierStore) start(tb testing.TB) {
	tb.Helper()
	s.child = startChild(tb, s.role)
	tb.Cleanup(s.thaw) // a process that stands still cannot end
}

// empty starts the process again, which has ended, without what it had cached.
func (s *tierStore) empty(tb testing.TB) {
	tb.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "cache")); err != nil {
		tb.Fatal(err)
	}
	s.start(tb)
}

// freeze makes the process stand still, so that nothing that it does in the
// background is at the expense of another that is measured.
func (s *tierStore) freeze() { s.signal(syscall.SIGSTOP) }
func (s *tierStore) thaw()   { s.signal(syscall.SIGCONT) }

func (s *tierStore) signal(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // it may have ended
}

// audited demands that the bucket has what the store refers to and nothing else.
// The process of the store has ended.
func (s *tierStore) audited(tb testing.TB) engine.Audit {
	tb.Helper()
	server := s3test.Server{Endpoint: s.role.Tier.Endpoint}
	o := s.role.Options.engine(s.dir)
	o.Tier = &engine.TierOptions{Bucket: s3test.Open(tb, server.Config())}
	a, err := engine.AuditBucket(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	if len(a.Lost)+len(a.Orphans)+a.Unsent > 0 || a.Objects == 0 {
		tb.Fatalf("bench: audit of the bucket: %d objects, %d not sent\nlost: %q\norphans: %q", a.Objects, a.Unsent, a.Lost, a.Orphans)
	}
	return a
}
