package bench

import (
	"path/filepath"
	"testing"
	"time"

	"tailrace/internal/vfs"
)

// The floor of durable writes: one page, overwritten and synced, in a file of
// syncFileBytes that was written before, as a log file is.
const (
	syncPageBytes = 4096
	syncFileBytes = 16 << 20
)

// syncFloor measures what the medium takes for the smallest durable write.
type syncFloor struct {
	file vfs.File
	page []byte
	pos  int64
	took []time.Duration
}

// newSyncFloor makes the file in dir, which has to be on the medium that the
// measured program uses.
func newSyncFloor(b *testing.B, dir string) *syncFloor {
	b.Helper()
	file, err := vfs.OS.Create(filepath.Join(dir, "floor"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	if err := file.Allocate(syncFileBytes); err != nil {
		b.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for pos := int64(0); pos < syncFileBytes; pos += int64(len(chunk)) {
		if _, err := file.WriteAt(chunk, pos); err != nil {
			b.Fatal(err)
		}
	}
	if err := file.Sync(); err != nil {
		b.Fatal(err)
	}
	page := make([]byte, syncPageBytes)
	for i := range page {
		page[i] = byte(i)
	}
	return &syncFloor{file: file, page: page}
}

// run writes and syncs for a while, at least once.
func (f *syncFloor) run(b *testing.B, d time.Duration) {
	b.Helper()
	for begin := time.Now(); ; {
		at := time.Now()
		if _, err := f.file.WriteAt(f.page, f.pos); err != nil {
			b.Fatal(err)
		}
		if err := f.file.SyncData(); err != nil {
			b.Fatal(err)
		}
		f.took = append(f.took, time.Since(at))
		f.pos = (f.pos + syncPageBytes) % syncFileBytes
		if time.Since(begin) >= d {
			return
		}
	}
}

// report prints the median as sync-us and returns it.
func (f *syncFloor) report(b *testing.B) time.Duration {
	m := median(f.took)
	b.ReportMetric(micros(m), "sync-us")
	return m
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
