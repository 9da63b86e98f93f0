package fuzz

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"tailrace/internal/stream"
)

// checkRow holds that bytes which are a row are the one encoding of what they
// say, and the row of the stream that they restore.
func checkRow(t testing.TB, b []byte) {
	row, err := stream.DecodeRow(b)
	table := stream.NewTable(stream.Limits{})
	restored := table.Restore(math.MaxUint64, b)
	if err != nil {
		if restored == nil {
			t.Fatalf("%x is no row (%v), but is restored", b, err)
		}
		return
	}
	if again := row.Append(nil); !bytes.Equal(again, b) {
		t.Fatalf("%x decodes to %+v, which encodes to %x", b, row, again)
	}
	if restored != nil {
		if row.Source != math.MaxUint64 { // itself
			t.Fatalf("%+v is not restored: %v", row, restored)
		}
		return
	}
	if again := table.ByID(math.MaxUint64).AppendRow(nil); !bytes.Equal(again, b) {
		t.Fatalf("%x is restored to %x", b, again)
	}
}

// chooseRow makes a row that has a chance to get along with others.
func chooseRow(c *choices, id stream.ID) stream.Row {
	row := stream.Row{
		Path: pick(c, []string{"/a", "/b", "/c", "/d", "/e", "/f"}), ContentType: "text/plain",
		Closed: c.chance(4), Gone: c.chance(6), Tail: stream.Offset(c.below(20)), TTL: stream.NoTTL,
	}
	if c.chance(4) {
		row.TTL, row.Logged = int64(c.byte()), int64(c.byte())
	}
	if c.chance(4) {
		row.ExpiresAt, row.ExpiresText = int64(c.byte())-500, "then"
	}
	if !c.chance(3) {
		row.Source = stream.ID(c.below(int(id) + 1))
	}
	if row.Source != 0 {
		row.Base, row.From, row.SubOffset, row.InheritedExpiry = stream.Offset(c.below(12)), "/a", uint64(c.byte()), c.chance(3)
		row.Tail += row.Base
	}
	for i := range c.below(3) {
		row.Producers = append(row.Producers, stream.Producer{ID: fmt.Sprint("p", i), Epoch: int64(c.byte()), Seq: int64(c.byte())})
	}
	if c.chance(4) {
		row.Seq, row.HasSeq = "s", true
	}
	return row
}

// checkRows restores a table from rows that c chooses. Either it is refused, or
// it is a table like any other: its rows give it back, and every stream of it
// can be deleted.
func checkRows(t testing.TB, c *choices) (accepted bool) {
	table := stream.NewTable(stream.Limits{})
	const idsMax = 8
	for c.left() {
		id := stream.ID(1 + c.below(idsMax))
		if c.chance(6) {
			table.Forget(id)
			continue
		}
		row := chooseRow(c, id)
		encoded := row.Append(nil)
		checkRow(t, encoded)
		if err := table.Restore(id, encoded); err != nil && row.Source < id && row.Base <= row.Tail {
			t.Fatalf("stream %d, %+v: %v", id, row, err)
		}
	}
	if err := table.Restored(idsMax); err != nil {
		return false
	}
	again := stream.NewTable(stream.Limits{})
	for s := range table.All {
		if err := again.Restore(s.ID, s.AppendRow(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.Restored(idsMax); err != nil {
		t.Fatal(err)
	}
	for s := range table.All {
		other := again.Lookup(s.Path)
		if other == nil || other.ID != s.ID || other.Forks() != s.Forks() || !bytes.Equal(other.AppendRow(nil), s.AppendRow(nil)) {
			t.Fatalf("stream %d of %+v came back as %+v", s.ID, s.Row(), other)
		}
		if source := s.Source(); source != nil && (source.Removed() || source.Forks() == 0 || table.ByID(source.ID) != source || s.Base() > source.Tail) {
			t.Fatalf("stream %d at %d has the source %+v", s.ID, s.Base(), source.Row())
		}
	}
	for s := range table.All {
		rec, out := table.DecideDelete(s.Path)
		if s.Gone != (out.Code == stream.Gone) {
			t.Fatalf("delete of stream %d, gone %t: %s", s.ID, s.Gone, out.Code)
		}
		if rec.Kind != 0 {
			if _, err := table.Apply(&rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	if table.Len() != 0 {
		t.Fatalf("%d streams are left when all were deleted", table.Len())
	}
	return true
}

// TestRows restores random tables, a share of which must be possible.
func TestRows(t *testing.T) {
	const runs = 20_000
	r := newRand(newSeed(t))
	accepted := 0
	for range runs {
		if checkRows(t, &choices{randomBytes(r, r.IntN(80))}) {
			accepted++
		}
	}
	t.Logf("%d of %d tables are possible", accepted, runs)
	if accepted < runs/20 || accepted > runs*19/20 {
		t.Errorf("%d of %d tables are possible: the driver tests one side only", accepted, runs)
	}
}

// FuzzRow takes the input as a row, and as the choices of a table of rows.
func FuzzRow(f *testing.F) {
	r := newRand(1)
	for range 16 {
		b := randomBytes(r, 60)
		f.Add(b)
		c := &choices{b}
		row := chooseRow(c, 3)
		f.Add(row.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkRow(t, b)
		if len(b) < 1000 {
			checkRows(t, &choices{b})
		}
	})
}
