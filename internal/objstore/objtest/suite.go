package objtest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"tailrace/internal/objstore"
)

// Run runs the suite. open makes an empty bucket for each law.
func Run(t *testing.T, open func(t *testing.T) objstore.Bucket) {
	laws := []struct {
		name string
		law  func(t *testing.T, b objstore.Bucket)
	}{
		{"PutReadsBack", putReadsBack},
		{"EmptyObject", emptyObject},
		{"LargeObject", largeObject},
		{"HeadDescribes", headDescribes},
		{"AllBytesOfKeys", allBytesOfKeys},
		{"MissingObject", missingObject},
		{"WrongDigestIsRefused", wrongDigestIsRefused},

		{"RangesAreExact", rangesAreExact},
		{"RangePastTheEnd", rangePastTheEnd},

		{"AbsentRefusesExisting", absentRefusesExisting},
		{"MatchNeedsTheVersion", matchNeedsTheVersion},
		{"MatchNeedsAnObject", matchNeedsAnObject},
		{"TagsFollowContent", tagsFollowContent},
		{"OneCreatorWins", oneCreatorWins},
		{"OneSwapperWins", oneSwapperWins},

		{"DeleteTwice", deleteTwice},
		{"DeletedKeyIsAbsent", deletedKeyIsAbsent},
		{"ListsGrow", listsGrow},
		{"ListsPage", listsPage},

		{"CanceledCallsEnd", canceledCallsEnd},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.law(t, open(t)) })
	}
}

// The helpers end the test on an error that no law is about.

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, b objstore.Bucket, key, content string) (etag string) {
	t.Helper()
	etag, err := b.Put(t.Context(), key, objstore.Bytes([]byte(content)), objstore.Condition{})
	must(t, err)
	return etag
}

func wantKind(t *testing.T, what string, err error, want ...objstore.Kind) {
	t.Helper()
	for _, k := range want {
		if objstore.KindOf(err) == k {
			return
		}
	}
	t.Fatalf("%s: %s (%v), want %v", what, objstore.KindOf(err), err, want)
}

// content reads a whole object by what its Head says.
func content(t *testing.T, b objstore.Bucket, key string) []byte {
	t.Helper()
	info, err := b.Head(t.Context(), key)
	must(t, err)
	p := make([]byte, info.Size)
	must(t, b.ReadAt(t.Context(), key, p, 0))
	if want := objstore.Bytes(p).CRC; info.HasCRC && info.CRC != want {
		t.Fatalf("Head of %s: CRC-32C %08x, content has %08x", key, info.CRC, want)
	}
	return p
}

func wantContent(t *testing.T, b objstore.Bucket, key, want string) {
	t.Helper()
	if got := content(t, b, key); string(got) != want {
		t.Fatalf("content of %s = %q, want %q", key, got, want)
	}
}

// noise is reproducible content that does not compress.
func noise(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(p) // never fails
	return p
}

func putReadsBack(t *testing.T, b objstore.Bucket) {
	put(t, b, "a/b/c", "hello")
	put(t, b, "a/b/d", "beside it")
	wantContent(t, b, "a/b/c", "hello")
	wantContent(t, b, "a/b/d", "beside it")
	put(t, b, "a/b/c", "replaced, and longer")
	wantContent(t, b, "a/b/c", "replaced, and longer")
}

func emptyObject(t *testing.T, b objstore.Bucket) {
	put(t, b, "empty", "")
	wantContent(t, b, "empty", "")
	wantKind(t, "a byte of nothing", b.ReadAt(t.Context(), "empty", make([]byte, 1), 0), objstore.KindRange)
}

func largeObject(t *testing.T, b objstore.Bucket) {
	want := noise(5<<20 + 123)
	_, err := b.Put(t.Context(), "large", objstore.Bytes(want), objstore.Condition{Absent: true})
	must(t, err)
	if got := content(t, b, "large"); !bytes.Equal(got, want) {
		t.Fatal("a large object came back otherwise")
	}
}

func headDescribes(t *testing.T, b objstore.Bucket) {
	body := objstore.Bytes([]byte("described"))
	etag, err := b.Put(t.Context(), "d/a", body, objstore.Condition{})
	must(t, err)
	info, err := b.Head(t.Context(), "d/a")
	must(t, err)
	if info.Key != "d/a" || info.Size != body.Size || info.ETag != etag || etag == "" || info.Modified.IsZero() {
		t.Fatalf("Head = %+v, put returned tag %q", info, etag)
	}
	if !info.HasCRC || info.CRC != body.CRC {
		t.Fatalf("Head = %+v, want CRC-32C %08x", info, body.CRC)
	}
}

func allBytesOfKeys(t *testing.T, b objstore.Bucket) {
	for _, key := range []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz", "0123456789/!-_.=", "...", "a..b", "-"} {
		must(t, objstore.CheckKey(key))
		put(t, b, key, "of "+key)
	}
	for _, key := range []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz", "0123456789/!-_.=", "...", "a..b", "-"} {
		wantContent(t, b, key, "of "+key)
	}
}

func missingObject(t *testing.T, b objstore.Bucket) {
	for _, key := range []string{"missing", "missing/in/depth"} {
		_, err := b.Head(t.Context(), key)
		wantKind(t, "Head", err, objstore.KindNotFound)
		wantKind(t, "ReadAt", b.ReadAt(t.Context(), key, make([]byte, 1), 0), objstore.KindNotFound)
		must(t, b.Delete(t.Context(), key))
	}
}

func wrongDigestIsRefused(t *testing.T, b objstore.Bucket) {
	for _, content := range []string{"of another content", ""} {
		body := objstore.Bytes([]byte(content))
		body.CRC++
		_, err := b.Put(t.Context(), "k", body, objstore.Condition{})
		wantKind(t, "Put with a wrong CRC-32C", err, objstore.KindBadDigest)
		_, err = b.Head(t.Context(), "k")
		wantKind(t, "Head of what was refused", err, objstore.KindNotFound)
	}
	put(t, b, "k", "kept")
	body := objstore.Bytes([]byte("refused"))
	body.CRC++
	_, err := b.Put(t.Context(), "k", body, objstore.Condition{})
	wantKind(t, "Put with a wrong CRC-32C", err, objstore.KindBadDigest)
	wantContent(t, b, "k", "kept")
}

func rangesAreExact(t *testing.T, b objstore.Bucket) {
	want := noise(10_000)
	put(t, b, "r", string(want))
	for _, r := range []struct{ off, n int }{{0, 1}, {0, 10_000}, {9_999, 1}, {1, 9_999}, {4_096, 512}, {17, 0}} {
		got := make([]byte, r.n)
		must(t, b.ReadAt(t.Context(), "r", got, int64(r.off)))
		if !bytes.Equal(got, want[r.off:][:r.n]) {
			t.Fatalf("bytes %d and %d more came back otherwise", r.off, r.n)
		}
	}
}

func rangePastTheEnd(t *testing.T, b objstore.Bucket) {
	put(t, b, "r", "0123456789")
	for _, r := range []struct {
		off int64
		n   int
	}{{9, 2}, {10, 1}, {11, 1}, {0, 11}, {1 << 40, 1}} {
		wantKind(t, "ReadAt past the end", b.ReadAt(t.Context(), "r", make([]byte, r.n), r.off), objstore.KindRange)
	}
}

func deleteTwice(t *testing.T, b objstore.Bucket) {
	put(t, b, "d/x", "to go")
	put(t, b, "d/y", "to stay")
	must(t, b.Delete(t.Context(), "d/x"))
	must(t, b.Delete(t.Context(), "d/x"))
	_, err := b.Head(t.Context(), "d/x")
	wantKind(t, "Head of the deleted", err, objstore.KindNotFound)
	wantContent(t, b, "d/y", "to stay")
}

func canceledCallsEnd(t *testing.T, b objstore.Bucket) {
	put(t, b, "k", "content")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Put(ctx, "other", objstore.Bytes([]byte("x")), objstore.Condition{})
	wantKind(t, "Put", err, objstore.KindCanceled)
	_, err = b.Head(ctx, "k")
	wantKind(t, "Head", err, objstore.KindCanceled)
	wantKind(t, "ReadAt", b.ReadAt(ctx, "k", make([]byte, 1), 0), objstore.KindCanceled)
	wantKind(t, "Delete", b.Delete(ctx, "k"), objstore.KindCanceled)
	_, err = b.List(ctx, "", "", 10)
	wantKind(t, "List", err, objstore.KindCanceled)
	wantContent(t, b, "k", "content")
}
