package mem_test

import (
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/mem"
	"tailrace/internal/objstore/objtest"
)

func TestKeepsLaws(t *testing.T) {
	objtest.Run(t, func(*testing.T) objstore.Bucket { return mem.New(nil) })
}

func TestDamageShows(t *testing.T) {
	b := mem.New(nil)
	s := objstore.New(b, objstore.Options{})
	for _, key := range []string{"kept", "flipped", "cut", "lost"} {
		if err := s.Create(t.Context(), key, objstore.Bytes([]byte("content"))); err != nil {
			t.Fatal(err)
		}
	}
	b.Corrupt("flipped", 3)
	b.Truncate("cut", 3)
	b.Drop("lost")
	for key, want := range map[string]objstore.Kind{
		"kept": objstore.KindNone, "flipped": objstore.KindCorrupt, "cut": objstore.KindCorrupt, "lost": objstore.KindNotFound,
	} {
		if _, _, err := s.ReadAll(t.Context(), key, 100); objstore.KindOf(err) != want {
			t.Errorf("ReadAll(%s): %v, want %s", key, err, want)
		}
	}
}
