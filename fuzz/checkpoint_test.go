package fuzz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"tailrace/internal/checkpoint"
	"tailrace/internal/frame"
)

// How arbitrary bytes become a checkpoint file.
const (
	checkpointRaw     = iota // as they are
	checkpointHeader         // after a header
	checkpointBlocks         // as rows of blocks whose checksums hold, with a footer
	checkpointRows           // as rows given to the writer
	checkpointDamaged        // as rows given to the writer, and one damage to the file
	checkpointShapes
)

// checkpointRow is a row or a mark.
type checkpointRow struct {
	id      uint64
	removed bool
	b       string
}

// checkpointFile makes a file out of data. whole tells that it has to be read,
// with those rows.
func checkpointFile(t testing.TB, c *choices) (b []byte, rows []checkpointRow, whole bool) {
	shape := c.below(checkpointShapes)
	h := checkpoint.Header{Kind: checkpoint.Kind(1 + c.below(2)), ID: 4, Batch: 300}
	var out bytes.Buffer
	w := checkpoint.NewWriter(&out, h)
	switch shape {
	case checkpointRaw:
		return c.b, nil, false
	case checkpointHeader, checkpointBlocks:
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		b = out.Bytes()[:64]
		if shape == checkpointHeader {
			return append(b, c.b...), nil, false
		}
		return checkpointForged(c, b), nil, false
	}
	for id := uint64(0); c.left() && len(rows) < 40; {
		id += 1 + uint64(c.below(1<<(1+c.below(16))))
		row := checkpointRow{id: id, removed: h.Kind == checkpoint.Delta && c.chance(4)}
		var err error
		if row.removed {
			err = w.Removed(id)
		} else {
			row.b = string(bytes.Repeat(c.take(c.below(60)), 1+c.below(200)))
			err = w.Row(id, []byte(row.b))
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	b = out.Bytes()
	if shape == checkpointRows {
		return b, rows, true
	}
	at := c.below(len(b))
	switch c.below(3) {
	case 0:
		b[at] ^= byte(1 + c.below(255))
	case 1:
		b = b[:at]
	case 2:
		b = append(b, byte(at))
	}
	return b, nil, false
}

// checkpointForged adds blocks and a footer with right checksums to a header.
func checkpointForged(c *choices, b []byte) []byte {
	le := binary.LittleEndian
	chain := le.Uint32(b[60:])
	blocks := 0
	for ; c.left() && blocks < 5; blocks++ {
		block := append([]byte("ROWS"), make([]byte, 16)...)
		claimed := c.below(5)
		block = append(block, c.take(1+c.below(100))...)
		le.PutUint32(block[4:], uint32(len(block)-20))
		le.PutUint32(block[8:], uint32(claimed))
		le.PutUint32(block[12:], chain)
		chain = frame.Update(frame.Checksum(block[:16]), block[20:])
		le.PutUint32(block[16:], chain)
		b = append(b, block...)
	}
	footer := append([]byte("ENDS"), make([]byte, 44)...)
	le.PutUint64(footer[8:], uint64(c.below(9)))
	le.PutUint64(footer[32:], uint64(blocks))
	le.PutUint32(footer[40:], chain)
	le.PutUint32(footer[44:], frame.Checksum(footer[:44]))
	return append(b, footer...)
}

// readCheckpoint reads a file. Whatever its bytes are, reading and dumping say
// the same, nothing panics, memory stays within bounds, and rows that were read
// are those that were written, or make a file that reads the same.
func readCheckpoint(t testing.TB, data []byte) (read bool) {
	b, want, whole := checkpointFile(t, &choices{data})
	var header checkpoint.Header
	var rows []checkpointRow
	take := func(id uint64, removed bool, row []byte) error {
		rows = append(rows, checkpointRow{id, removed, string(row)})
		return nil
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	totals, err := checkpoint.Read(bytes.NewReader(b), int64(len(b)), func(h checkpoint.Header) error { header = h; return nil }, take)
	if dumped := checkpoint.Dump(io.Discard, bytes.NewReader(b), int64(len(b))); (err == nil) != (dumped == nil) {
		t.Fatalf("read says %v, dump says %v", err, dumped)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > allocMax+256*uint64(len(b)) {
		t.Fatalf("reading %d bytes allocated %d", len(b), used)
	}
	if err != nil {
		var corrupt *frame.CorruptError
		var version *checkpoint.VersionError
		if whole || !(errors.As(err, &corrupt) && corrupt.Offset >= 0 && corrupt.Reason != "") && !errors.As(err, &version) {
			t.Fatal(err)
		}
		return false
	}
	if whole && fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Fatalf("read %v, want %v", rows, want)
	}
	if int(totals.Rows+totals.Removed) != len(rows) {
		t.Fatalf("%d rows and marks, totals are %+v", len(rows), totals)
	}
	rewriteCheckpoint(t, header, rows, totals)
	return true
}

// rewriteCheckpoint writes what was read and reads it again.
func rewriteCheckpoint(t testing.TB, h checkpoint.Header, rows []checkpointRow, totals checkpoint.Totals) {
	var out bytes.Buffer
	w := checkpoint.NewWriter(&out, h)
	for _, r := range rows {
		var err error
		if r.removed {
			err = w.Removed(r.id)
		} else {
			err = w.Row(r.id, []byte(r.b))
		}
		if err != nil {
			t.Fatalf("the writer refuses what was read: %v", err)
		}
	}
	again, err := w.Finish()
	if again.Blocks = totals.Blocks; err != nil || again != totals {
		t.Fatalf("written again: %+v instead of %+v, %v", again, totals, err)
	}
	var back []checkpointRow
	if _, err := checkpoint.Read(bytes.NewReader(out.Bytes()), int64(out.Len()), func(got checkpoint.Header) error {
		if got != h {
			return fmt.Errorf("header %+v instead of %+v", got, h)
		}
		return nil
	}, func(id uint64, removed bool, row []byte) error {
		back = append(back, checkpointRow{id, removed, string(row)})
		return nil
	}); err != nil || fmt.Sprint(back) != fmt.Sprint(rows) {
		t.Fatalf("written again and read: %v instead of %v, %v", back, rows, err)
	}
}

// TestCheckpointsOfEveryShapeAreRead keeps the fuzzer's way in open.
func TestCheckpointsOfEveryShapeAreRead(t *testing.T) {
	const runs = 150
	r := newRand(newSeed(t))
	for shape := range checkpointShapes {
		read := 0
		for range runs {
			if readCheckpoint(t, append([]byte{byte(shape)}, randomBytes(r, r.IntN(600))...)) {
				read++
			}
		}
		t.Logf("shape %d: %d of %d files read", shape, read, runs)
		if shape == checkpointDamaged && read != 0 {
			t.Error("a damaged file was read")
		}
	}
}

// FuzzCheckpoint reads arbitrary checkpoint files.
func FuzzCheckpoint(f *testing.F) {
	// One whole file, a block with two rows and a mark, and something of each shape.
	var out bytes.Buffer
	w := checkpoint.NewWriter(&out, checkpoint.Header{Kind: checkpoint.Delta, ID: 1})
	if err := errors.Join(w.Row(1, []byte("a")), w.Removed(2)); err != nil {
		f.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{checkpointRaw, 0}, out.Bytes()...))
	f.Add([]byte{checkpointBlocks, 1, 3, 7, 1, 2, 'a', 2, 1, 1, 0})
	r := newRand(1)
	for shape := range checkpointShapes {
		f.Add(append([]byte{byte(shape)}, randomBytes(r, 100)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		readCheckpoint(t, data)
	})
}
