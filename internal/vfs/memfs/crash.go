package memfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
)

// Keep says what a crash leaves of the things that were not synced.
type Keep int

const (
	KeepNone Keep = iota // nothing
	KeepAll              // everything, as it was seen
	KeepSome             // each one or not, by chance
)

func (k Keep) String() string {
	switch k {
	case KeepNone:
		return "none"
	case KeepAll:
		return "all"
	case KeepSome:
		return "some"
	}
	return "Keep(" + strconv.Itoa(int(k)) + ")"
}

// Crash cuts the power and returns a new file system of what is on the medium
// then. The old one is dead: every later call on it, its files and its locks
// returns ErrPowerLoss. Crash of a dead file system is another outcome of the
// same power cut, so one run can be recovered in many ways.
//
// The same operations and the same state of rng give the same outcome. rng is
// used by KeepSome only and may be nil otherwise.
func (f *FS) Crash(rng *rand.Rand, keep Keep) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true

	after := New()
	after.capacity = f.capacity
	// A file with two names is still one file.
	nodes := map[*inode]*inode{}
	// The order of maps must not reach rng.
	for _, name := range slices.Sorted(maps.Keys(f.dirs)) {
		d := f.dirs[name]
		survivors := d.survive(chooser(rng, keep))
		nd := newDir()
		nd.subs = maps.Clone(d.subs)
		for _, base := range slices.Sorted(maps.Keys(survivors)) {
			node := nodes[survivors[base]]
			if node == nil {
				node = survivors[base].survive(rng, keep)
				nodes[survivors[base]] = node
				after.used += node.reserved()
			}
			nd.put(base, node)
		}
		after.dirs[name] = nd
	}
	return after
}

// chooser returns the decision about one unsynced thing after another. For
// KeepSome the odds are drawn first: with a fair coin for each, outcomes where
// nearly all of many things got there, or nearly none, would never be seen.
func chooser(rng *rand.Rand, keep Keep) func() bool {
	switch keep {
	case KeepNone:
		return func() bool { return false }
	case KeepAll:
		return func() bool { return true }
	}
	odds := [...]int{0, 1, 4, 8, 12, 15, 16}[rng.IntN(7)]
	return func() bool { return rng.IntN(16) < odds }
}

// survive returns what the medium holds of the file after power loss. It
// shares clean blocks with n, which is dead by now.
func (n *inode) survive(rng *rand.Rand, keep Keep) *inode {
	size, floor := n.surviveSize(rng, keep)
	choose := chooser(rng, keep)
	count := min(len(n.pages), int((size+pageSize-1)/pageSize))
	after := &inode{
		pages:      make([]page, count),
		size:       size,
		mediumSize: size,
	}
	for i := range after.pages {
		old := &n.pages[i]
		b := old.seen
		switch {
		case old.seen == old.medium:
		case keep == KeepAll:
		default:
			// A failed sync may have written some of its sectors, so those
			// are as open as the ones that no sync was asked for.
			mask := uint8(0)
			for m := old.dirty | old.stale; m != 0; m &= m - 1 {
				if choose() {
					mask |= m & -m
				}
			}
			b = old.medium
			if cut := within(floor, i); mask != 0 || cut < pageSize {
				b = old.mix(cut, mask)
			}
		}
		if cut := within(size, i); b != nil && cut < pageSize {
			nb := new(block)
			copy(nb[:cut], b[:cut])
			b = nb
		}
		after.pages[i] = page{seen: b, medium: b, shared: true, reserved: old.reserved}
	}
	return after
}

// surviveSize picks the length that got to the medium, and the smallest one
// that the file had on the medium on the way there.
func (n *inode) surviveSize(rng *rand.Rand, keep Keep) (size, floor int64) {
	kept := 0
	switch keep {
	case KeepAll:
		kept = len(n.sizes)
	case KeepSome:
		// Neither end may be rare: both are what most crashes look like.
		switch rng.IntN(4) {
		case 0:
		case 1:
			kept = len(n.sizes)
		default:
			kept = rng.IntN(len(n.sizes) + 1)
		}
	}
	size, floor = n.mediumSize, n.mediumSize
	for _, s := range n.sizes[:kept] {
		size = s
		floor = min(floor, s)
	}
	return size, floor
}
