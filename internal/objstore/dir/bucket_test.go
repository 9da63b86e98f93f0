package dir_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"tailrace/internal/objstore"
	"tailrace/internal/objstore/dir"
	"tailrace/internal/objstore/objtest"
	"tailrace/internal/vfs"
	"tailrace/internal/vfs/faultfs"
	"tailrace/internal/vfs/memfs"
)

const root = "bucket"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a bucket in a directory that is made for it.
func open(t *testing.T, fsys vfs.FS, root string) *dir.Bucket {
	t.Helper()
	must(t, fsys.MkdirAll(root))
	b, err := dir.Open(fsys, root, dir.Options{})
	must(t, err)
	return b
}

func TestKeepsLaws(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return open(t, vfs.OS, t.TempDir()) })
}

func TestKeepsLawsInMemory(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return open(t, memfs.New(), root) })
}

// unlinkable is a file system without links.
type unlinkable struct{ vfs.FS }

func (unlinkable) Link(string, string) error { return vfs.ErrCannotLink }

func TestKeepsLawsWithoutLinks(t *testing.T) {
	objtest.Run(t, func(t *testing.T) objstore.Bucket { return open(t, unlinkable{memfs.New()}, root) })
}

func TestPassesTheProbe(t *testing.T) {
	fsys := memfs.New()
	b := open(t, fsys, root)
	must(t, objstore.Probe(t.Context(), objstore.New(b, objstore.Options{}), "a/"))
	for name := range fsys.Snapshot() {
		if !strings.HasSuffix(name, "~lock") {
			t.Errorf("the probe left %s", name)
		}
	}
}

// TestProcessesRace lets buckets that know nothing of each other, as in two
// processes, race for the same keys: the lock file is all they share.
func TestProcessesRace(t *testing.T) {
	place := t.TempDir()
	const processes, workers, steps = 4, 4, 10
	var mu sync.Mutex
	created := map[string]int{}
	var wg sync.WaitGroup
	for p := range processes {
		s := objstore.New(open(t, vfs.OS, place), objstore.Options{BackoffBase: 1, Attempts: 1 << 20, RetryBudget: 1 << 30})
		for w := range workers {
			wg.Go(func() {
				for i := range steps {
					key := fmt.Sprint("k/", i)
					err := s.Create(t.Context(), key, objstore.Bytes(fmt.Appendf(nil, "of %d/%d", p, w)))
					if err == nil {
						mu.Lock()
						created[key]++
						mu.Unlock()
					} else if !errors.Is(err, objstore.ErrForeign) {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for key, n := range created {
		if n != 1 {
			t.Errorf("%s was created %d times", key, n)
		}
	}
	if len(created) != steps {
		t.Errorf("%d keys were created, want %d", len(created), steps)
	}
}

func TestLockOfAnotherProcessIsAConflict(t *testing.T) {
	fsys := memfs.New()
	b := open(t, fsys, root)
	held, err := fsys.Lock(root + "/~lock")
	must(t, err)
	_, err = b.Put(t.Context(), "k", objstore.Bytes(nil), objstore.Condition{})
	if objstore.KindOf(err) != objstore.KindConflict {
		t.Errorf("Put: %v, want conflict", err)
	}
	if err := b.Delete(t.Context(), "k"); objstore.KindOf(err) != objstore.KindConflict {
		t.Errorf("Delete: %v, want conflict", err)
	}
	must(t, held.Close())
	_, err = b.Put(t.Context(), "k", objstore.Bytes(nil), objstore.Condition{})
	must(t, err)
}

func TestMissingDirectoryIsNoBucket(t *testing.T) {
	if _, err := dir.Open(memfs.New(), root, dir.Options{}); objstore.KindOf(err) != objstore.KindNoBucket || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Open: %v, want that there is no bucket", err)
	}
}

// TestPowerCuts stops a workload at every operation, loses what was not synced,
// and demands that what was acknowledged is there and all else is whole.
func TestPowerCuts(t *testing.T) {
	contents := map[string]string{"a/x": "first", "a/y": "second, longer", "b": ""}
	type state struct {
		created []string
		swapped bool // the version of a/x was acknowledged
		deleted bool // and that of b
		began   bool // the deletion of b may have happened
	}
	work := func(fsys vfs.FS) (st state) {
		b, err := dir.Open(fsys, root, dir.Options{})
		if err != nil {
			return st
		}
		s := objstore.New(b, objstore.Options{Attempts: 1})
		for _, key := range []string{"a/x", "a/y", "b"} {
			if s.Create(t.Context(), key, objstore.Bytes([]byte(contents[key]))) != nil {
				return st
			}
			st.created = append(st.created, key)
		}
		info, err := s.Head(t.Context(), "a/x")
		if err != nil {
			return st
		}
		if _, err = s.Swap(t.Context(), "a/x", objstore.Bytes([]byte("another")), info.ETag); err != nil {
			return st
		}
		st.swapped, st.began = true, true
		st.deleted = s.Delete(t.Context(), "b") == nil
		return st
	}
	for stop := 1; ; stop++ {
		for _, keep := range []memfs.Keep{memfs.KeepNone, memfs.KeepAll} {
			mem := memfs.New()
			must(t, mem.MkdirAll(root))
			faults := faultfs.New(mem)
			faults.Inject(func(op faultfs.Op) faultfs.Fault { return faultfs.Fault{StopAfter: op.N == stop} })
			st := work(faults)
			after := mem.Crash(nil, keep)
			s := objstore.New(open(t, after, root), objstore.Options{})
			for _, key := range st.created {
				got, _, err := s.ReadAll(t.Context(), key, 100)
				switch {
				case key == "b" && st.began && objstore.KindOf(err) == objstore.KindNotFound:
				case key == "b" && st.deleted:
					t.Fatalf("stop %d: b was deleted, and is there again: %q, %v", stop, got, err)
				case err != nil:
					t.Fatalf("stop %d: %s was created: %v", stop, key, err)
				case key == "a/x" && string(got) == "another":
				case key == "a/x" && st.swapped, string(got) != contents[key]:
					t.Fatalf("stop %d: %s is %q", stop, key, got)
				}
			}
			infos, err := s.List(t.Context(), "", "", 100)
			must(t, err)
			for _, info := range infos {
				if _, _, err := s.ReadAll(t.Context(), info.Key, 100); err != nil {
					t.Fatalf("stop %d: %s is not whole: %v", stop, info.Key, err)
				}
			}
			for name := range after.Snapshot() {
				if base := name[strings.LastIndexByte(name, '/')+1:]; strings.HasPrefix(base, "~") && base != "~lock" {
					t.Fatalf("stop %d: %s is left", stop, name)
				}
			}
			if st.deleted {
				t.Logf("%d operations", stop)
				return
			}
		}
	}
}

// TestEveryCallFailsOnce: no failure of the file system leaves half an object
// or an answer that is wrong, and a second try succeeds.
func TestEveryCallFailsOnce(t *testing.T) {
	for n := 1; ; n++ {
		mem := memfs.New()
		faults := faultfs.New(mem)
		b := open(t, faults, root)
		s := objstore.New(b, objstore.Options{Attempts: 1})
		struck := false
		first := len(faults.Trace())
		faults.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N != first+n {
				return faultfs.Fault{}
			}
			struck = true
			return faultfs.Fault{Err: errors.New("injected")}
		})
		body := objstore.Bytes([]byte("content"))
		if err := s.Create(t.Context(), "a/k", body); err != nil {
			must(t, s.Create(t.Context(), "a/k", body))
		}
		if got, _, err := s.ReadAll(t.Context(), "a/k", 100); err == nil && string(got) != "content" {
			t.Fatalf("call %d: %q", n, got)
		}
		if err := s.Delete(t.Context(), "a/k"); err != nil {
			must(t, s.Delete(t.Context(), "a/k"))
		}
		if _, err := s.Head(t.Context(), "a/k"); !errors.Is(err, objstore.ErrNotFound) && err == nil {
			t.Fatalf("call %d: the deleted is there", n)
		}
		if !struck {
			t.Logf("%d calls", n-1)
			return
		}
	}
}

// TestRefusedCreationIsDurable: a creation failed to sync the name, and the next
// one takes the object that it finds for its own. It has to stay, then.
func TestRefusedCreationIsDurable(t *testing.T) {
	mem := memfs.New()
	faults := faultfs.New(mem)
	b := open(t, faults, root)
	s := objstore.New(b, objstore.Options{Attempts: 1})
	faults.FailNth(faultfs.SyncDir, 1, errors.New("injected"))
	body := objstore.Bytes([]byte("content"))
	if err := s.Create(t.Context(), "k", body); err == nil {
		t.Fatal("Create succeeded without a synced name")
	}
	must(t, s.Create(t.Context(), "k", body))
	after := objstore.New(open(t, mem.Crash(nil, memfs.KeepNone), root), objstore.Options{})
	if got, _, err := after.ReadAll(t.Context(), "k", 100); err != nil || string(got) != "content" {
		t.Fatalf("after the power cut: %q, %v", got, err)
	}
}

// TestDamagedFilesAreCorrupt flips every bit and cuts at every length.
func TestDamagedFilesAreCorrupt(t *testing.T) {
	mem := memfs.New()
	s := objstore.New(open(t, mem, root), objstore.Options{})
	must(t, s.Create(t.Context(), "k", objstore.Bytes([]byte("content"))))
	whole := mem.Snapshot()[root+"/k~"]
	try := func(what string, file []byte) {
		t.Helper()
		fsys := memfs.New()
		must(t, fsys.MkdirAll(root))
		f, err := fsys.Create(root + "/k~")
		must(t, err)
		_, err = f.WriteAt(file, 0)
		must(t, err)
		s := objstore.New(open(t, fsys, root), objstore.Options{Attempts: 2})
		if _, _, err := s.ReadAll(t.Context(), "k", 100); objstore.KindOf(err) != objstore.KindCorrupt {
			t.Errorf("%s: %v, want corrupt", what, err)
		}
		if err := s.Create(t.Context(), "k", objstore.Bytes([]byte("other"))); err == nil {
			t.Errorf("%s: was overwritten", what)
		}
		must(t, s.Delete(t.Context(), "k"))
	}
	for bit := range 8 * len(whole) {
		file := append([]byte(nil), whole...)
		file[bit/8] ^= 1 << (bit % 8)
		try(fmt.Sprintf("bit %d", bit), file)
	}
	for n := range len(whole) {
		try(fmt.Sprintf("cut at %d", n), whole[:n])
	}
	try("longer", append(append([]byte(nil), whole...), 0))
}
