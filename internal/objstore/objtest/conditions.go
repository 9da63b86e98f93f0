package objtest

import (
	"fmt"
	"sync"
	"testing"

	"tailrace/internal/objstore"
)

func absentRefusesExisting(t *testing.T, b objstore.Bucket) {
	absent := objstore.Condition{Absent: true}
	_, err := b.Put(t.Context(), "k", objstore.Bytes([]byte("first")), absent)
	must(t, err)
	for _, content := range []string{"second", "first"} {
		_, err = b.Put(t.Context(), "k", objstore.Bytes([]byte(content)), absent)
		wantKind(t, "second create", err, objstore.KindExists)
	}
	wantContent(t, b, "k", "first")
}

func matchNeedsTheVersion(t *testing.T, b objstore.Bucket) {
	v1 := put(t, b, "k", "version 1")
	v2, err := b.Put(t.Context(), "k", objstore.Bytes([]byte("version 2")), objstore.Condition{Match: v1})
	must(t, err)
	_, err = b.Put(t.Context(), "k", objstore.Bytes([]byte("version 3")), objstore.Condition{Match: v1})
	wantKind(t, "swap of an old version", err, objstore.KindExists)
	wantContent(t, b, "k", "version 2")
	_, err = b.Put(t.Context(), "k", objstore.Bytes([]byte("version 4")), objstore.Condition{Match: v2})
	must(t, err)
	wantContent(t, b, "k", "version 4")
}

func matchNeedsAnObject(t *testing.T, b objstore.Bucket) {
	etag := put(t, b, "k", "gone soon")
	must(t, b.Delete(t.Context(), "k"))
	_, err := b.Put(t.Context(), "k", objstore.Bytes([]byte("again")), objstore.Condition{Match: etag})
	wantKind(t, "swap of what is not there", err, objstore.KindNotFound, objstore.KindExists)
	_, err = b.Head(t.Context(), "k")
	wantKind(t, "Head after the refused swap", err, objstore.KindNotFound)
}

func tagsFollowContent(t *testing.T, b objstore.Bucket) {
	seen := map[string]bool{}
	for i := range 5 {
		etag := put(t, b, "k", fmt.Sprint("content ", i))
		if etag == "" || seen[etag] {
			t.Fatalf("tag %q of new content is one of %v", etag, seen)
		}
		seen[etag] = true
	}
}

const (
	racers = 16
	rounds = 5
)

// race lets all racers put their own content under one condition, and demands
// that exactly one was accepted and that its content is there.
func race(t *testing.T, b objstore.Bucket, key string, c objstore.Condition) {
	t.Helper()
	errs := make([]error, racers)
	body := func(i int) string { return fmt.Sprintf("%s by racer %d", key, i) }
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			for {
				_, errs[i] = b.Put(t.Context(), key, objstore.Bytes([]byte(body(i))), c)
				// The store could not decide yet.
				if objstore.KindOf(errs[i]) != objstore.KindConflict {
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("%s: racers %d and %d both won", key, winner, i)
		case err == nil:
			winner = i
		default:
			wantKind(t, fmt.Sprintf("%s: racer %d", key, i), err, objstore.KindExists)
		}
	}
	if winner < 0 {
		t.Fatalf("%s: nobody won: %v", key, errs)
	}
	wantContent(t, b, key, body(winner))
}

func oneCreatorWins(t *testing.T, b objstore.Bucket) {
	for round := range rounds {
		race(t, b, fmt.Sprint("race/", round), objstore.Condition{Absent: true})
	}
}

func oneSwapperWins(t *testing.T, b objstore.Bucket) {
	for round := range rounds {
		key := fmt.Sprint("race/", round)
		etag := put(t, b, key, "before the race")
		race(t, b, key, objstore.Condition{Match: etag})
	}
}

func deletedKeyIsAbsent(t *testing.T, b objstore.Bucket) {
	put(t, b, "a/k", "first")
	must(t, b.Delete(t.Context(), "a/k"))
	_, err := b.Put(t.Context(), "a/k", objstore.Bytes([]byte("second")), objstore.Condition{Absent: true})
	must(t, err)
	wantContent(t, b, "a/k", "second")
}
