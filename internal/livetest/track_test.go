package livetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
)

// appended is one append that was acknowledged.
type appended struct {
	end    offset
	stored []byte
	cuts   []int
}

func (a *appended) start() offset { return a.end - offset(len(a.stored)) - appendFixed }

// track is the truth about one stream.
type track struct {
	name   string
	id     string // in its messages; its path may have others
	kind   kind
	source *track // of a fork
	base   offset // where a fork begins
	mortal bool   // may expire at any time
	slides bool   // by a sliding TTL, so not while it is read
	heavy  bool

	mu      sync.Mutex
	known   []appended          // without a gap, those of the source before base among them
	tail    offset              // end of what is known
	early   map[offset]appended // acknowledged behind a gap, by start
	changed chan struct{}       // closed at each change
	forks   []*track

	life
}

// life is how far a stream has come. What is asked for is noted before the
// request, what was answered after it.
type life struct {
	forked    bool // a fork was asked for
	closing   bool
	closed    bool
	ending    bool // deletion was asked for
	ended     bool // it is known to be deleted or expired
	replacing bool // a successor at the path was asked for, all else is known
	abandoned bool // nobody will append, and readers are to let it expire
	final     bool // nobody will append, and the test ends
}

// state is a life at a moment.
type state struct {
	life
	tail offset
	kept bool // by its forks
}

// mayMiss reports whether the stream may have ended.
func (tr *track) mayMiss(s state) bool { return s.ending || s.ended || tr.mortal }

func newTrack(name, id string, k kind) *track {
	return &track{name: name, id: id, kind: k, early: make(map[offset]appended), changed: make(chan struct{})}
}

// forkTrack makes the truth about a fork.
func forkTrack(source *track, name, id string, at offset) *track {
	tr := newTrack(name, id, source.kind)
	tr.source, tr.base, tr.tail = source, at, at
	source.mu.Lock()
	defer source.mu.Unlock()
	n := source.after(at)
	tr.known = slices.Clone(source.known[:n])
	return tr
}

// after is the first known append that ends after an offset. mu is held.
func (tr *track) after(at offset) int {
	return sort.Search(len(tr.known), func(i int) bool { return tr.known[i].end > at })
}

func (tr *track) state() state {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return state{life: tr.life, tail: tr.tail, kept: slices.ContainsFunc(tr.forks, (*track).keeps)}
}

// keeps reports whether the fork needs its source for certain. Locks are taken
// from the source to the fork.
func (tr *track) keeps() bool {
	s := tr.state()
	return !tr.mayMiss(s) || s.kept
}

// note changes the life of the stream.
func (tr *track) note(change func(*life)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	change(&tr.life)
	tr.signal()
}

// signal tells those who wait. mu is held.
func (tr *track) signal() {
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// change is closed when something has changed since.
func (tr *track) change() <-chan struct{} {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.changed
}

// addFork notes a fork that exists.
func (tr *track) addFork(f *track) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.forks = append(tr.forks, f)
}

// ack notes that an append was acknowledged with its end.
func (tr *track) ack(stored []byte, cuts []int, end offset) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	a := appended{end: end, stored: stored, cuts: cuts}
	if _, twice := tr.early[a.start()]; twice || a.start() < tr.tail || a.start() > end {
		return fmt.Errorf("%s: %d bytes acknowledged with end %d, others with the same place (known up to %d)", tr.id, len(stored), end, tr.tail)
	}
	tr.early[a.start()] = a
	for {
		next, ok := tr.early[tr.tail]
		if !ok {
			break
		}
		delete(tr.early, tr.tail)
		tr.known, tr.tail = append(tr.known, next), next.end
	}
	tr.signal()
	return nil
}

// gap tells what is missing when all requests have been answered.
func (tr *track) gap() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.early) > 0 {
		return fmt.Errorf("%s: nothing was acknowledged at %d, but %d appends behind it", tr.id, tr.tail, len(tr.early))
	}
	return nil
}

// between returns what is stored between two offsets. It is not known yet if
// the second lies beyond what is acknowledged.
func (tr *track) between(from, next offset) (parts [][]byte, known bool, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if next > tr.tail {
		return nil, false, nil
	}
	first, last := tr.after(from), tr.after(next)
	if next != from && !tr.begins(next) && (last == 0 || tr.known[last-1].end != next) {
		return nil, true, fmt.Errorf("no append of %s ends at %d", tr.id, next)
	}
	for _, a := range tr.known[first:max(first, last)] {
		parts = append(parts, a.stored)
	}
	return parts, true, nil
}

// count is how many appends are known.
func (tr *track) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.known)
}

// edge draws an end of an append, or the beginning.
func (tr *track) edge(r *rand.Rand) offset {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := r.IntN(len(tr.known) + 1); i > 0 {
		return tr.known[i-1].end
	}
	return 0
}

// isEdge reports whether an append ends there.
func (tr *track) isEdge(at offset) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	i := tr.after(at)
	return at == 0 || i > 0 && tr.known[i-1].end == at
}

// follows is the append that follows an offset, nil if none is known.
func (tr *track) follows(at offset) *appended {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := tr.after(at); i < len(tr.known) {
		a := tr.known[i]
		return &a
	}
	return nil
}

// begins reports whether a fork begins there: this one, or one that it is a fork
// of. No append has to end there.
func (tr *track) begins(at offset) bool {
	for ; tr != nil; tr = tr.source {
		if tr.base == at {
			return true
		}
	}
	return false
}
