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
	if s.Source != nil {
		source = s.Source.ID
	}
	at, text := s.ExpiresAt()
	return fmt.Sprintf("%d %q type=%q json=%t closed=%t gone=%t base=%d tail=%d ttl=%d expires=%d %q source=%d forks=%d producers=%d logged=%d\n",
		s.ID, s.Path, s.ContentType, s.JSON, s.Closed, s.Gone, s.Base, s.Tail, s.TTL, at, text, source, s.Forks(), s.Producers(), s.Logged)
}

// oracle rebuilds, from the records as they were staged, what a store has to
// hold after any number of batches.
type oracle struct {
	batches [][]staged // by batch number, 0 unused
}

type staged struct{ head, body []byte }

func newOracle() *oracle { return &oracle{batches: make([][]staged, 1)} }

func (o *oracle) tap(batch uint64, head, body []byte) {
	for uint64(len(o.batches)) <= batch {
		o.batches = append(o.batches, nil)
	}
	o.batches[batch] = append(o.batches[batch], staged{append([]byte(nil), head...), append([]byte(nil), body...)})
}

// cut forgets what a crash lost.
func (o *oracle) cut(batches uint64) { o.batches = o.batches[:batches+1] }

// state is the description of the store after that many batches, in the form
// of dump.
func (o *oracle) state(batches uint64) (string, error) {
	table := stream.NewTable(stream.Limits{Streams: 1 << 30, ProducersPerStream: 1 << 30})
	type kept struct {
		end  stream.Offset
		body []byte
	}
	content := map[stream.ID][]kept{}
	for _, batch := range o.batches[:batches+1] {
		for _, s := range batch {
			rec, err := stream.DecodeRecord(append(append([]byte(nil), s.head...), s.body...))
			if err != nil {
				return "", err
			}
			effect, err := table.Apply(&rec)
			if err != nil {
				return "", err
			}
			rec.Appends(func(from, to int, end stream.Offset) {
				content[effect.Stream.ID] = append(content[effect.Stream.ID], kept{end, rec.Body[from:to]})
			})
		}
	}
	out := ""
	for _, s := range sortedStreams(table) {
		out += describe(s)
		for _, k := range content[s.ID] {
			out += fmt.Sprintf("  %d %q\n", k.end, k.body)
		}
	}
	return out, nil
}
