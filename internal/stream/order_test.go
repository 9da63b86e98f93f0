package stream

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// checkOrder checks the form of an order: chunks that are never empty, in
// order, and no two neighbours that fit into one.
func checkOrder(o *order) error {
	n, last := 0, ID(0)
	for i, c := range o.chunks {
		if len(c.streams) == 0 || len(c.streams) > chunkMax || c.first > c.streams[0].ID || c.first <= last {
			return fmt.Errorf("chunk %d of %d streams begins at %d, after %d", i, len(c.streams), c.first, last)
		}
		for _, s := range c.streams {
			if s == nil || s.ID <= last {
				return fmt.Errorf("chunk %d holds %v after stream %d", i, s, last)
			}
			last = s.ID
		}
		if n += len(c.streams); i > 0 && len(o.chunks[i-1].streams)+len(c.streams) <= chunkMax {
			return fmt.Errorf("chunks %d and %d of %d streams are not joined", i-1, i, len(c.streams))
		}
	}
	if n != o.n {
		return fmt.Errorf("%d streams are counted as %d", n, o.n)
	}
	return nil
}

// orderModel is an order, and a map that says what is in it.
type orderModel struct {
	order order
	want  map[ID]*Stream
}

func (m *orderModel) add(id ID) {
	if m.want[id] == nil {
		m.want[id] = &Stream{ID: id}
		m.order.add(m.want[id])
	}
}

func (m *orderModel) remove(id ID) {
	if m.want[id] != nil {
		delete(m.want, id)
		m.order.remove(id)
	}
}

func (m *orderModel) check(probes []ID) error {
	if err := checkOrder(&m.order); err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(m.want))
	walk, last := ID(0), (*Stream)(nil)
	for _, id := range ids {
		s := m.order.next(walk)
		if s == nil || s.ID != id {
			return fmt.Errorf("after %d comes %v, want %d", walk, s, id)
		}
		walk, last = id, s
	}
	if s := m.order.next(walk); s != nil || m.order.last() != last {
		return fmt.Errorf("after the last comes %v; the last is %v, want %v", s, m.order.last(), last)
	}
	for _, id := range append(probes, ids...) {
		if got := m.order.find(id); got != m.want[id] {
			return fmt.Errorf("at %d is %v, want %v", id, got, m.want[id])
		}
		at, found := slices.BinarySearch(ids, id)
		if found {
			at++
		}
		next := ID(0)
		if at < len(ids) {
			next = ids[at]
		}
		if got := m.order.next(id); (got == nil) != (next == 0) || got != nil && got.ID != next {
			return fmt.Errorf("after %d comes %v, want %d", id, got, next)
		}
	}
	return nil
}

// TestOrderIsASortedMap adds and removes runs of streams, at the end as in life
// and in the middle as a restored table may.
func TestOrderIsASortedMap(t *testing.T) {
	r := newRand(newSeed(t))
	for run := range 30 {
		m := orderModel{want: make(map[ID]*Stream)}
		top := ID(1 + r.Uint64N(1000))
		for step := range 40 {
			from := ID(r.Uint64N(uint64(top))) + 1
			switch r.IntN(5) {
			case 0, 1: // at the end, with gaps now and then
				for range r.IntN(2 * chunkMax) {
					top += 1 + ID(r.IntN(1+r.IntN(3)))
					m.add(top)
				}
			case 2: // anywhere
				for range r.IntN(chunkMax) {
					m.add(ID(r.Uint64N(uint64(top))) + 1)
				}
			case 3: // a run
				for i := range r.IntN(3 * chunkMax) {
					m.remove(from + ID(i))
				}
			case 4: // all but few
				keep := 1 + r.IntN(20)
				for i, id := range slices.Sorted(maps.Keys(m.want)) {
					if i%keep != 0 {
						m.remove(id)
					}
				}
			}
			probes := []ID{0, from - 1, from, top, top + 1, 1<<64 - 1}
			if err := m.check(probes); err != nil {
				t.Fatalf("run %d, step %d: %v", run, step, err)
			}
		}
	}
}

// TestOrderFollowsTheLiving keeps one stream of many over a long life. What
// the others took must come back.
func TestOrderFollowsTheLiving(t *testing.T) {
	var o order
	const made, kept = 1_000_000, 5000
	for id := ID(1); id <= made; id++ {
		o.add(&Stream{ID: id})
		if old := id - min(id, 100); old > 0 && old%(made/kept) != 0 {
			o.remove(old)
		}
	}
	room := 0
	for _, c := range o.chunks {
		room += cap(c.streams)
	}
	if err := checkOrder(&o); err != nil {
		t.Error(err)
	}
	if room > 2*o.n+2*chunkMax {
		t.Errorf("%d streams of %d take room for %d", o.n, made, room)
	}
}

// TestWalkToleratesChange removes and adds streams between the steps of a walk.
func TestWalkToleratesChange(t *testing.T) {
	table, _ := plainTable(t, 3*chunkMax)
	var seen []ID
	for s := range table.All {
		seen = append(seen, s.ID)
		if s.ID%2 == 1 && s.ID < 3*chunkMax {
			mustApply(t, table, Record{Kind: KindDelete, ID: s.ID}, Record{Kind: KindDelete, ID: s.ID + 1})
		}
		if s.ID == 1 {
			mustApply(t, table, Record{Kind: KindCreate, ID: 3*chunkMax + 1, Path: "/new", TTL: NoTTL})
		}
	}
	var want []ID
	for id := ID(1); id <= 3*chunkMax; id += 2 {
		want = append(want, id)
	}
	want = append(want, 3*chunkMax+1)
	if !slices.Equal(seen, want) {
		t.Errorf("the walk met %v", seen)
	}
	if err := checkTable(table); err != nil {
		t.Error(err)
	}
}
