package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

func TestReadReturnsWhatWasWritten(t *testing.T) {
	seed := testSeed(t)
	blocks := uint64(0)
	for round := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed+round, 2))
		h := []Header{snapshotHeader, deltaHeader}[round%2]
		lines := randomLines(rng, h, rng.IntN(3000))
		got, back, totals, err := read(write(t, h, lines))
		if err != nil || got != h || !sameLines(back, lines) {
			t.Fatalf("-checkpoint.seed=%d: %d rows read back as %d, header %+v, %v", seed+round, len(lines), len(back), got, err)
		}
		blocks = max(blocks, totals.Blocks)
	}
	if blocks < 4 {
		t.Errorf("at most %d blocks", blocks)
	}
}

func TestRowsAtTheLimits(t *testing.T) {
	big := make([]byte, RowBytesMax)
	for name, lines := range map[string][]line{
		"none":                   nil,
		"empty row":              {{id: 1, row: []byte{}}},
		"largest id":             {{id: 5, row: []byte("a")}, {id: 1<<64 - 1, row: []byte("b")}},
		"first id is the last":   {{id: 1<<64 - 1, row: []byte("b")}},
		"a row of a whole block": {{id: 1, row: make([]byte, blockBytes)}, {id: 2, row: []byte("b")}},
		"the longest row":        {{id: 1, row: make([]byte, 100)}, {id: 2, row: big}, {id: 3, row: []byte("c")}},
	} {
		if _, back, _, err := read(write(t, snapshotHeader, lines)); err != nil || !sameLines(back, lines) {
			t.Errorf("%s: %d rows came back, %v", name, len(back), err)
		}
	}
}

func TestWriterRefusesWhatNoReaderTakes(t *testing.T) {
	for name, c := range map[string]struct {
		h    Header
		do   func(w *Writer) error
		want error
	}{
		"id zero":             {snapshotHeader, func(w *Writer) error { return w.Row(0, nil) }, ErrOrder},
		"id twice":            {deltaHeader, func(w *Writer) error { w.Row(4, nil); return w.Removed(4) }, ErrOrder},
		"id goes back":        {snapshotHeader, func(w *Writer) error { w.Row(4, nil); return w.Row(3, nil) }, ErrOrder},
		"row too large":       {snapshotHeader, func(w *Writer) error { return w.Row(1, make([]byte, RowBytesMax+1)) }, ErrRowTooLarge},
		"mark in a snapshot":  {snapshotHeader, func(w *Writer) error { return w.Removed(1) }, errMark},
		"row after the end":   {snapshotHeader, func(w *Writer) error { w.Finish(); return w.Row(1, nil) }, ErrFinished},
		"unknown kind":        {Header{Kind: 3, ID: 1}, func(w *Writer) error { return w.Row(1, nil) }, nil},
		"no id":               {Header{Kind: Snapshot}, func(w *Writer) error { return w.Row(1, nil) }, nil},
		"snapshot with base":  {Header{Kind: Snapshot, ID: 1, Base: 1, Batch: 2}, func(w *Writer) error { return w.Row(1, nil) }, nil},
		"delta from later on": {Header{Kind: Delta, ID: 1, Base: 3, Batch: 2}, func(w *Writer) error { return w.Row(1, nil) }, nil},
	} {
		var b bytes.Buffer
		w := NewWriter(&b, c.h)
		err := c.do(w)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error is %v, want %v", name, err, c.want)
		}
		if _, again := w.Finish(); again == nil {
			t.Errorf("%s: the file can be finished", name)
		}
	}
}

var errInjected = errors.New("injected")

// failing fails when n bytes are written.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errInjected
	}
	return len(p), nil
}

func TestFailedWriteIsFinal(t *testing.T) {
	lines := randomLines(rand.New(rand.NewPCG(1, 1)), snapshotHeader, 3000)
	size := len(write(t, snapshotHeader, lines))
	for n := 0; n < size; n += 20_000 {
		w := NewWriter(&failing{n}, snapshotHeader)
		var err error
		for _, l := range lines {
			if err = w.Row(l.id, l.row); err != nil {
				break
			}
		}
		_, ferr := w.Finish()
		if !errors.Is(ferr, errInjected) || err != nil && !errors.Is(err, errInjected) {
			t.Fatalf("after %d bytes: row says %v, finish says %v", n, err, ferr)
		}
	}
}

type readerAt struct {
	io.ReaderAt
	fail int64 // reads that reach this byte fail
}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.fail {
		return 0, errInjected
	}
	return r.ReaderAt.ReadAt(p, off)
}

func TestErrorsOfOthersComeThrough(t *testing.T) {
	b := write(t, snapshotHeader, randomLines(rand.New(rand.NewPCG(1, 1)), snapshotHeader, 5000))
	fine := func(uint64, bool, []byte) error { return nil }
	noHeader := func(Header) error { return nil }
	for _, at := range []int64{0, 300_000, int64(len(b)) - 1} {
		_, err := Read(readerAt{bytes.NewReader(b), at}, int64(len(b)), noHeader, fine)
		if !errors.Is(err, errInjected) {
			t.Errorf("a failed read at byte %d: %v", at, err)
		}
	}
	if _, err := Read(bytes.NewReader(b[:1000]), int64(len(b)), noHeader, fine); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is shorter than told: %v", err)
	}
	if _, err := Read(bytes.NewReader(b), int64(len(b)), func(Header) error { return errInjected }, fine); err != errInjected {
		t.Errorf("an error of the header: %v", err)
	}
	if _, err := Read(bytes.NewReader(b), int64(len(b)), noHeader, func(id uint64, _ bool, _ []byte) error {
		if id > 500 {
			return errInjected
		}
		return nil
	}); err != errInjected {
		t.Errorf("an error of a row: %v", err)
	}
	if err := Dump(failingWriter{}, bytes.NewReader(b), int64(len(b))); !errors.Is(err, errInjected) {
		t.Errorf("dump to a writer that fails: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errInjected }

// Reading a table takes memory for blocks, not for rows.
func TestRowsAreReadWithoutAllocation(t *testing.T) {
	var lines []line
	for i := range 20_000 {
		lines = append(lines, line{id: uint64(i + 1), row: fmt.Appendf(nil, "row %d of a hundred bytes %076d", i, i)})
	}
	b := write(t, snapshotHeader, lines)
	r, sum := bytes.NewReader(b), 0
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := Read(r, int64(len(b)), func(Header) error { return nil }, func(_ uint64, _ bool, row []byte) error {
			sum += len(row)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 20 {
		t.Errorf("%d rows take %.0f allocations", len(lines), allocs)
	}
	allocs = testing.AllocsPerRun(5, func() {
		w := NewWriter(io.Discard, snapshotHeader)
		for _, l := range lines {
			if err := w.Row(l.id, l.row); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 20 {
		t.Errorf("writing %d rows takes %.0f allocations", len(lines), allocs)
	}
}

// A million streams.
func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	w := NewWriter(&file, snapshotHeader)
	row := bytes.Repeat([]byte("r"), 100)
	for i := range uint64(1_000_000) {
		if err := w.Row(i+1, row); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	r := bytes.NewReader(file.Bytes())
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := Read(r, int64(file.Len()), func(Header) error { return nil }, func(_ uint64, _ bool, row []byte) error {
			n += len(row)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	row := bytes.Repeat([]byte("r"), 100)
	b.SetBytes(102 * 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		w := NewWriter(io.Discard, snapshotHeader)
		for i := range uint64(1_000_000) {
			if err := w.Row(i+1, row); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}
