package fuzz

import (
	"bytes"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/vfs/memfs"
)

var recoveryTime = flag.Duration("fuzz.recovery-time", 3*time.Second, "how long TestRecovery goes on beyond its floor")

const page = 4096

// damage lets data damage the files of a store, and returns the ones that are
// left.
func damage(c *choices, p *preparedStore) map[string][]byte {
	files := maps.Clone(p.files)
	removed := false
	for n := 0; c.left() && n < 8; n++ {
		name := p.last
		if c.chance(3) {
			name = pick(c, p.names)
		}
		b := bytes.Clone(files[name])
		if len(b) == 0 {
			continue
		}
		pages := (len(b) + page - 1) / page
		switch c.below(9) {
		case 0, 1: // a byte anywhere
			b[c.below(len(b))] ^= byte(c.byte())
		case 2: // a byte of a header, where the fields are
			b[min(c.below(pages)*page+c.below(128), len(b)-1)] ^= byte(c.byte())
		case 3:
			b = b[:c.below(len(b)+1)]
		case 4: // one page as another
			copyPage(b, c.below(pages), bytes.Clone(b), c.below(pages))
		case 5: // two pages swapped
			i, j := c.below(pages), c.below(pages)
			old := bytes.Clone(b)
			copyPage(b, i, old, j)
			copyPage(b, j, old, i)
		case 6: // pages that never were written
			from := c.below(pages) * page
			clear(b[from:min(from+(1+c.below(4))*page, len(b))])
		case 7: // a page of another file
			copyPage(b, c.below(pages), p.files[pick(c, p.names)], c.below(pages))
		case 8:
			if c.chance(4) && !removed { // all of them would be no store
				removed = true
				delete(files, name)
				continue
			}
			b = append(b, make([]byte, c.below(2*page))...)
		}
		files[name] = b
	}
	return files
}

// copyPage copies a page of from, as far as both are there.
func copyPage(to []byte, i int, from []byte, j int) {
	if i*page < len(to) && j*page < len(from) {
		copy(to[i*page:min((i+1)*page, len(to))], from[j*page:])
	}
}

// recoverDamaged opens a damaged store and holds it to the law: what was
// acknowledged is there, or the store is refused and left as it is. Frames at
// the end of a file without seal may be missing if nothing is left of any of
// them that would verify, since then nothing tells that they were told.
func recoverDamaged(t testing.TB, data []byte) (opened bool) {
	c := &choices{data}
	p := prepared()[c.below(ends)]
	files := damage(c, p)
	disk := mediumOf(t, files)
	before := disk.Snapshot()
	options := smallStore(disk, newClock(), newRand(1).Uint64)

	_, checked := engine.Check(options)
	if !sameFiles(before, disk.Snapshot()) {
		t.Fatal("a check changed the store")
	}
	e, err := engine.Open(options)
	if (err == nil) != (checked == nil) {
		t.Fatalf("open says %v, check says %v", err, checked)
	}
	if err != nil {
		if err := refusal(err); err != nil {
			t.Fatal(err)
		}
		if err := refusal(checked); err != nil {
			t.Fatal(err)
		}
		if !sameFiles(before, disk.Snapshot()) {
			t.Fatalf("refused with %v, and the store was changed", err)
		}
		return false
	}

	got := view(e)
	k := len(p.views) - 1
	for k >= 0 && p.views[k] != got {
		k--
	}
	if k < 0 {
		t.Fatalf("the store shows what was never there:\n%.2000s", got)
	}
	if lost := len(p.views) - 1 - k; lost > 0 {
		p.checkLoss(t, files, lost)
	}
	checkAgain(t, e, disk, got)
	return true
}

// checkLoss checks that so many batches may be lost: all frames from the first
// lost one on are damaged, and were in a file that had no seal.
func (p *preparedStore) checkLoss(t testing.TB, files map[string][]byte, lost int) {
	t.Helper()
	if p.end == endClosed || p.end == endReopened {
		t.Fatalf("%d batches of a store with a seal are lost", lost)
	}
	b := files[p.last]
	for i := len(p.frames) - 1; i >= 0 && lost > 0; i-- {
		f := p.frames[i]
		if len(b) >= f.to && bytes.Equal(b[f.from:f.to], p.files[p.last][f.from:f.to]) {
			t.Fatalf("%d batches up to an intact frame at %d are lost", lost, f.from)
		}
		if f.records {
			lost--
		}
	}
	if lost > 0 {
		t.Fatalf("%d batches of earlier files are lost", lost)
	}
}

// checkAgain checks that what was recovered stays, and takes more.
func checkAgain(t testing.TB, e *engine.Engine, disk *memfs.FS, want string) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	disk = disk.Crash(nil, memfs.KeepNone)
	e, err := engine.Open(smallStore(disk, newClock(), newRand(2).Uint64))
	if err != nil {
		t.Fatalf("recovered and closed, then refused: %v", err)
	}
	if got := view(e); got != want {
		t.Fatalf("opening twice shows\n%.2000s\nand then\n%.2000s", want, got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// sameFiles compares all but the lock, which a refused open may leave.
func sameFiles(a, b map[string][]byte) bool {
	delete(a, "store/LOCK")
	delete(b, "store/LOCK")
	return maps.EqualFunc(a, b, bytes.Equal)
}

// TestPreparedStoresOpenWhole checks the premise: without damage all is there,
// in several files.
func TestPreparedStoresOpenWhole(t *testing.T) {
	for end, p := range prepared() {
		if n := len(slices.DeleteFunc(slices.Clone(p.names), func(s string) bool { return !strings.HasSuffix(s, ".wal") })); n < 3 {
			t.Errorf("store %d has %d log files", end, n)
		}
		if !recoverDamaged(t, []byte{byte(end)}) {
			t.Errorf("store %d is refused", end)
		}
	}
}

// TestDamageIsRefusedOrHarmless damages stores at random.
func TestDamageIsRefusedOrHarmless(t *testing.T) {
	const floor = 500
	seed := newSeed(t)
	r, began, runs, opened := newRand(seed), time.Now(), 0, 0
	for ; runs < floor || time.Since(began) < *recoveryTime; runs++ {
		if recoverDamaged(t, randomBytes(r, 1+r.IntN(24))) {
			opened++
		}
	}
	t.Logf("%d stores damaged, %d opened", runs, opened)
	if opened < runs/20 || opened > runs*19/20 {
		t.Error("the damage is always or never refused")
	}
}

// FuzzRecovery is the same under the fuzzer.
func FuzzRecovery(f *testing.F) {
	for end := range ends {
		f.Add([]byte{byte(end)})
		f.Add([]byte{byte(end), 0, 0, 30, 0, 0x55})
		f.Add([]byte{byte(end), 0, 6, 8, 3})
	}
	f.Fuzz(func(t *testing.T, data []byte) { recoverDamaged(t, data) })
}
