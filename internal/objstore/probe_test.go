package objstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
)

func TestProbePassesASoundStore(t *testing.T) {
	r := newRig(1)
	must(t, objstore.Probe(t.Context(), r.Store, "a/"))
	if keys := r.mem.Keys(); len(keys) != 0 {
		t.Errorf("the probe left %q", keys)
	}
	// Also while it is not well.
	s := seed(t)
	for i := range uint64(50) {
		r := newRig(s+i, func(o *objstore.Options) { o.Attempts = 20 })
		r.faults.Rates(map[faultobj.Fault]float64{
			faultobj.Conflict: 0.1, faultobj.Internal: 0.1, faultobj.TimeoutAfter: 0.1, faultobj.TimeoutBefore: 0.1,
			faultobj.SlowDown: 0.1, faultobj.Slow: 0.1, faultobj.Truncated: 0.1,
		})
		must(t, objstore.Probe(t.Context(), r.Store, ""))
	}
}

// liar is a store that lacks one property.
type liar struct {
	objstore.Bucket
	put    func(objstore.Body, objstore.Condition) (objstore.Body, objstore.Condition)
	head   func(objstore.Info) objstore.Info
	readAt func(p []byte, off int64) ([]byte, int64)
	delete func() bool
}

func (l liar) Put(ctx context.Context, key string, b objstore.Body, c objstore.Condition) (string, error) {
	if l.put != nil {
		b, c = l.put(b, c)
	}
	return l.Bucket.Put(ctx, key, b, c)
}

func (l liar) Head(ctx context.Context, key string) (objstore.Info, error) {
	info, err := l.Bucket.Head(ctx, key)
	if l.head != nil && err == nil {
		info = l.head(info)
	}
	return info, err
}

func (l liar) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	if l.readAt != nil {
		p, off = l.readAt(p, off)
	}
	return l.Bucket.ReadAt(ctx, key, p, off)
}

func (l liar) Delete(ctx context.Context, key string) error {
	if l.delete != nil && !l.delete() {
		return nil
	}
	return l.Bucket.Delete(ctx, key)
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	for property, lie := range map[string]liar{
		"ignores If-None-Match": {put: func(b objstore.Body, c objstore.Condition) (objstore.Body, objstore.Condition) {
			c.Absent = false
			return b, c
		}},
		"ignores If-Match": {put: func(b objstore.Body, c objstore.Condition) (objstore.Body, objstore.Condition) {
			c.Match = ""
			return b, c
		}},
		"ignores checksums": {put: func(b objstore.Body, c objstore.Condition) (objstore.Body, objstore.Condition) {
			p := make([]byte, b.Size)
			_, _ = b.R.ReadAt(p, 0)
			return objstore.Bytes(p), c
		}},
		"does not keep what it accepts": {put: func(b objstore.Body, c objstore.Condition) (objstore.Body, objstore.Condition) {
			return objstore.Bytes([]byte("another content")), c
		}},
		"gives no ETag": {head: func(info objstore.Info) objstore.Info {
			info.ETag = ""
			return info
		}},
		"does not know its own ETag": {head: func(info objstore.Info) objstore.Info {
			info.ETag += "x"
			return info
		}},
		"does not read ranges exactly": {readAt: func(p []byte, off int64) ([]byte, int64) {
			if len(p) == 6 {
				off = 0
			}
			return p, off
		}},
		"does not delete": {delete: func() bool { return false }},
	} {
		r := newRig(1)
		lie.Bucket = r.mem
		err := objstore.Probe(t.Context(), objstore.New(lie, r.clock.options()), "")
		var unfit *objstore.UnfitError
		if !errors.As(err, &unfit) || unfit.Property != property || !strings.Contains(err.Error(), "the store "+property+": ") {
			t.Errorf("a store that %s: %v", property, err)
		}
		if keys := r.mem.Keys(); len(keys) != 0 && lie.delete == nil {
			t.Errorf("a store that %s: the probe left %q", property, keys)
		}
	}
	for _, lie := range []func(*faultobj.Bucket){
		func(b *faultobj.Bucket) { b.IgnoreConditions(true) },
		func(b *faultobj.Bucket) { b.IgnoreChecksums(true) },
	} {
		r := newRig(1)
		lie(r.faults)
		var unfit *objstore.UnfitError
		if err := objstore.Probe(t.Context(), r.Store, ""); !errors.As(err, &unfit) {
			t.Errorf("a liar passed: %v", err)
		}
	}
}

// keeper is a store that reports a wrong checksum, and keeps the body.
type keeper struct{ objstore.Bucket }

func (k keeper) Put(ctx context.Context, key string, b objstore.Body, c objstore.Condition) (string, error) {
	etag, err := k.Bucket.Put(ctx, key, b, c)
	if objstore.KindOf(err) == objstore.KindBadDigest {
		_, _ = k.Bucket.Put(ctx, key, objstore.Bytes([]byte("kept")), c)
	}
	return etag, err
}

// upserter is a store that makes the object that a swap did not find.
type upserter struct{ objstore.Bucket }

func (u upserter) Put(ctx context.Context, key string, b objstore.Body, c objstore.Condition) (string, error) {
	etag, err := u.Bucket.Put(ctx, key, b, c)
	if objstore.KindOf(err) == objstore.KindNotFound {
		return u.Bucket.Put(ctx, key, b, objstore.Condition{})
	}
	return etag, err
}

func TestProbeFindsHalfLies(t *testing.T) {
	for property, lie := range map[string]func(objstore.Bucket) objstore.Bucket{
		"keeps what it refused": func(b objstore.Bucket) objstore.Bucket { return keeper{b} },
		"ignores If-Match":      func(b objstore.Bucket) objstore.Bucket { return upserter{b} },
	} {
		r := newRig(1)
		err := objstore.Probe(t.Context(), objstore.New(lie(r.mem), r.clock.options()), "")
		var unfit *objstore.UnfitError
		if !errors.As(err, &unfit) || unfit.Property != property {
			t.Errorf("a store that %s: %v", property, err)
		}
		if keys := r.mem.Keys(); len(keys) != 0 {
			t.Errorf("a store that %s: the probe left %q", property, keys)
		}
	}
}

func TestProbeTellsTroubleFromLies(t *testing.T) {
	for fault, want := range map[faultobj.Fault]string{
		faultobj.Denied: "the store denies access", faultobj.Skewed: "the clock of this machine", faultobj.TimeoutBefore: "cannot reach the store",
		faultobj.Internal: "cannot reach the store", faultobj.SlowDown: "the store asks to wait",
	} {
		r := newRig(1)
		r.faults.Fail("", fault, 1<<30)
		err := objstore.Probe(t.Context(), r.Store, "")
		var unfit *objstore.UnfitError
		if err == nil || errors.As(err, &unfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", fault, err, want)
		}
	}
}

// hole is a store that never answers.
type hole struct {
	objstore.Bucket
	asked chan struct{}
	late  func() // is called by who asks without the caller's context
}

func (h hole) Delete(ctx context.Context, key string) error {
	select {
	case h.asked <- struct{}{}:
	default:
		h.late()
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestProbeOfNobodyEndsWithItsCaller: there is nothing to clean up where nothing
// was made, so a start or an end does not wait for that.
func TestProbeOfNobodyEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := hole{asked: make(chan struct{}, 1), late: func() {
		if ctx.Err() != nil {
			t.Error("the store is asked after its caller has gone")
		}
	}}
	ended := make(chan error)
	go func() { ended <- objstore.Probe(ctx, objstore.New(h, objstore.Options{}), "") }()
	<-h.asked
	h.asked <- struct{}{} // full: whoever comes now is late
	cancel()
	if err := <-ended; objstore.KindOf(err) != objstore.KindCanceled {
		t.Errorf("probe: %v", err)
	}
}
