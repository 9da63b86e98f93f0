package stream

import (
	"cmp"
	"slices"
)

// FirstProducers returns up to n of the producers that the stream remembers, the
// first ones by id. It takes no more room than that, however many there are.
func (s *Stream) FirstProducers(n int) []Producer {
	if s.rare == nil || len(s.rare.producers) == 0 {
		return nil
	}
	first := make([]Producer, 0, min(n, len(s.rare.producers)))
	for id, p := range s.rare.producers {
		at, _ := slices.BinarySearchFunc(first, id, func(p Producer, id string) int { return cmp.Compare(p.ID, id) })
		if at == n {
			continue
		}
		if len(first) == n {
			first = first[:n-1]
		}
		first = slices.Insert(first, at, Producer{ID: id, Epoch: p.epoch, Seq: p.seq})
	}
	return first
}
