package faultobj_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/objstore/objtest"
)

func TestKeepsLawsWithoutFaults(t *testing.T) {
	objtest.Run(t, func(*testing.T) objstore.Bucket { return faultobj.New(mem.New(nil), 1, nil) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const content = "the content of the object"

func holding(t *testing.T) (*faultobj.Bucket, *mem.Bucket) {
	t.Helper()
	m := mem.New(nil)
	_, err := m.Put(t.Context(), "k", objstore.Bytes([]byte(content)), objstore.Condition{})
	must(t, err)
	return faultobj.New(m, 1, func(context.Context, time.Duration) error { return nil }), m
}

// call makes one call, and reports whether its answer was an honest success.
func call(ctx context.Context, b objstore.Bucket, op string) (honest bool, err error) {
	switch op {
	case objstore.OpPut:
		var etag string
		if etag, err = b.Put(ctx, "k", objstore.Bytes([]byte("new")), objstore.Condition{}); err == nil {
			info, _ := b.Head(ctx, "k")
			return etag == info.ETag, nil
		}
	case objstore.OpReadAt:
		p := make([]byte, len(content))
		err = b.ReadAt(ctx, "k", p, 0)
		return err == nil && string(p) == content, err
	case objstore.OpHead:
		var info objstore.Info
		if info, err = b.Head(ctx, "k"); err == nil {
			again, _ := b.Head(ctx, "k")
			return info == again, nil
		}
	case objstore.OpDelete:
		err = b.Delete(ctx, "k")
		return err == nil, err
	case objstore.OpList:
		var infos []objstore.Info
		infos, err = b.List(ctx, "", "", 10)
		return err == nil && len(infos) == 1, err
	}
	return false, err
}

// TestFaultsStrikeWhatTheyCan drives every operation into every fault.
func TestFaultsStrikeWhatTheyCan(t *testing.T) {
	for _, fault := range faultobj.Faults() {
		for _, op := range []string{objstore.OpPut, objstore.OpReadAt, objstore.OpHead, objstore.OpDelete, objstore.OpList} {
			b, m := holding(t)
			b.Fail(op, fault, 1)
			honest, err := call(t.Context(), b, op)
			harmless := !fault.Hits(op) || fault == faultobj.Slow || fault == faultobj.Foreign // a put without a condition
			if honest != harmless {
				t.Errorf("%s of %s: honest %v, %v", fault, op, honest, err)
			}
			if got := b.Trace()[0]; (got.Fault == fault) != fault.Hits(op) || got.Op != op || !got.Done {
				t.Errorf("%s of %s: trace %s", fault, op, got)
			}
			_, there := m.Content("k")
			if gone := op == objstore.OpDelete && (harmless || fault == faultobj.TimeoutAfter || fault == faultobj.InternalAfter); there == gone {
				t.Errorf("%s of %s: there %v", fault, op, there)
			}
		}
	}
}

func TestListsLieBothWays(t *testing.T) {
	b, _ := holding(t)
	for _, key := range []string{"dead", "live"} {
		_, err := b.Put(t.Context(), key, objstore.Bytes([]byte(content)), objstore.Condition{})
		must(t, err)
	}
	must(t, b.Delete(t.Context(), "dead"))
	b.Rates(map[faultobj.Fault]float64{faultobj.LyingList: 1})
	lengths := map[int]bool{}
	for range 50 {
		infos, err := b.List(t.Context(), "", "", 10)
		must(t, err)
		lengths[len(infos)] = true
	}
	if !lengths[1] || !lengths[3] || lengths[2] {
		t.Errorf("of 2 objects, lists had %v", lengths)
	}
	b.Heal()
	if infos, err := b.List(t.Context(), "", "", 10); err != nil || len(infos) != 2 {
		t.Errorf("healed: %v, %v", infos, err)
	}
}

func TestHooksAreAroundTheCall(t *testing.T) {
	b, m := holding(t)
	crash := errors.New("crash")
	b.Hook(func(op, key string) error {
		if op == objstore.OpDelete {
			return crash
		}
		return nil
	}, func(op, key string) error {
		if op == objstore.OpPut {
			return crash
		}
		return nil
	})
	if err := b.Delete(t.Context(), "k"); !errors.Is(err, crash) {
		t.Errorf("Delete: %v", err)
	}
	if _, ok := m.Content("k"); !ok {
		t.Error("the call was made after an error before it")
	}
	if _, err := b.Put(t.Context(), "k2", objstore.Bytes(nil), objstore.Condition{}); !errors.Is(err, crash) {
		t.Errorf("Put: %v", err)
	}
	if _, ok := m.Content("k2"); !ok {
		t.Error("the call was not made before an error after it")
	}
}

// TestOrderOfGoroutinesDoesNotMatter: the faults of a key depend on its own
// calls alone.
func TestOrderOfGoroutinesDoesNotMatter(t *testing.T) {
	outcomes := func(keys ...string) map[string][]objstore.Kind {
		b := faultobj.New(mem.New(nil), 7, nil)
		b.Rates(map[faultobj.Fault]float64{faultobj.Internal: 0.3, faultobj.Denied: 0.3})
		all := map[string][]objstore.Kind{}
		for range 20 {
			for _, key := range keys {
				_, err := b.Head(t.Context(), key)
				all[key] = append(all[key], objstore.KindOf(err))
			}
		}
		return all
	}
	one, two := outcomes("a", "b"), outcomes("b", "c", "a")
	for _, key := range []string{"a", "b"} {
		for i := range one[key] {
			if one[key][i] != two[key][i] {
				t.Fatalf("call %d of %s: %s, and with others around it %s", i, key, one[key][i], two[key][i])
			}
		}
	}
}
