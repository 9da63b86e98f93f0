package manifest

import (
	"errors"
	"reflect"
	"testing"

	"tailrace/internal/vfs/memfs"
)

// TestCreatedManifestHasWhatIsLive: and neither acts nor garbage.
func TestCreatedManifestHasWhatIsLive(t *testing.T) {
	s := newState()
	s.NextID = 20
	s.Layers = []Layer{{From: 0, To: 7, Segments: []Segment{{ID: 3, FirstStream: 1, LastStream: 4, Bytes: 100}}}}
	s.Checkpoint = Checkpoint{Batch: 9, Seq: 12, WALFile: 2, WALOffset: 8192, Snapshot: 4, LastStream: 6}
	live := s
	s.Acts = []Act{{ID: 5, Kind: ActBackup}}
	s.Garbage = []File{{6, FileDelta}}

	fs := memfs.New()
	if err := fs.MkdirAll("backup"); err != nil {
		t.Fatal(err)
	}
	store := [16]byte{1, 2, 3}
	if err := Create(fs, "backup", store, s); err != nil {
		t.Fatal(err)
	}
	fs = fs.Crash(nil, memfs.KeepNone)
	l, err := Load(fs, "backup", store)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.State(); !l.Found || !reflect.DeepEqual(got, live) {
		t.Fatalf("found %t:\n%+v\nwant\n%+v", l.Found, got, live)
	}
	if len(s.Acts) != 1 || len(s.Garbage) != 1 {
		t.Fatal("the state of the caller was changed")
	}

	s.Layers[0].To = 50 // beyond the checkpoint
	if err := Create(fs, "other", store, s); !errors.Is(err, ErrRefused) {
		t.Fatalf("a state that contradicts itself: %v, want ErrRefused", err)
	}
}
