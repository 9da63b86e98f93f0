package objstore_test

import (
	"errors"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/faultobj"
)

const (
	ours = "our content"
	old  = "the version before"
)

// TestOneFaultEndsRight drives each operation into each fault once, and says
// how it has to end and what has to be there.
func TestOneFaultEndsRight(t *testing.T) {
	// What a fault that is not in a table comes to: success.
	creates := map[faultobj.Fault]objstore.Kind{
		faultobj.Foreign: objstore.KindExists, faultobj.Denied: objstore.KindDenied, faultobj.Skewed: objstore.KindSkewed,
		faultobj.Missing: objstore.KindNotFound, // the look after the put: what was accepted must be there
	}
	swaps := map[faultobj.Fault]objstore.Kind{
		faultobj.Foreign: objstore.KindExists, faultobj.Denied: objstore.KindDenied, faultobj.Skewed: objstore.KindSkewed,
	}
	deletes := map[faultobj.Fault]objstore.Kind{faultobj.Denied: objstore.KindDenied, faultobj.Skewed: objstore.KindSkewed}

	for _, fault := range faultobj.Faults() {
		t.Run(fault.String(), func(t *testing.T) {
			check := func(op string, r *rig, err error, want objstore.Kind, there string) {
				t.Helper()
				if got := objstore.KindOf(err); got != want {
					t.Errorf("%s: %v, want %s", op, err, want)
				}
				got, ok := r.mem.Content("k")
				foreign := fault == faultobj.Foreign && ok && string(got) != ours && string(got) != old
				if !foreign && (string(got) != there || ok != (there != "")) {
					t.Errorf("%s: %q is there, want %q", op, got, there)
				}
				if len(r.mem.Keys()) > 1 {
					t.Errorf("%s: objects %q", op, r.mem.Keys())
				}
			}
			written := func(k objstore.Kind, otherwise string) string {
				if k == objstore.KindDenied || k == objstore.KindSkewed {
					return otherwise
				}
				return ours
			}
			body := objstore.Bytes([]byte(ours))

			r := newRig(1)
			r.faults.Fail("", fault, 1)
			err := r.Create(t.Context(), "k", body)
			check("Create", r, err, creates[fault], written(creates[fault], ""))
			if (fault == faultobj.Foreign) != errors.Is(err, objstore.ErrForeign) {
				t.Errorf("Create: %v", err)
			}

			r = newRig(1)
			r.faults.Fail("", fault, 1)
			etag, err := r.Swap(t.Context(), "k", body, "")
			check("Swap of nothing", r, err, swaps[fault], written(swaps[fault], ""))
			wantTag(t, r, fault, etag, err)

			r = newRig(1)
			before := r.holdOld(t)
			r.faults.Fail("", fault, 1)
			etag, err = r.Swap(t.Context(), "k", body, before)
			check("Swap", r, err, swaps[fault], written(swaps[fault], old))
			wantTag(t, r, fault, etag, err)

			r = newRig(1)
			r.holdOld(t)
			r.faults.Fail("", fault, 1)
			err = r.Delete(t.Context(), "k")
			there := ""
			if deletes[fault] != objstore.KindNone {
				there = old
			}
			check("Delete", r, err, deletes[fault], there)
		})
	}
}

func (r *rig) holdOld(t *testing.T) (etag string) {
	t.Helper()
	etag, err := r.mem.Put(t.Context(), "k", objstore.Bytes([]byte(old)), objstore.Condition{})
	must(t, err)
	return etag
}

// wantTag demands that a swap that succeeded gave the tag of what is there.
func wantTag(t *testing.T, r *rig, fault faultobj.Fault, etag string, err error) {
	t.Helper()
	if err != nil || fault == faultobj.WrongETag {
		return
	}
	info, herr := r.mem.Head(t.Context(), "k")
	must(t, herr)
	if info.ETag != etag {
		t.Errorf("Swap returned tag %s, the object has %s", etag, info.ETag)
	}
}

// TestLastingFaultsEnd lets each fault go on for ever: calls end with its
// kind after their attempts, and never with another object than was asked for.
func TestLastingFaultsEnd(t *testing.T) {
	for _, fault := range faultobj.Faults() {
		r := newRig(1)
		before := r.holdOld(t)
		r.faults.Fail("", fault, 1<<30)
		_, swapErr := r.Swap(t.Context(), "k", objstore.Bytes([]byte(ours)), before)
		createErr := r.Create(t.Context(), "new", objstore.Bytes([]byte(ours)))
		readErr := r.ReadAt(t.Context(), "k", make([]byte, 1), 0)
		_, headErr := r.Head(t.Context(), "k")
		deleteErr := r.Delete(t.Context(), "k")
		_, listErr := r.List(t.Context(), "", "", 10)
		for op, err := range map[string]error{
			objstore.OpPut: createErr, objstore.OpReadAt: readErr, objstore.OpHead: headErr,
			objstore.OpDelete: deleteErr, objstore.OpList: listErr,
		} {
			harmless := fault == faultobj.Slow || fault == faultobj.Corrupt || fault == faultobj.WrongETag || fault == faultobj.LyingList
			if fault.Hits(op) && !harmless && err == nil {
				t.Errorf("%s: %s succeeded", fault, op)
			}
			if errors.Is(err, objstore.ErrForeign) && fault != faultobj.Foreign {
				t.Errorf("%s: %s: %v", fault, op, err)
			}
		}
		if (fault == faultobj.InternalAfter || fault == faultobj.TimeoutAfter) && !objstore.KindOf(swapErr).Ambiguous() {
			t.Errorf("%s: Swap: %v, and nobody heard any answer", fault, swapErr)
		}
		if n := len(r.faults.Trace()); n > 6*6*3 {
			t.Errorf("%s: %d calls", fault, n)
		}
		if got, ok := r.mem.Content("new"); ok && string(got) != ours && fault != faultobj.Foreign {
			t.Errorf("%s: %q is there", fault, got)
		}
	}
}

// TestLostAnswerOfACreate is the case that happens most: the put took effect,
// nobody heard of it, and somebody comes back after a crash.
func TestLostAnswerOfACreate(t *testing.T) {
	r := newRig(1, func(o *objstore.Options) { o.Attempts = 1 })
	body := objstore.Bytes([]byte(ours))
	r.faults.Fail(objstore.OpPut, faultobj.TimeoutAfter, 1)
	if err := r.Create(t.Context(), "k", body); objstore.KindOf(err) != objstore.KindTimeout || !objstore.KindOf(err).Ambiguous() {
		t.Fatalf("Create with one attempt: %v, want a timeout", err)
	}
	must(t, r.Create(t.Context(), "k", body))
	if n := r.Stats().Of(objstore.OpPut, objstore.KindExists); n != 1 {
		t.Fatalf("%d puts were refused, want 1", n)
	}
	other := objstore.Bytes([]byte("our cOntent"))
	if err := r.Create(t.Context(), "k", other); !errors.Is(err, objstore.ErrForeign) || !errors.Is(err, objstore.ErrExists) {
		t.Fatalf("Create over other content of the same size: %v, want ErrForeign", err)
	}
	if got, _ := r.mem.Content("k"); string(got) != ours {
		t.Fatalf("%q is there", got)
	}
}

func TestCreateReadsBackWithoutChecksums(t *testing.T) {
	r := newRig(1)
	r.faults.IgnoreChecksums(true)
	body := objstore.Bytes(make([]byte, 5<<20/2))
	must(t, r.Create(t.Context(), "k", body))
	if n := r.Stats().Of(objstore.OpReadAt, objstore.KindNone); n != 3 {
		t.Errorf("%d reads to compare two and a half pieces, want 3", n)
	}
	r.mem.Corrupt("k", 2<<20)
	if err := r.Create(t.Context(), "k", body); !errors.Is(err, objstore.ErrForeign) {
		t.Errorf("Create over what differs by a bit: %v, want ErrForeign", err)
	}
	wrong := body
	wrong.CRC++
	if err := r.Create(t.Context(), "wrong", wrong); err == nil || errors.Is(err, objstore.ErrForeign) {
		t.Errorf("Create of a body that a lying store took: %v, want an error that says so", err)
	}
}

// TestOvertakenSwapSaysSo: an attempt's answer was lost, it took effect, others
// saw that and went on. That is another case than a swap that never happened.
func TestOvertakenSwapSaysSo(t *testing.T) {
	for name, next := range map[string]func(r *rig) error{
		"replaced": func(r *rig) error {
			_, err := r.mem.Put(t.Context(), "k", objstore.Bytes([]byte("the next")), objstore.Condition{})
			return err
		},
		"deleted": func(r *rig) error { return r.mem.Delete(t.Context(), "k") },
	} {
		r := newRig(1)
		before := r.holdOld(t)
		r.faults.Fail(objstore.OpPut, faultobj.TimeoutAfter, 1)
		puts := 0
		r.faults.Hook(func(op, _ string) error {
			if puts++; op != objstore.OpPut || puts != 2 {
				return nil
			}
			if got, _ := r.mem.Content("k"); string(got) != ours {
				t.Errorf("%s: before the second attempt %q is there", name, got)
			}
			return next(r)
		}, nil)
		_, err := r.Swap(t.Context(), "k", objstore.Bytes([]byte(ours)), before)
		if !errors.Is(err, objstore.ErrOvertaken) || errors.Is(err, objstore.ErrExists) == errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: %v, want ErrOvertaken with its kind", name, err)
		}
		r = newRig(1)
		r.holdOld(t)
		if _, err := r.Swap(t.Context(), "k", objstore.Bytes([]byte(ours)), "another"); !errors.Is(err, objstore.ErrExists) || errors.Is(err, objstore.ErrOvertaken) {
			t.Errorf("a swap that never happened: %v", err)
		}
	}
}

// TestSwapIsNotWonByAnother: an attempt was lost, and somebody else was first.
func TestSwapIsNotWonByAnother(t *testing.T) {
	for name, other := range map[string]string{"same size": "oTher cont.", "larger": ours + ours, "smaller": "x"} {
		r := newRig(1)
		before := r.holdOld(t)
		r.faults.Fail(objstore.OpPut, faultobj.TimeoutBefore, 1)
		r.faults.Hook(func(op, key string) error {
			if op == objstore.OpPut {
				_, err := r.mem.Put(t.Context(), key, objstore.Bytes([]byte(other)), objstore.Condition{Match: before})
				if err != nil && objstore.KindOf(err) != objstore.KindExists {
					return err
				}
			}
			return nil
		}, nil)
		if _, err := r.Swap(t.Context(), "k", objstore.Bytes([]byte(ours)), before); !errors.Is(err, objstore.ErrExists) {
			t.Errorf("%s: %v, want ErrExists", name, err)
		}
		if got, _ := r.mem.Content("k"); string(got) != other {
			t.Errorf("%s: %q is there", name, got)
		}
	}
}
