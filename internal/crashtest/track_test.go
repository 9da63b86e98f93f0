package crashtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// beginning is the offset before everything.
const beginning = "-1"

// track is what is known of one shared stream.
type track struct {
	name string
	kind kind

	mu    sync.Mutex       // guards what producers tell
	sent  map[int]int      // producer → how many messages it began to send
	acks  map[place]string // acknowledged → end of the append, "" if not told exactly
	fresh []place          // acknowledged since the last reading
	bound map[place]string // of those acknowledged as duplicates: a tail they are within

	// What was read back, between rounds only.
	order []place
	index map[place]int
	last  map[int]int // producer → its newest message in order
	tail  string      // how far was read
	end   string      // the newest offset in order that is known exactly
}

func newTrack(name string, k kind) *track {
	return &track{
		name: name, kind: k,
		sent: make(map[int]int), acks: make(map[place]string), bound: make(map[place]string),
		index: make(map[place]int), last: make(map[int]int), tail: beginning, end: beginning,
	}
}

// begin notes that a message is about to be sent.
func (tr *track) begin(at place) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sent[at.p] = at.n + 1
}

// ack notes that a message was acknowledged, and that it ends at an offset.
func (tr *track) ack(at place, end string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.acks[at] = end
	tr.fresh = append(tr.fresh, at)
}

// ackDuplicate notes that a repeated message was recognized: it is somewhere up
// to the tail that was told.
func (tr *track) ackDuplicate(at place, tail string) {
	tr.ack(at, "")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.bound[at] = tail
}

// endOf is the offset that a message was acknowledged with, or empty.
func (tr *track) endOf(at place) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.acks[at]
}

// take notes appends that were read between two offsets, and judges them.
// Offsets are compared as strings, all that is known of them.
func (tr *track) take(v *verdict, all []place, from, next string) {
	for _, at := range all {
		if _, again := tr.index[at]; again {
			v.add(doubled, "%s: %v", tr.name, at)
			continue
		}
		if at.n < 0 || at.n >= tr.sent[at.p] {
			v.add(corrupt, "%s: %v was never sent", tr.name, at)
			continue
		}
		if want := tr.newest(at.p) + 1; at.n < want {
			v.add(reordered, "%s: %v after message %d", tr.name, at, want-1)
		}
		tr.last[at.p] = max(at.n, tr.newest(at.p))
		tr.index[at] = len(tr.order)
		tr.order = append(tr.order, at)
		if bound := tr.bound[at]; bound != "" && bound <= tr.end {
			v.add(misplaced, "%s: %v is after %s, and was known when the tail was %s", tr.name, at, tr.end, bound)
		}
		if end := tr.acks[at]; end != "" {
			if end <= tr.end || end <= from || end > next {
				v.add(misplaced, "%s: %v was acknowledged with %s; it is after %s, in what %s returned, up to %s", tr.name, at, end, tr.end, from, next)
			}
			tr.end = end
		}
	}
	if n := len(all); n > 0 && tr.acks[all[n-1]] != "" && tr.acks[all[n-1]] != next {
		v.add(misplaced, "%s: a read ends with %v at %s, acknowledged with %s", tr.name, all[n-1], next, tr.acks[all[n-1]])
	}
	tr.tail = next
}

// newest is the newest message of a producer that was read, -1 before the first.
func (tr *track) newest(p int) int {
	if n, ok := tr.last[p]; ok {
		return n
	}
	return -1
}

// settle is called when all there is was taken: what was acknowledged is there.
func (tr *track) settle(v *verdict) {
	for _, at := range tr.fresh {
		if _, ok := tr.index[at]; !ok {
			v.add(lost, "%s: %v, acknowledged with %q", tr.name, at, tr.acks[at])
		}
	}
	tr.fresh = nil
}

// read reads what is new since the last reading and judges it. Nobody appends
// meanwhile.
func (tr *track) read(v *verdict, c *client) {
	a, err := c.read(tr.name, tr.tail, func(a answer, from string) {
		all, err := tr.kind.decode(a.body)
		if err != nil {
			v.add(corrupt, "%s: after %s: %v", tr.name, from, err)
		}
		tr.take(v, all, from, a.next())
	})
	if err != nil || a.status != http.StatusOK {
		v.add(refused, "read %s: %v %v", tr.name, err, a)
		return
	}
	tr.settle(v)
}

// reread reads the whole stream again: it is what it was at the last reading,
// and all acknowledgements ever given hold.
func (tr *track) reread(v *verdict, c *client) {
	again := newTrack(tr.name, tr.kind)
	again.sent, again.acks, again.bound = tr.sent, tr.acks, tr.bound
	for at := range tr.acks {
		again.fresh = append(again.fresh, at)
	}
	again.read(v, c)
	if !slices.Equal(again.order, tr.order) {
		v.add(takenBack, "%s: it is not as it was read before: %d appends then, %d now", tr.name, len(tr.order), len(again.order))
	}
	if again.tail != tr.tail {
		v.add(takenBack, "%s: the tail is %s, it was %s", tr.name, again.tail, tr.tail)
	}
}

// probe reads from some offsets that were acknowledged: each leads to what
// follows.
func (tr *track) probe(v *verdict, c *client, r *rand.Rand, n int) {
	for range min(n, len(tr.order)) {
		i := r.IntN(len(tr.order))
		from := tr.acks[tr.order[i]]
		if from == "" {
			continue
		}
		q := request{method: "GET", name: tr.name, query: map[string][]string{"offset": {from}}}
		a, err := c.do(q)
		if err != nil || a.status != http.StatusOK {
			v.add(refused, "read %s from %s: %v %v", tr.name, from, err, a)
			continue
		}
		got, err := tr.kind.decode(a.body)
		if want := tr.order[i+1:]; err != nil || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || len(got) == 0 && len(want) > 0 {
			v.add(misplaced, "%s: from %s, where %v ends, comes %s (%v), want %s", tr.name, from, tr.order[i], first(got), err, first(want))
		}
	}
}

// first tells a list by its beginning.
func first(all []place) string {
	if len(all) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%v and %d more", all[0], len(all)-1)
}
