package engine

import (
	"fmt"
	"sort"

	"tailrace/internal/stream"
)

func sortedStreams(table *stream.Table) []*stream.Stream {
	var list []*stream.Stream
	for s := range table.All {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// describe writes down what the records say about a stream. The last use is
// left out: it is known exactly only in life.
func describe(s *stream.Stream) string {
	source := stream.ID(0)
	if from := s.Source(); from != nil {
		source = from.ID
	}
	at, text := s.ExpiresAt()
	row := s.Row()
	return fmt.Sprintf("%d %q type=%q json=%t closed=%t gone=%t public=%t base=%d start=%d tail=%d ttl=%d expires=%d %q source=%d forks=%d producers=%d logged=%d keep=%d %d since %d to %d marks=%v\n",
		s.ID, s.Path, s.ContentType, s.JSON, s.Closed, s.Gone, s.Public(), s.Base(), s.Start(), s.Tail, s.TTL(), at, text, source, s.Forks(), s.Producers(), s.Logged(),
		row.KeepAge, row.KeepBytes, row.AgeBegin, row.AgeLast, row.Marks)
}
