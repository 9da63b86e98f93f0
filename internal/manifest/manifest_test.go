package manifest

import (
	"sync"
	"testing"

	"tailrace/internal/vfs/memfs"
)

// Acts of several goroutines get ids of their own, and a state that was handed
// out does not change under its reader.
func TestActsBeginSideBySide(t *testing.T) {
	mem := newStore(t)
	m := mustOpen(t, mem)
	const workers, rounds = 4, 15
	var mu sync.Mutex
	seen := map[uint64]bool{}
	take := func(ids ...uint64) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if seen[id] {
				t.Errorf("id %d was given twice", id)
			}
			seen[id] = true
		}
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				a, err := m.Begin(ActMerge, FileSegment)
				if err != nil {
					t.Error(err)
					return
				}
				more, err := m.Extend(a.ID, FileSegment)
				if err != nil {
					t.Error(err)
					return
				}
				take(a.ID, a.Outputs[0].ID, more[0].ID)
				s := m.State()
				image := encoded(s)
				if err := m.Append(Abort{a.ID}); err != nil {
					t.Error(err)
				}
				if err := m.Append(Removed{[]File{a.Outputs[0], more[0]}}); err != nil {
					t.Error(err)
				}
				if string(encoded(s)) != string(image) {
					t.Error("a state changed after it was handed out")
				}
			}
		})
	}
	wg.Wait()
	if want := 3 * workers * rounds; len(seen) != want {
		t.Fatalf("%d ids instead of %d", len(seen), want)
	}
	l, err := Load(mem.Crash(nil, memfs.KeepNone), testDir, testStore)
	if err != nil || len(l.State().Acts) != 0 || len(l.State().Garbage) != 0 {
		t.Fatalf("found %+v, %v", l.State(), err)
	}
}

func TestPathsOfFiles(t *testing.T) {
	for f, want := range map[File]string{
		{7, FileSegment}:       "seg/00000000000000000007.seg",
		{8, FileSnapshot}:      "meta/00000000000000000008.snap",
		{1<<64 - 1, FileDelta}: "meta/18446744073709551615.delta",
	} {
		if got := f.Path(); got != want || got[:len(f.Dir())] != f.Dir() {
			t.Errorf("%v is at %s in %s, want %s", f, got, f.Dir(), want)
		}
	}
}
