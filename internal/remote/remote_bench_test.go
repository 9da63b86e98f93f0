package remote

import (
	"math/rand/v2"
	"testing"

	"tailrace/internal/vfs"
)

// BenchmarkHit reads what is in cells, on the file system of the temporary
// directory, from the cache of the system.
func BenchmarkHit(b *testing.B) {
	for _, bench := range []struct {
		name string
		n    int64
		step func(i int64) int64
	}{
		{"size=64KiB/sequential", 64 * kib, func(i int64) int64 { return i }},
		{"size=256KiB/cells", 256 * kib, func(i int64) int64 { return i }},
		{"size=4KiB/random", 4 * kib, func(int64) int64 { return rand.Int64() }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const size = 32 * mib
			c := mustOpen(b, Options{FS: vfs.OS, Dir: b.TempDir(), Bytes: 2 * size, Source: &bucket{}})
			defer c.Close()
			f := c.File(1, size)
			read(b, f, Ask{}, 0, size)
			r := f.Reader(b.Context(), Ask{CachedOnly: true})
			p := make([]byte, bench.n)
			b.SetBytes(bench.n)
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				if _, err := r.ReadAt(p, bench.step(i)%(size/bench.n)*bench.n); err != nil && i < 0 {
					b.Fatal(err)
				}
			}
		})
	}
}
