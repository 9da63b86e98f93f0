package engine

import (
	"fmt"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/stream"
)

// The first byte of a read of history costs one request, wherever it is.
func TestFirstByteCostsOneRequest(t *testing.T) {
	f := startTier(t, func(o *Options) {
		withoutCaches(o)
		o.LogFileBytes, o.BodyBytesMax = 1<<20, 64<<10
	})
	b := f.faulty()
	f.restart()
	all := f.fill(9, 6, 30_000)
	f.drain()
	for path := range all {
		var ends []stream.Offset
		_, last, _ := readAll(t, f.Engine, path, 0)
		for from := stream.Offset(0); from < last.Tail; {
			b.Forget()
			res, tk := f.ReadCold(ReadRequest{Path: path, From: from, BytesMax: 1})
			if tk.Code != stream.OK || len(res.Parts) != 1 {
				t.Fatalf("read %s from %d: %v, %d parts", path, from, tk.Code, len(res.Parts))
			}
			calls := b.Trace()
			if len(calls) > 1 || len(calls) == 1 && calls[0].Op != objstore.OpReadAt {
				t.Fatalf("read %s from %d asked %v", path, from, calls)
			}
			ends, from = append(ends, res.Next), res.Next
		}
		if len(ends) != 6 {
			t.Fatalf("%s has %d appends", path, len(ends))
		}
	}
}

// A bucket that does not answer is a matter of the reads that need it. They end in
// bounded time, and do not take the place of others.
func TestADeadBucketKeepsNobodyElse(t *testing.T) {
	f := startTier(t, withoutCaches)
	b := f.faulty()
	f.restart()
	old := f.fill(5, 5, 100)
	f.drain()
	release := make(chan struct{})
	b.Hook(func(op, key string) error {
		if op == objstore.OpReadAt {
			<-release
		}
		return nil
	}, nil)
	const waiting = 2 * farReadsMax
	codes := make(chan stream.Code, waiting)
	for i := range waiting {
		go func() {
			_, tk := f.ReadCold(ReadRequest{Path: fmt.Sprintf("s%d", i%len(old))})
			codes <- tk.Code
		}()
	}
	// As many as may wait do, and the others are told at once.
	for range waiting - farReadsMax {
		if code := <-codes; code != stream.Unavailable {
			t.Fatalf("a read too many is %v", code)
		}
	}
	want(t, f.Engine, stream.Created, create("new", "text/plain", "in memory"))
	if parts, _, _ := readAll(t, f.Engine, "new", 0); len(parts) != 1 {
		t.Error("a read of memory waits for the bucket")
	}
	f.tier.opts.LocalBytes = 1 << 40 // what is flushed now stays on the disk
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	if parts, _, _ := readAll(t, f.Engine, "new", 0); len(parts) != 1 {
		t.Error("a read of the disk waits for the bucket")
	}
	close(release)
	for range farReadsMax {
		if code := <-codes; code != stream.OK {
			t.Errorf("a read that waited is %v", code)
		}
	}
	b.Hook(nil, nil)
	f.same(old)
	f.Close()
}

// What the bucket fails to serve is said so, and counted; nothing wrong is served.
func TestFailingReadsSayWhatIsWrong(t *testing.T) {
	for fault, code := range map[faultobj.Fault]stream.Code{
		faultobj.Internal: stream.Unavailable, faultobj.SlowDown: stream.Unavailable, faultobj.TimeoutBefore: stream.Unavailable,
		faultobj.Denied: stream.Unavailable, faultobj.Missing: stream.Unavailable, faultobj.Truncated: stream.Unavailable,
		faultobj.Corrupt: stream.DataCorrupt,
	} {
		t.Run(fault.String(), func(t *testing.T) {
			f := startTier(t, withoutCaches)
			b := f.faulty()
			f.restart()
			all := f.fill(3, 5, 100)
			f.drain()
			b.Fail(objstore.OpReadAt, fault, 1000)
			if _, tk := f.ReadCold(ReadRequest{Path: "s1"}); tk.Code != code {
				t.Errorf("the read is %v, want %v", tk.Code, code)
			}
			b.Heal()
			f.same(all)
			if fault != faultobj.Denied && fault != faultobj.Missing {
				b.Fail(objstore.OpReadAt, fault, 1) // once is mended by another try
				f.same(all)
			}
			f.Close()
		})
	}
}
