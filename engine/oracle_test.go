package engine

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"tailrace/internal/stream"
)

// oracle knows, from the records as they were staged, what a store has to hold
// after any number of batches. It applies each record once: asking about an
// earlier batch than before starts it anew.
type oracle struct {
	batches [][]staged // by batch number, 0 unused

	at      uint64 // the batch that table and content are as of
	table   *stream.Table
	content map[stream.ID][]kept
}

type staged struct{ head, body []byte }

// kept is an append and where it ends.
type kept struct {
	end  stream.Offset
	body []byte
}

func newOracle() *oracle { return &oracle{batches: make([][]staged, 1)} }

func (o *oracle) tap(batch uint64, head, body []byte) {
	for uint64(len(o.batches)) <= batch {
		o.batches = append(o.batches, nil)
	}
	o.batches[batch] = append(o.batches[batch], staged{append([]byte(nil), head...), append([]byte(nil), body...)})
}

// cut forgets what a crash lost.
func (o *oracle) cut(batches uint64) { o.batches = o.batches[:batches+1] }

// clone is an oracle that another history goes on from.
func (o *oracle) clone() *oracle {
	return &oracle{batches: append([][]staged(nil), o.batches...)}
}

// advance makes table and content those after that many batches.
func (o *oracle) advance(batches uint64) error {
	if o.table == nil || batches < o.at {
		o.at, o.content = 0, map[stream.ID][]kept{}
		o.table = stream.NewTable(stream.Limits{Streams: 1 << 30, ProducersPerStream: 1 << 30})
	}
	for ; o.at < batches; o.at++ {
		for _, s := range o.batches[o.at+1] {
			rec, err := stream.DecodeRecord(append(append([]byte(nil), s.head...), s.body...))
			if err != nil {
				return err
			}
			effect, err := o.table.Apply(&rec)
			if err != nil {
				return err
			}
			id := effect.Stream.ID
			rec.Appends(func(from, to int, end stream.Offset) {
				o.content[id] = append(o.content[id], kept{end, rec.Body[from:to]})
			})
			for _, removed := range effect.Removed {
				delete(o.content, removed.ID)
			}
		}
	}
	return nil
}

// state is the description of the store after that many batches, in the form
// of dump.
func (o *oracle) state(batches uint64) (string, error) {
	if err := o.advance(batches); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, s := range sortedStreams(o.table) {
		out.WriteString(describe(s))
		floor := o.table.Floor(s)
		for _, k := range o.content[s.ID] {
			if k.end <= floor {
				continue // nobody is shown it, and it may be dropped
			}
			if s.Gone && k.end > o.table.ForkedTo(s) {
				break // nobody is shown it, and it may be dropped
			}
			describeAppend(&out, k)
		}
	}
	return out.String(), nil
}

// shown is what a reader of the stream can ask for: what it has from its start on.
func (o *oracle) shown(s *stream.Stream) []kept {
	all := o.view(s)
	for len(all) > 0 && all[0].end <= s.Start() {
		all = all[1:]
	}
	return all
}

// view is every append that a reader of the stream is shown: those of its
// source that end at its base or before, and its own.
func (o *oracle) view(s *stream.Stream) []kept {
	var all []kept
	if source := s.Source(); source != nil {
		for _, k := range o.view(source) {
			if k.end <= s.Base() {
				all = append(all, k)
			}
		}
	}
	return append(all, o.content[s.ID]...)
}

// describeAppend writes down an append, by its digest: histories are compared
// often.
func describeAppend(w io.Writer, k kept) {
	fmt.Fprintf(w, "  %d %d %x\n", k.end, len(k.body), sha256.Sum224(k.body))
}
