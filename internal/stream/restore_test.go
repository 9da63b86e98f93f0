package stream

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// rowsOf are the encoded rows of a table by identity.
func rowsOf(t *Table) map[ID][]byte {
	rows := make(map[ID][]byte, t.Len())
	for s := range t.All {
		rows[s.ID] = s.AppendRow(nil)
	}
	return rows
}

// restored builds a table from the rows of another.
func (w *world) restored(from *Table) *Table {
	again := NewTable(from.limits)
	for id, row := range rowsOf(from) { // in no order
		if err := again.Restore(id, row); err != nil {
			w.fail("%v", err)
		}
	}
	w.complete(again, from)
	return again
}

// complete ends the restoring of a table that must be equal to another.
func (w *world) complete(again, want *Table) {
	w.t.Helper()
	if err := again.Restored(want.LastID()); err != nil {
		w.fail("%v", err)
	}
	if err := checkTable(again); err != nil {
		w.fail("restored: %v", err)
	}
	if got, want := states(again), states(want); !reflect.DeepEqual(got, want) {
		w.fail("restored is\n%+v\nwant\n%+v", got, want)
	}
	for s := range again.All {
		if s.Touched() != s.Logged() {
			w.fail("stream %d was last used at %d, the log says %d", s.ID, s.Touched(), s.Logged())
		}
	}
	if again.LastID() != want.LastID() {
		w.fail("restored has the last identity %d, want %d", again.LastID(), want.LastID())
	}
}

// restart goes on with a table restored from rows: whatever follows must come
// out as if nothing had happened. Only the uses that no record tells of are
// carried over by hand.
func (w *world) restart() {
	w.note("restart from rows")
	again := w.restored(w.table)
	for s := range w.table.All {
		again.ByID(s.ID).Touch(s.Touched())
		s.marked |= markRemoved // whoever holds on to it must notice
	}
	w.table = again
}

// checkCheckpoints takes a snapshot and a delta in the middle of the log, and
// replays the rest after them.
func (w *world) checkCheckpoints(c *choices) {
	life := NewTable(Limits{})
	first := (c.byte()<<8 | c.byte()) % (len(w.log) + 1)
	second := first + (c.byte()<<8|c.byte())%(len(w.log)+1-first)
	w.apply(life, 0, first)
	snapshot := rowsOf(life)
	changed := w.apply(life, first, second)

	again := NewTable(Limits{})
	for id, row := range snapshot {
		if err := again.Restore(id, row); err != nil {
			w.fail("%v", err)
		}
	}
	delta := slices.Sorted(maps.Keys(changed))
	rand.New(rand.NewPCG(uint64(c.byte()), 0)).Shuffle(len(delta), func(i, j int) { delta[i], delta[j] = delta[j], delta[i] })
	for _, id := range delta {
		s := life.ByID(id)
		if s == nil {
			again.Forget(id)
		} else if err := again.Restore(id, s.AppendRow(nil)); err != nil {
			w.fail("%v", err)
		}
	}
	w.complete(again, life)

	w.apply(again, second, len(w.log))
	if err := checkTable(again); err != nil {
		w.fail("%v", err)
	}
	if got, want := states(again), states(w.table); !reflect.DeepEqual(got, want) || again.LastID() != w.table.LastID() {
		w.fail("from rows at %d and %d of %d records came\n%+v\nwant\n%+v", first, second, len(w.log), got, want)
	}
}

// apply replays a part of the log, and tells whose rows it changed.
func (w *world) apply(t *Table, from, to int) map[ID]bool {
	changed := make(map[ID]bool)
	for i := from; i < to; i++ {
		rec := w.decode(i)
		effect, err := t.Apply(&rec)
		if err != nil {
			w.fail("record %d: %v", i, err)
		}
		changed[rec.ID] = true
		for _, s := range effect.Removed {
			changed[s.ID] = true
		}
	}
	return changed
}

// TestRestoredRefusesWhatCannotBe holds rows that are right by themselves
// against each other.
func TestRestoredRefusesWhatCannotBe(t *testing.T) {
	plain := func(path string, tail Offset) Row { return Row{Path: path, Tail: tail, TTL: NoTTL} }
	fork := func(path string, source ID, base Offset) Row {
		return Row{Path: path, Tail: base, TTL: NoTTL, Source: source, Base: base}
	}
	gone := func(r Row) Row { r.Gone = true; return r }
	for _, c := range []struct {
		name   string
		rows   map[ID]Row
		lastID ID
		want   string // part of the error, "" = none
	}{
		{"nothing", nil, 0, ""},
		{"nothing any more", nil, 9, ""},
		{"the newest is there", map[ID]Row{9: plain("/a", 6)}, 9, ""},
		{"a fork of all", map[ID]Row{1: plain("/a", 6), 2: fork("/b", 1, 6)}, 2, ""},
		{"a gone source", map[ID]Row{1: gone(plain("/a", 6)), 2: fork("/b", 1, 6)}, 2, ""},
		{"gone sources in a row", map[ID]Row{1: gone(plain("/a", 6)), 2: gone(fork("/b", 1, 6)), 5: fork("/c", 2, 3)}, 7, ""},
		{"one path", map[ID]Row{1: plain("/a", 6), 3: plain("/a", 0)}, 3, `streams 1 and 3 are both at "/a"`},
		{"the path of a gone one", map[ID]Row{1: gone(plain("/a", 6)), 2: fork("/b", 1, 0), 3: plain("/a", 0)}, 3, `streams 1 and 3 are both at "/a"`},
		{"newer than the last", map[ID]Row{1: plain("/a", 6), 3: plain("/b", 0)}, 2, "stream 3 is newer than the last, 2"},
		{"no source", map[ID]Row{2: fork("/b", 1, 0)}, 2, "fork of stream 1, which does not exist"},
		{"past the source's tail", map[ID]Row{1: plain("/a", 6), 2: fork("/b", 1, 7)}, 2, "fork of stream 1 at 7, whose tail is 6"},
		{"gone for nobody", map[ID]Row{1: gone(plain("/a", 6))}, 1, "stream 1 is gone and has no fork"},
		{"gone fork for nobody", map[ID]Row{1: plain("/a", 6), 2: gone(fork("/b", 1, 6))}, 2, "stream 2 is gone and has no fork"},
	} {
		table := NewTable(Limits{})
		for id, row := range c.rows {
			if err := table.Restore(id, row.Append(nil)); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		err := table.Restored(c.lastID)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err == nil:
			if err := checkTable(table); err != nil || table.LastID() != c.lastID {
				t.Errorf("%s: %v, last identity %d", c.name, err, table.LastID())
			}
		}
	}
}

// TestRestoreRefuses holds what one row can have wrong, beyond its bytes. What
// is refused leaves no trace.
func TestRestoreRefuses(t *testing.T) {
	table := NewTable(Limits{})
	good := (&Row{Path: "/a", Tail: 6, TTL: NoTTL}).Append(nil)
	if err := table.Restore(5, good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id  ID
		row []byte
	}{
		"identity 0":               {0, good},
		"nothing":                  {5, nil},
		"cut":                      {5, good[:len(good)-1]},
		"its own source":           {5, (&Row{Path: "/b", TTL: NoTTL, Source: 5}).Append(nil)},
		"the source of its source": {5, (&Row{Path: "/b", TTL: NoTTL, Source: 6}).Append(nil)},
	} {
		if err := table.Restore(c.id, c.row); err == nil {
			t.Errorf("%s is restored", name)
		}
		if got := table.ByID(5).AppendRow(nil); !bytes.Equal(got, good) || table.Len() != 1 {
			t.Errorf("%s left a trace: %d streams, row %x", name, table.Len(), got)
		}
	}
}

// TestRestoreReplaces holds that of several rows the last counts, all of it.
func TestRestoreReplaces(t *testing.T) {
	rich := Row{
		Path: "/rich", ContentType: "application/json", Closed: true, Tail: 9, TTL: 5, Logged: 6, ExpiresAt: 7, ExpiresText: "t",
		Source: 1, Base: 8, From: "/x", SubOffset: 2, InheritedExpiry: true, Producers: []Producer{{"p", 1, 2}}, Seq: "s", HasSeq: true,
	}
	plain := Row{Path: "/plain", ContentType: "text/plain", Tail: 3, TTL: NoTTL}
	for _, rows := range [][]Row{{rich, plain}, {plain, rich}, {rich, rich}} {
		table := NewTable(Limits{})
		source := Row{Path: "/x", Tail: 8, TTL: NoTTL}
		for _, row := range append([]Row{source}, rows...) {
			id := ID(2)
			if row.Path == "/x" {
				id = 1
			}
			if err := table.Restore(id, row.Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.Restored(2); err != nil {
			t.Fatal(err)
		}
		want := rows[1]
		if got := table.ByID(2).Row(); !reflect.DeepEqual(got, want) || table.Len() != 2 || table.Lookup(want.Path) == nil {
			t.Errorf("%s replaced by %s gives %+v", rows[0].Path, want.Path, got)
		}
		if err := checkTable(table); err != nil {
			t.Error(err)
		}
	}
}

// TestPathMovesWithinADelta deletes a stream and creates another at its path.
// The rows of that come in either order.
func TestPathMovesWithinADelta(t *testing.T) {
	row := (&Row{Path: "/a", Tail: 6, TTL: NoTTL}).Append(nil)
	for _, forgetFirst := range []bool{false, true} {
		table := NewTable(Limits{})
		if err := table.Restore(1, row); err != nil {
			t.Fatal(err)
		}
		if forgetFirst {
			table.Forget(1)
		}
		if err := table.Restore(2, row); err != nil {
			t.Fatal(err)
		}
		table.Forget(1)
		table.Forget(77) // never heard of
		if err := table.Restored(2); err != nil {
			t.Fatal(err)
		}
		if s := table.Lookup("/a"); s == nil || s.ID != 2 || table.Len() != 1 {
			t.Errorf("forget first %t: %v at the path, %d streams", forgetFirst, s, table.Len())
		}
	}
}

func TestRestoreIntoATableInUsePanics(t *testing.T) {
	for name, f := range map[string]func(*Table){
		"Restore":  func(t *Table) { _ = t.Restore(9, nil) },
		"Forget":   func(t *Table) { t.Forget(1) },
		"Restored": func(t *Table) { _ = t.Restored(9) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a table in use", name)
				}
			}()
			f(someStreams(t))
		}()
	}
}
