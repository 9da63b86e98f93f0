package bench

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"

	"tailrace/engine"
	"tailrace/internal/stream"
)

var (
	storedBytes   = flag.Int64("bench.stored-bytes", 64<<20, "raw bytes of BenchmarkStoredBytes")
	storedStreams = flag.Int("bench.stored-streams", 20_000, "streams that share them")
)

// storedBound is what a raw byte of small JSON may take on the disk.
const storedBound = 0.25

// BenchmarkStoredBytes appends small JSON messages one by one to many streams,
// flushes and merges all of it, and looks at the files. The log is not counted:
// its files are recycled, and as long as they are whatever is in them.
func BenchmarkStoredBytes(b *testing.B) {
	b.Run(fmt.Sprintf("MiB=%d/streams=%d", *storedBytes>>20, *storedStreams), func(b *testing.B) {
		var size storeSize
		var stats engine.Stats
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "store")
			// As many flushes for few bytes as there are for a GiB, so that merges
			// have something to do.
			o := storeOptions{FlushBytes: min(64<<20, *storedBytes/16)}
			raw := appendSmall(b, dir, o, *storedStreams, *storedBytes)
			stats = compact(b, dir, o)
			if size = sizeOf(b, dir); size.raw != raw {
				b.Fatalf("%d bytes were appended, the segments hold %d", raw, size.raw)
			}
		}
		b.ReportMetric(0, "ns/op")
		size.report(b)
		b.ReportMetric(float64(stats.Layers), "layers")
		checkBound(b, "stored bytes per raw byte", size.ratio(), storedBound)
	})
}

// appendSmall fills a store with messages of mixed kinds until it was given so
// many bytes, and returns how many.
func appendSmall(tb testing.TB, dir string, o storeOptions, streams int, bytes int64) (raw int64) {
	tb.Helper()
	e, err := engine.Open(o.engine(dir))
	if err != nil {
		tb.Fatal(err)
	}
	if err := createJSON(e, streams); err != nil {
		tb.Fatal(err)
	}
	scripts := make([]*script, streams)
	for i := range scripts {
		scripts[i] = newScript(firstSeed(), uint64(i))
	}
	for next := 0; raw < bytes; {
		bodies := make([][]byte, min(streams, 4096))
		for i := range bodies {
			bodies[i] = append(scripts[(next+i)%streams].message(nil), ',')
			raw += int64(len(bodies[i]))
		}
		err := together(len(bodies), populateTogether, func(i int) error {
			a := stream.Append{Path: streamName((next + i) % streams), ContentType: jsonType, Body: bodies[i]}
			return settle(func() engine.Ticket { return e.Append(&a) }, stream.Appended)
		})
		if err != nil {
			tb.Fatal(err)
		}
		next = (next + len(bodies)) % streams
	}
	if err := e.Close(); err != nil {
		tb.Fatal(err)
	}
	return raw
}
