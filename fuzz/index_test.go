package fuzz

import (
	"bytes"
	"runtime"
	"testing"

	"tailrace/index"
)

// someBefore is a block that others follow.
func someBefore(c *choices) index.Block {
	return index.Block{
		First: pick(c, []uint64{0, 1, 1 << 20, 1<<63 - 1, 1 << 63, 1<<64 - 1}) ^ uint64(c.below(256)),
		Pos:   pick(c, []uint64{0, 64, 1 << 40, 1<<63 - 1, 1<<63 - 1<<33, 1<<63 - 1<<33 - 1}) - uint64(c.below(64)),
		Len:   pick(c, []uint32{0, 1, 1 << 20, 1<<32 - 1}),
	}
}

// readSparse decodes arbitrary bytes. What is taken for an index must be one:
// in order, found in by every offset, and the one encoding of itself.
func readSparse(t testing.TB, data []byte) (decoded bool) {
	c := &choices{data}
	before := someBefore(c)
	var x index.Sparse
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	n, err := x.DecodeTail(c.b, before)
	runtime.ReadMemStats(&m1)
	if used := m1.TotalAlloc - m0.TotalAlloc; used > 64<<10+32*uint64(len(data)) {
		t.Fatalf("decoding %d bytes allocated %d", len(data), used)
	}
	if n < 0 || n > len(c.b) {
		t.Fatalf("read %d of %d bytes", n, len(c.b))
	}
	last := before
	for i := range x.Len() {
		b := x.At(i)
		if b.Len == 0 || b.Pos != last.End() || b.First < last.First || b.End() < b.Pos {
			t.Fatalf("block %+v after %+v", b, last)
		}
		last = b
	}
	if err != nil || x.Len() == 0 {
		return err == nil
	}
	if again := x.AppendTail(nil, 0, before); !bytes.Equal(again, c.b[:n]) {
		t.Fatalf("%x was read as %x", c.b[:n], again)
	}
	for i := range x.Len() {
		first := x.At(i).First
		for _, after := range []uint64{first - 1, first, first + 1, before.First, 0, 1<<64 - 1} {
			at := x.Find(after)
			if at > 0 && (x.At(at).First > after || x.At(at).First == x.At(at-1).First) {
				t.Fatalf("Find(%d) = %d: not the first block there: %+v", after, at, x.At(at))
			}
			if end := at + 1; end < x.Len() && x.At(end).First <= after && x.At(end).First != x.At(at).First {
				t.Fatalf("Find(%d) = %d, and block %d begins at %d", after, at, end, x.At(end).First)
			}
		}
	}
	return true
}

// TestIndexesOfArbitraryBytesAreRead keeps the fuzzer's way in open.
func TestIndexesOfArbitraryBytesAreRead(t *testing.T) {
	const runs = 2000
	r := newRand(newSeed(t))
	decoded := 0
	for range runs {
		data := randomBytes(r, 5+r.IntN(60))
		for i := 5; i < len(data); i++ {
			data[i] %= 0x90 // mostly numbers of one byte
		}
		if len(data) > 5 {
			data[5] %= 12
		}
		if readSparse(t, data) {
			decoded++
		}
	}
	t.Logf("%d of %d decoded", decoded, runs)
	if decoded < runs/10 {
		t.Error("hardly any bytes are an index")
	}
}

// FuzzIndex reads arbitrary sparse indexes.
func FuzzIndex(f *testing.F) {
	var x index.Sparse
	before := index.Block{First: 1, Pos: 64}
	last := before
	for i := range 5 {
		last = index.Block{First: last.First + uint64(i%2*300), Pos: last.End(), Len: uint32(1) << (i * 5)}
		x.Add(last)
	}
	f.Add(x.AppendTail([]byte{1, 0, 1, 0, 0}, 0, before))
	f.Add([]byte{0, 0, 0, 0, 1, 1, 0, 9})
	f.Add([]byte{3, 0, 3, 0, 3, 2, 0, 1, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F})
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0x80, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) { readSparse(t, data) })
}
