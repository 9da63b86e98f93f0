package stream

import (
	"fmt"
	"testing"
)

// plainTable is a table of n streams that use nothing rare, and their paths.
func plainTable(tb testing.TB, n int) (*Table, []string) {
	tb.Helper()
	table := NewTable(Limits{Streams: n, ProducersPerStream: 10})
	paths := make([]string, n)
	for i := range n {
		r := Record{
			Kind: KindCreate, ID: ID(i + 1), At: 1, TTL: NoTTL, ContentType: "application/json",
			Path: fmt.Sprintf("/v1/stream/tenant/%012d", i), Body: []byte("1,"),
		}
		effect, err := table.Apply(&r)
		if err != nil {
			tb.Fatal(err)
		}
		paths[i] = effect.Stream.Path
	}
	return table, paths
}

// BenchmarkAppend decides and applies appends to the streams in no order.
func BenchmarkAppend(b *testing.B) {
	for _, streams := range []int{100, 200_000} {
		for _, producer := range []string{"", "producer"} {
			b.Run(fmt.Sprintf("streams=%d/producer=%t", streams, producer != ""), func(b *testing.B) {
				table, paths := plainTable(b, streams)
				r := Append{ContentType: "application/json", Body: []byte("1,")}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					r.Path = paths[i*7919%streams]
					r.Producer = Producer{ID: producer, Seq: int64(i / streams)}
					if producer == "" {
						r.Producer.Seq = 0
					}
					rec, out := table.DecideAppend(&r, 1)
					if out.Code != Appended {
						b.Fatal(out.Code)
					}
					if _, err := table.Apply(&rec); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRows encodes the rows of a table and restores a table from them.
func BenchmarkRows(b *testing.B) {
	const streams = 200_000
	table, _ := plainTable(b, streams)
	b.Run("append", func(b *testing.B) {
		var row []byte
		b.ReportAllocs()
		s := table.Next(0)
		for b.Loop() {
			row = s.AppendRow(row[:0])
			if s = table.Next(s.ID); s == nil {
				s = table.Next(0)
			}
		}
	})
	b.Run("restore", func(b *testing.B) {
		rows := rowsOf(table)
		b.ReportAllocs()
		for b.Loop() {
			again := NewTable(Limits{})
			for id := ID(1); id <= streams; id++ {
				if err := again.Restore(id, rows[id]); err != nil {
					b.Fatal(err)
				}
			}
			if err := again.Restored(streams); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/streams, "ns/stream")
	})
}
