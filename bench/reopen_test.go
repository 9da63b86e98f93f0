package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tailrace/engine"
)

const reopenStreams = 100_000

// BenchmarkReopen opens a store of 100,000 streams with an append each. The
// floor is reading its files from front to back.
func BenchmarkReopen(b *testing.B) {
	b.Run("streams=100000/after=close", func(b *testing.B) { benchReopen(b, func(*testing.B, string) {}) })
	b.Run("streams=100000/after=kill", func(b *testing.B) {
		one := createAfter(reopenStreams) // another one in each round
		benchReopen(b, func(b *testing.B, dir string) {
			c := startChild(b, role{Dir: dir})
			one.ask(b, c.addr)
			c.kill(b)
		})
	})
}

// benchReopen opens the store again and again. ready brings it into the state
// that it is to be opened in, from closed.
func benchReopen(b *testing.B, ready func(b *testing.B, dir string)) {
	dir := b.TempDir()
	open := func() *engine.Engine {
		e, err := engine.Open(engine.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return e
	}
	e := open()
	if err := populate(e, reopenStreams, appendBytes); err != nil {
		b.Fatal(err)
	}
	shut(b, e)
	var read []time.Duration
	var size int64
	for b.Loop() {
		b.StopTimer()
		ready(b, dir)
		var took time.Duration
		size, took = readAll(b, dir)
		read = append(read, took)
		b.StartTimer()
		e := open()
		b.StopTimer()
		shut(b, e)
		b.StartTimer()
	}
	b.ReportMetric(float64(size)/reopenStreams, "disk-B/stream")
	b.ReportMetric(float64(median(read)), "floor-read-ns/op")
}

func shut(b *testing.B, e *engine.Engine) {
	b.Helper()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// readAll reads the files of a store.
func readAll(tb testing.TB, dir string) (size int64, took time.Duration) {
	tb.Helper()
	begin := time.Now()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		size += int64(len(data))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return size, time.Since(begin)
}
