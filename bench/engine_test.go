package bench

import (
	"fmt"
	"testing"
	"time"

	"tailrace/engine"
	"tailrace/internal/stream"
)

// BenchmarkEngineAppend appends in process. The floor of the figure is sync-us:
// a lone producer cannot be faster than one sync for each append; of many,
// each sync serves all that wait.
func BenchmarkEngineAppend(b *testing.B) {
	for _, streams := range []int{100, 100_000} {
		for _, producers := range []int{1, 64} {
			b.Run(fmt.Sprintf("streams=%d/producers=%d", streams, producers), func(b *testing.B) {
				names := make([]string, streams)
				for i := range names {
					names[i] = streamName(i)
				}
				body := make([]byte, appendBytes)
				b.SetBytes(appendBytes)
				benchEngine(b, producers, streams, func(e *engine.Engine, i int) error {
					// A large odd step visits the streams in no order.
					a := stream.Append{Path: names[i*7919%streams], ContentType: binary, Body: body}
					return settle(func() engine.Ticket { return e.Append(&a) }, stream.Appended)
				})
			})
		}
	}
}

// slicesOfRun is in how many parts a benchmark is cut to measure the floor
// between them, and sliceFloor how long that takes each time.
const (
	slicesOfRun = 8
	sliceFloor  = 20 * time.Millisecond
)

// benchEngine runs b.N operations on an engine with real files, so many at a
// time.
func benchEngine(b *testing.B, width, streams int, op func(e *engine.Engine, i int) error) {
	b.Helper()
	dir := b.TempDir()
	fs := newCountFS()
	e, err := engine.Open(engine.Options{FS: fs, Dir: dir + "/store", MemoryBytes: memoryBytes})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := populate(e, streams, 0); err != nil {
		b.Fatal(err)
	}
	floor := newSyncFloor(b, dir)
	b.ReportAllocs()
	before := fs.counts.syncs.Load()
	b.ResetTimer()
	for s := range slicesOfRun {
		b.StopTimer()
		floor.run(b, sliceFloor)
		b.StartTimer()
		from, to := b.N*s/slicesOfRun, b.N*(s+1)/slicesOfRun
		if err := together(to-from, width, func(i int) error { return op(e, from+i) }); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	syncs := fs.counts.syncs.Load() - before
	b.ReportMetric(float64(syncs)/float64(b.N), "fsyncs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	sync := floor.report(b)
	// What part of the time the medium needed for the syncs alone.
	b.ReportMetric(float64(syncs)*float64(sync)/float64(b.Elapsed()), "sync-share")
}
