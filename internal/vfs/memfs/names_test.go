package memfs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tailrace/internal/vfs/memfs"
)

// names writes a root directory as "name=content" of each file.
func names(fs *memfs.FS) string {
	var all []string
	for name, content := range fs.Snapshot() {
		all = append(all, name+"="+string(content))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestRenameIsOldOrNew(t *testing.T) {
	seen := outcomes(t, 200, func() *memfs.FS {
		fs := memfs.New()
		durable(t, fs, "a", "1")
		must(t, fs.Rename("a", "b"))
		return fs
	}, names)
	wantExactly(t, seen, "a=1", "b=1")
}

func TestLostRenameKeepsReplacedFile(t *testing.T) {
	seen := outcomes(t, 200, func() *memfs.FS {
		fs := memfs.New()
		durable(t, fs, "a", "1")
		must(t, durable(t, fs, "b", "2").Close())
		must(t, fs.Rename("a", "b"))
		return fs
	}, names)
	wantExactly(t, seen, "a=1 b=2", "b=1")
}

func TestRenameCanSurviveWithoutCreation(t *testing.T) {
	seen := outcomes(t, 400, func() *memfs.FS {
		fs := memfs.New()
		must(t, create(t, fs, "a", "1").Sync())
		must(t, fs.Rename("a", "b"))
		return fs
	}, names)
	wantExactly(t, seen, "", "a=1", "b=1")
}

func TestSecondRenameCanSurviveAlone(t *testing.T) {
	seen := outcomes(t, 400, func() *memfs.FS {
		fs := memfs.New()
		durable(t, fs, "a", "1")
		must(t, fs.Rename("a", "b"))
		must(t, fs.Rename("b", "c"))
		return fs
	}, names)
	wantExactly(t, seen, "a=1", "b=1", "c=1")
}

func TestTakenNameDoesNotSwallowRenamedFile(t *testing.T) {
	// The creation is the newer half: where it is kept, so is the rename that
	// made room for it.
	seen := outcomes(t, 400, func() *memfs.FS {
		fs := memfs.New()
		durable(t, fs, "a", "1")
		must(t, fs.Rename("a", "b"))
		must(t, create(t, fs, "a", "2").Sync())
		return fs
	}, names)
	wantExactly(t, seen, "a=1", "b=1", "a=2 b=1")
}

func TestFileCanReplaceRemovedOne(t *testing.T) {
	seen := outcomes(t, 400, func() *memfs.FS {
		fs := memfs.New()
		durable(t, fs, "a", "1")
		must(t, fs.Remove("a"))
		must(t, create(t, fs, "a", "2").Sync())
		return fs
	}, names)
	wantExactly(t, seen, "", "a=1", "a=2")
}

func TestRenameIsDurableAfterSyncDir(t *testing.T) {
	fs := memfs.New()
	durable(t, fs, "a", "1")
	durable(t, fs, "b", "2")
	must(t, fs.Rename("a", "b"))
	must(t, fs.SyncDir(""))
	rng := newRand(seed(t))
	for range 50 {
		if got := names(fs.Crash(rng, memfs.KeepSome)); got != "b=1" {
			t.Fatalf("names = %q, want b=1", got)
		}
	}
}

// TestNoFileVanishesOrDoubles makes random changes of names and looks at
// random crashes: a file has at most one name, one that it had or was given
// since the last sync, and only a file that was removed, replaced or never
// synced may be gone.
func TestNoFileVanishesOrDoubles(t *testing.T) {
	s := seed(t)
	for round := range uint64(1000) {
		vanishRound(t, rand.New(rand.NewPCG(s, round)))
	}
}

func vanishRound(t *testing.T, rng *rand.Rand) {
	type past struct {
		names map[string]bool // that a crash may show
		mayGo bool
	}
	fs := memfs.New()
	files := map[string]*past{} // by content
	live := map[string]string{} // name to content
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }

	for i := range 3 + rng.IntN(20) {
		a, b := string(rune('a'+rng.IntN(4))), string(rune('a'+rng.IntN(4)))
		id, exists := live[a]
		switch op := rng.IntN(8); {
		case op == 0:
			note("syncdir")
			must(t, fs.SyncDir(""))
			files = map[string]*past{}
			for name, id := range live {
				files[id] = &past{names: map[string]bool{name: true}}
			}
		case !exists:
			id = fmt.Sprint(i)
			note("create %s=%s", a, id)
			f := create(t, fs, a, id)
			must(t, f.Sync())
			must(t, f.Close())
			live[a] = id
			files[id] = &past{names: map[string]bool{a: true}, mayGo: true}
		case op < 3:
			note("remove %s", a)
			must(t, fs.Remove(a))
			delete(live, a)
			files[id].mayGo = true
		default:
			note("rename %s %s", a, b)
			must(t, fs.Rename(a, b))
			if a == b {
				continue
			}
			if old, ok := live[b]; ok {
				files[old].mayGo = true
			}
			delete(live, a)
			live[b] = id
			files[id].names[b] = true
		}
	}

	crashed := fs.Crash(rng, memfs.KeepSome).Snapshot()
	where := map[string]string{}
	for name, content := range crashed {
		id := string(content)
		if other, ok := where[id]; ok {
			t.Fatalf("file %s is both %s and %s after %q", id, name, other, log)
		}
		where[id] = name
		if p := files[id]; p == nil || !p.names[name] {
			t.Fatalf("file %s has name %s after %q", id, name, log)
		}
	}
	for id, p := range files {
		if _, ok := where[id]; !ok && !p.mayGo {
			t.Fatalf("file %s is gone after %q", id, log)
		}
	}

	all := fs.Crash(nil, memfs.KeepAll).Snapshot()
	for name, id := range live {
		if string(all[name]) != id {
			t.Fatalf("KeepAll: %s=%q, want %s after %q", name, all[name], id, log)
		}
	}
	if len(all) != len(live) {
		t.Fatalf("KeepAll: %d files, want %d after %q", len(all), len(live), log)
	}
}
