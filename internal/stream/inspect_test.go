package stream

import (
	"fmt"
	"slices"
	"testing"
)

func TestFirstProducersAreTheFirst(t *testing.T) {
	table := NewTable(Limits{})
	mustApply(t, table, Record{Kind: KindCreate, ID: 1, Path: "/a", TTL: NoTTL})
	s := table.ByID(1)
	if got := s.FirstProducers(3); got != nil {
		t.Errorf("%v of a stream without any", got)
	}
	r := newRand(newSeed(t))
	for i := range 200 {
		mustApply(t, table, Record{Kind: KindAppend, ID: 1, Start: s.Tail, Body: []byte("x"), Producer: Producer{fmt.Sprint(r.IntN(1000)), int64(i), int64(i)}})
	}
	all := s.Row().Producers
	for _, n := range []int{0, 1, 7, len(all) - 1, len(all), 1000} {
		if got := s.FirstProducers(n); !slices.Equal(got, all[:min(n, len(all))]) {
			t.Errorf("the first %d are %v", n, got)
		}
	}
}
