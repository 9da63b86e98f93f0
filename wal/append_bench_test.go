package wal

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailrace/internal/vfs"
	"tailrace/internal/vfs/memfs"
)

// floor measures the machine under the log: one write of 4 KiB and its sync, in
// a file that was written before, in the same directory. It returns the mean.
func floor(b *testing.B, dir string) time.Duration {
	b.Helper()
	const pages, rounds = 256, 300
	file, err := vfs.OS.Create(filepath.Join(dir, "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(make([]byte, pages*pageBytes), 0); err != nil {
		b.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		b.Fatal(err)
	}
	page := make([]byte, pageBytes)
	begin := time.Now()
	for i := range rounds {
		page[0] = byte(i)
		if _, err := file.WriteAt(page, int64(i%pages)*pageBytes); err != nil {
			b.Fatal(err)
		}
		if err := file.SyncData(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begin) / rounds
}

// BenchmarkAppend is durable appends of 256 bytes by group commit. Beside them
// stands the floor of the machine, measured before and after: floor-us/sync is
// one write and sync without a log, x-floor what one commit takes in units of
// it.
func BenchmarkAppend(b *testing.B) {
	for _, stagers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("size=256B/stagers=%d", stagers), func(b *testing.B) {
			dir := b.TempDir()
			l, _, err := Open(Options{FS: vfs.OS, Dir: filepath.Join(dir, "data")}, nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Allocate(); err != nil {
				b.Fatal(err)
			}
			g := NewGroup(l, GroupOptions{WitnessIdle: -1})
			head, body := make([]byte, 24), make([]byte, 256)
			before := floor(b, b.TempDir())
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for range stagers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						batch, _, err := g.Stage(Growth, head, body)
						for err == ErrBusy {
							batch, _, err = g.Stage(Growth, head, body)
						}
						if err != nil {
							b.Error(err)
							return
						}
						<-batch.Done()
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			took := b.Elapsed()
			syncs := float64(g.Durable())
			bottom := (before + floor(b, b.TempDir())) / 2
			b.ReportMetric(syncs/float64(b.N), "fsyncs/op")
			b.ReportMetric(float64(bottom.Microseconds()), "floor-us/sync")
			b.ReportMetric(took.Seconds()/syncs/bottom.Seconds(), "x-floor")
			b.ReportMetric(float64(b.N)/took.Seconds(), "appends/s")
			if err := g.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkStage is the part of an append that runs in the caller.
func BenchmarkStage(b *testing.B) {
	l, _, err := Open(Options{FS: memfs.New(), Dir: "data"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	g := NewGroup(l, GroupOptions{Manual: true})
	head, body := make([]byte, 24), make([]byte, 256)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	staged := 0
	for b.Loop() {
		if _, _, err := g.Stage(Growth, head, body); err != nil {
			b.Fatal(err)
		}
		if staged++; staged%2000 == 0 {
			b.StopTimer()
			if err := g.Allocate(); err != nil {
				b.Fatal(err)
			}
			if _, err := g.Commit(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	if err := g.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit is one commit of one record by its caller, on a medium that takes
// no time: what log and group add to the medium.
func BenchmarkCommit(b *testing.B) {
	l, _, err := Open(Options{FS: memfs.New(), Dir: "data"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	g := NewGroup(l, GroupOptions{WitnessIdle: -1})
	head, body := make([]byte, 24), make([]byte, 256)
	b.ReportAllocs()
	for b.Loop() {
		g.Cork()
		batch, _, err := g.Stage(Growth, head, body)
		if err != nil && err != ErrBusy {
			b.Fatal(err)
		}
		for batch != nil && g.Durable() < batch.N {
			if !g.Lead() {
				runtime.Gosched() // the committer has it, or waits for a file
			}
		}
		g.Uncork()
	}
	if err := g.Close(); err != nil {
		b.Fatal(err)
	}
}
