package stream

import "testing"

// TestForkedToIsTheFarthestLiveFork: what lies beyond it nobody is shown.
func TestForkedToIsTheFarthestLiveFork(t *testing.T) {
	table := NewTable(Limits{Streams: 10, ProducersPerStream: 1})
	apply := func(r Record) {
		t.Helper()
		if _, err := table.Apply(&r); err != nil {
			t.Fatal(err)
		}
	}
	apply(Record{Kind: KindCreate, ID: 1, Path: "p", TTL: NoTTL, Body: []byte("0123456789")})
	for i, base := range []Offset{5, 15, 0} {
		apply(Record{Kind: KindCreate, ID: ID(i + 2), Path: string(rune('a' + i)), TTL: NoTTL, Source: 1, Base: base, From: "p"})
	}
	s := table.ByID(1)
	if got := table.ForkedTo(s); got != 15 {
		t.Errorf("ForkedTo = %d, want 15", got)
	}
	apply(Record{Kind: KindDelete, ID: 3})
	if got := table.ForkedTo(s); got != 5 {
		t.Errorf("after the farthest fork was deleted, ForkedTo = %d, want 5", got)
	}
	if s.Ends() {
		t.Error("a stream without a deadline ends")
	}
	apply(Record{Kind: KindCreate, ID: 5, Path: "ttl", TTL: 1})
	if !table.ByID(5).Ends() {
		t.Error("a stream with a TTL does not end")
	}
}
