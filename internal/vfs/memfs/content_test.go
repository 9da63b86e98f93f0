package memfs_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

// flat is the same file as two slices, sector by sector and without any
// sharing: what memfs has to agree with.
type flat struct {
	seen, medium []byte
	dirty, stale map[int]bool // sectors
	sizes        []int        // since the last sync
}

func (m *flat) resize(size int) {
	if size < len(m.seen) {
		for s := range m.dirty {
			if s*512 >= size {
				delete(m.dirty, s)
			}
		}
		for s := range m.stale {
			if s*512 >= size {
				delete(m.stale, s)
			}
		}
	}
	m.seen = resized(m.seen, size)
	m.sizes = append(m.sizes, size)
}

// resized is b with another length, the new part zeros.
func resized(b []byte, size int) []byte {
	n := make([]byte, size)
	copy(n, b)
	return n
}

func (m *flat) write(p []byte, off int) {
	if len(p) == 0 {
		return
	}
	if off+len(p) > len(m.seen) {
		m.resize(off + len(p))
	}
	copy(m.seen[off:], p)
	for s := off / 512; s*512 < off+len(p); s++ {
		m.dirty[s] = true
		delete(m.stale, s)
	}
}

// arrive returns the medium after the first count lengths and the sectors
// that pick says got there.
func (m *flat) arrive(count int, pick func(sector int) bool) []byte {
	after := m.medium
	for _, size := range m.sizes[:count] {
		after = resized(after, size)
	}
	after = bytes.Clone(after)
	for s := 0; s*512 < len(m.seen) && s*512 < len(after); s++ {
		if pick(s) {
			// Bytes past the end as seen are zeros in its last sector.
			copy(after[s*512:], resized(m.seen, len(m.seen)+512)[s*512:(s+1)*512])
		}
	}
	return after
}

func (m *flat) sync() {
	m.medium = m.arrive(len(m.sizes), func(s int) bool { return m.dirty[s] })
	m.sizes = nil
	clear(m.dirty)
}

func (m *flat) failSync() {
	for s := range m.dirty {
		m.stale[s] = true
	}
	clear(m.dirty)
}

// possible reports whether KeepSome may leave got.
func (m *flat) possible(got []byte) bool {
	for count := range len(m.sizes) + 1 {
		// Sector by sector: each has to be one of its two contents.
		none := m.arrive(count, func(int) bool { return false })
		some := m.arrive(count, func(s int) bool { return m.dirty[s] || m.stale[s] })
		if len(got) != len(none) {
			continue
		}
		ok := true
		for at := 0; at < len(got) && ok; at += 512 {
			end := min(at+512, len(got))
			ok = bytes.Equal(got[at:end], none[at:end]) || bytes.Equal(got[at:end], some[at:end])
		}
		if ok {
			return true
		}
	}
	return false
}

// TestContentAgreesWithModel does random operations and looks at what is seen
// and at every kind of crash of a file.
func TestContentAgreesWithModel(t *testing.T) {
	s := seed(t)
	for round := range uint64(300) {
		rng := rand.New(rand.NewPCG(s, round))
		modelRound(t, rng)
	}
}

func modelRound(t *testing.T, rng *rand.Rand) {
	fs := memfs.New()
	f := durable(t, fs, "a", "")
	m := &flat{dirty: map[int]bool{}, stale: map[int]bool{}}
	var clones []*memfs.FS
	var cloned [][]byte

	for i := range 1 + rng.IntN(40) {
		at := rng.IntN(14000)
		if rng.IntN(4) == 0 {
			at = at / 512 * 512
		}
		step(t, rng, fs, f, m, i, at)
		if rng.IntN(8) == 0 {
			clones = append(clones, fs.Clone())
			cloned = append(cloned, bytes.Clone(m.seen))
		}
		if got := readFile(t, f); got != string(m.seen) {
			t.Fatalf("step %d: seen differs, %d bytes, want %d", i, len(got), len(m.seen))
		}
	}

	for i, c := range clones {
		if got := c.Crash(nil, memfs.KeepNone).Snapshot()["a"]; !bytes.Equal(got, cloned[i]) {
			t.Fatalf("clone %d differs", i)
		}
	}
	for range 3 {
		if got := fs.Crash(rng, memfs.KeepSome).Snapshot()["a"]; !m.possible(got) {
			t.Fatalf("KeepSome: %d bytes that cannot be", len(got))
		}
	}
	if got := fs.Crash(nil, memfs.KeepNone).Snapshot()["a"]; !bytes.Equal(got, m.medium) {
		t.Fatalf("KeepNone: differs, %d bytes, want %d", len(got), len(m.medium))
	}
	if got := fs.Crash(nil, memfs.KeepAll).Snapshot()["a"]; !bytes.Equal(got, m.seen) {
		t.Fatalf("KeepAll: differs, %d bytes, want %d", len(got), len(m.seen))
	}
}

// step does one random operation on both.
func step(t *testing.T, rng *rand.Rand, fs *memfs.FS, f vfs.File, m *flat, i, at int) {
	switch rng.IntN(12) {
	case 0, 1:
		must(t, f.Sync())
		m.sync()
	case 2:
		must(t, fs.FailSync(f))
		m.failSync()
	case 3, 4:
		must(t, f.Truncate(int64(at)))
		if at != len(m.seen) {
			m.resize(at)
		}
	case 5:
		must(t, f.Allocate(int64(at)))
		if at > len(m.seen) {
			m.resize(at)
		}
	case 6:
		if at < len(m.seen) && len(m.sizes) == 0 {
			must(t, fs.Corrupt("a", int64(at), 1))
			m.seen[at] ^= 1
			m.medium[at] ^= 1
		}
	default:
		b := byte(i + 1)
		if rng.IntN(4) == 0 {
			b = 0
		}
		p := bytes.Repeat([]byte{b}, rng.IntN(5000))
		write(t, f, string(p), int64(at))
		m.write(p, at)
	}
}
