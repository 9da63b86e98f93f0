package checkpoint

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"tailrace/internal/frame"
)

var (
	seedFlag   = flag.Uint64("checkpoint.seed", 0, "seed of the random tests; 0 picks one")
	updateFlag = flag.Bool("update", false, "write the golden files again")
)

// testSeed picks the seed of a random test and says which it was.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed: -checkpoint.seed=%d", seed)
	return seed
}

var (
	snapshotHeader = Header{Kind: Snapshot, Store: [16]byte{1, 2, 3, 15: 9}, ID: 7, Batch: 1000}
	deltaHeader    = Header{Kind: Delta, Store: [16]byte{1, 2, 3, 15: 9}, ID: 9, Batch: 1200, Base: 1000}
)

// line is a row or a mark.
type line struct {
	id      uint64
	removed bool
	row     []byte
}

func write(t testing.TB, h Header, lines []line) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, h)
	for _, l := range lines {
		var err error
		if l.removed {
			err = w.Removed(l.id)
		} else {
			err = w.Row(l.id, l.row)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	totals, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if w.Bytes() != int64(b.Len()) {
		t.Fatalf("the writer counts %d bytes of %d", w.Bytes(), b.Len())
	}
	want := Totals{Blocks: totals.Blocks}
	for _, l := range lines {
		if l.removed {
			want.Removed++
		} else {
			want.Rows++
			want.Bytes += uint64(len(l.row))
		}
	}
	if totals != want {
		t.Fatalf("totals are %+v, want %+v", totals, want)
	}
	return b.Bytes()
}

func read(b []byte) (h Header, lines []line, totals Totals, err error) {
	totals, err = Read(bytes.NewReader(b), int64(len(b)),
		func(got Header) error { h = got; return nil },
		func(id uint64, removed bool, row []byte) error {
			lines = append(lines, line{id, removed, bytes.Clone(row)})
			return nil
		})
	return h, lines, totals, err
}

func sameLines(a, b []line) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].id != b[i].id || a[i].removed != b[i].removed || !bytes.Equal(a[i].row, b[i].row) {
			return false
		}
	}
	return true
}

// randomLines are rows with ids near and far, of lengths from none to several
// blocks.
func randomLines(rng *rand.Rand, h Header, n int) []line {
	lines := make([]line, 0, n)
	id := uint64(0)
	for range n {
		step := 1 + rng.Uint64N(3)
		if rng.IntN(20) == 0 {
			step = 1 + rng.Uint64N(1<<rng.IntN(58))
		}
		id += step
		l := line{id: id, removed: h.Kind == Delta && rng.IntN(5) == 0}
		if !l.removed {
			size := rng.IntN(200)
			if rng.IntN(300) == 0 {
				size = rng.IntN(5 * blockBytes)
			}
			l.row = make([]byte, size)
			for i := range l.row {
				l.row[i] = byte(rng.Uint32())
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// wantCorrupt demands a corruption error at that byte. offset < 0 is any place.
func wantCorrupt(t testing.TB, err error, offset int64) {
	t.Helper()
	var ce *frame.CorruptError
	if !errors.As(err, &ce) || ce.Reason == "" || offset >= 0 && ce.Offset != offset {
		t.Fatalf("error is %v, want corruption at byte %d", err, offset)
	}
}
