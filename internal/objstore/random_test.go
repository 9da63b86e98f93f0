package objstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
)

// stormy are faults of all kinds that a sound store can have.
var stormy = map[faultobj.Fault]float64{
	faultobj.Conflict: 0.05, faultobj.Internal: 0.05, faultobj.InternalAfter: 0.05, faultobj.SlowDown: 0.05,
	faultobj.TimeoutBefore: 0.05, faultobj.TimeoutAfter: 0.1, faultobj.Truncated: 0.05, faultobj.Corrupt: 0.05,
	faultobj.WrongETag: 0.02, faultobj.Slow: 0.02, faultobj.Denied: 0.01, faultobj.Missing: 0.02, faultobj.Skewed: 0.01,
}

// TestSwapsFormOneChain lets workers count with swaps through a storm. Every
// success is one step of the count, and only what ended unknown may be another.
func TestSwapsFormOneChain(t *testing.T) {
	const workers, steps = 8, 60
	s := seed(t)
	r := newRig(s, func(o *objstore.Options) { o.RetryBudget = 1 << 20 })
	must(t, r.Create(t.Context(), "count", objstore.Bytes([]byte("0 begin"))))
	r.faults.Rates(stormy)
	var won, unknown, lost atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for step := range steps {
				got, info, err := r.ReadAll(t.Context(), "count", 100)
				if err != nil {
					continue
				}
				number, _, _ := strings.Cut(string(got), " ")
				n, err := strconv.Atoi(number)
				if err != nil {
					t.Errorf("read %q", got)
					return
				}
				next := fmt.Sprintf("%d by %d at %d", n+1, w, step)
				_, err = r.Swap(t.Context(), "count", objstore.Bytes([]byte(next)), info.ETag)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, objstore.ErrOvertaken):
					unknown.Add(1)
				case errors.Is(err, objstore.ErrExists):
					lost.Add(1)
				default:
					unknown.Add(1)
				}
			}
		})
	}
	wg.Wait()
	got, _ := r.mem.Content("count")
	number, _, _ := strings.Cut(string(got), " ")
	n, _ := strconv.ParseInt(number, 10, 64)
	if n < won.Load() || n > won.Load()+unknown.Load() {
		t.Fatalf("count is %d after %d swaps that won, %d lost and %d unknown", n, won.Load(), lost.Load(), unknown.Load())
	}
	if won.Load() == 0 || lost.Load() == 0 {
		t.Fatalf("%d won and %d lost: the storm leaves nothing to test", won.Load(), lost.Load())
	}
}

// TestCreatesNeverOverwrite races creators of the same keys through a storm,
// each of whom comes back until it knows.
func TestCreatesNeverOverwrite(t *testing.T) {
	const workers, keys = 16, 40
	s := seed(t)
	r := newRig(s, func(o *objstore.Options) { o.RetryBudget = 1 << 20 })
	r.faults.Rates(stormy)
	winners := make([][]int, keys)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for k := range keys {
				for {
					err := r.Create(t.Context(), fmt.Sprint("k/", k), objstore.Bytes(fmt.Appendf(nil, "key %d by %02d", k, w)))
					if err == nil {
						mu.Lock()
						winners[k] = append(winners[k], w)
						mu.Unlock()
					}
					if err == nil || errors.Is(err, objstore.ErrForeign) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	for k, won := range winners {
		if len(won) != 1 {
			t.Errorf("key %d: creators %v won", k, won)
			continue
		}
		if got, _ := r.mem.Content(fmt.Sprint("k/", k)); string(got) != fmt.Sprintf("key %d by %02d", k, won[0]) {
			t.Errorf("key %d: %q is there, and %d won", k, got, won[0])
		}
	}
}

// TestSameSeedSameTrace: what a simulation met can be met again.
func TestSameSeedSameTrace(t *testing.T) {
	run := func(seed uint64) string {
		r := newRig(seed)
		r.faults.Rates(stormy)
		for i := range 50 {
			key := fmt.Sprint("k/", i%7)
			_ = r.Create(t.Context(), key, objstore.Bytes([]byte(key)))
			_ = r.ReadAt(t.Context(), key, make([]byte, 2), 1)
			_ = r.Delete(t.Context(), key)
		}
		return fmt.Sprint(r.faults.Trace(), r.clock.slept)
	}
	s := seed(t)
	first := run(s)
	if first != run(s) {
		t.Error("one seed gave two traces")
	}
	if first == run(s+1) {
		t.Error("two seeds gave one trace")
	}
}

// TestReadAllIsOfOneVersion reads while another writer swaps all the time,
// with and without checksums to go by.
func TestReadAllIsOfOneVersion(t *testing.T) {
	for _, blind := range []bool{false, true} {
		m := mem.New(nil)
		f := faultobj.New(m, 1, nil)
		f.IgnoreChecksums(blind)
		version := 0
		write := func() {
			version++
			content := strings.Repeat(fmt.Sprint(version%10), 10+version%7/5)
			if _, err := m.Put(context.Background(), "k", objstore.Bytes([]byte(content)), objstore.Condition{}); err != nil {
				t.Error(err)
			}
		}
		write()
		calls := 0
		f.Hook(func(string, string) error {
			if calls++; calls%3 == 2 {
				write()
			}
			return nil
		}, nil)
		s := objstore.New(f, newClock(1).options())
		for range 100 {
			got, info, err := s.ReadAll(t.Context(), "k", 100)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(got)) != info.Size || strings.Trim(string(got), string(got[:1])) != "" {
				t.Fatalf("read %q of %d bytes", got, info.Size)
			}
			// The bucket in memory puts the checksum into the tag.
			if crc := fmt.Sprintf("%08x", objstore.Bytes(got).CRC); !strings.Contains(info.ETag, crc) {
				t.Fatalf("read %q with CRC-32C %s as version %s", got, crc, info.ETag)
			}
		}
	}
}
