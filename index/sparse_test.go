package index

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// someSparse is a run's blocks behind a block, with pieces of long appends
// among them. ends are the ends of appends, and block[i] is where append i
// begins.
func someSparse(rng *rand.Rand) (x Sparse, before Block, ends []uint64, block []int) {
	before = Block{First: rng.Uint64N(1 << 40), Pos: rng.Uint64N(1 << 40), Len: rng.Uint32N(1 << 20)}
	next, pos := before.First+rng.Uint64N(300), before.End()
	add := func() {
		b := Block{First: next, Pos: pos, Len: 1 + rng.Uint32N(1<<(1+rng.IntN(21)))}
		pos = b.End()
		x.Add(b)
	}
	for range 1 + rng.IntN(12) {
		if rng.IntN(4) == 0 { // an append that spans blocks
			at := x.Len()
			for range 2 + rng.IntN(3) {
				add()
			}
			next += 1 + rng.Uint64N(1000)
			ends, block = append(ends, next), append(block, at)
			continue
		}
		add()
		for range 1 + rng.IntN(5) {
			next += 1 + rng.Uint64N(1000)
			ends, block = append(ends, next), append(block, x.Len()-1)
		}
	}
	return x, before, ends, block
}

func TestFindIsTheBlockWhereTheAppendBegins(t *testing.T) {
	t.Logf("-index.seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 2))
	for range 300 {
		x, before, ends, block := someSparse(rng)
		last := ends[len(ends)-1]
		for range 60 {
			after := before.First + rng.Uint64N(last-before.First)
			if rng.IntN(3) == 0 {
				after = ends[rng.IntN(len(ends))] // a boundary is where mistakes are
			}
			i := slices.IndexFunc(ends, func(end uint64) bool { return end > after })
			if i < 0 {
				if got := x.Find(after); x.At(got).First > after {
					t.Fatalf("Find(%d) at the end is block %d", after, got)
				}
				continue
			}
			if got := x.Find(after); got != block[i] {
				t.Fatalf("Find(%d) = %d, the append that ends at %d begins in block %d of %v", after, got, ends[i], block[i], x.blocks)
			}
		}
	}
}

func TestSparseSurvivesItsEncodedForm(t *testing.T) {
	t.Logf("-index.seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 3))
	for range 300 {
		x, before, _, _ := someSparse(rng)
		skip := rng.IntN(x.Len() + 1)
		if skip > 0 {
			before = x.At(skip - 1)
		}
		b := x.AppendTail([]byte("head"), skip, before)
		var back Sparse
		for i := range skip {
			back.Add(x.At(i))
		}
		n, err := back.DecodeTail(append(slices.Clone(b[4:]), "rest"...), before)
		if err != nil || n != len(b)-4 || !slices.Equal(back.blocks, x.blocks) {
			t.Fatalf("%v came back as %v, %d of %d bytes, %v", x.blocks, back.blocks, n, len(b)-4, err)
		}
		if again := back.AppendTail(nil, skip, before); !bytes.Equal(again, b[4:]) {
			t.Fatalf("encoded twice: %x and %x", b[4:], again)
		}
		for cut := range len(b) - 4 {
			var part Sparse
			if _, err := part.DecodeTail(b[4:4+cut], before); err == nil {
				t.Fatalf("%d of %d bytes were read as whole", cut, len(b)-4)
			}
		}
	}
}

func TestSparseIsRefused(t *testing.T) {
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	for name, c := range map[string]struct {
		b      []byte
		before Block
	}{
		"nothing":            {nil, Block{}},
		"block of no bytes":  {[]byte{1, 0, 0}, Block{}},
		"block too long":     {append([]byte{1, 0}, binary.AppendUvarint(nil, 1<<32)...), Block{}},
		"long zero":          {[]byte{0x80, 0}, Block{}},
		"long length":        {[]byte{1, 0, 0x81, 0}, Block{}},
		"offset wraps":       {append(append([]byte{1}, huge...), 1), Block{}},
		"offset beyond":      {[]byte{1, 1, 1}, Block{First: math.MaxInt64}},
		"position beyond":    {[]byte{1, 0, 1}, Block{Pos: math.MaxInt64}},
		"more than there is": {[]byte{3, 0, 1, 0, 1}, Block{}},
		"endless count":      {append(huge, 0, 1), Block{}},
	} {
		var x Sparse
		if n, err := x.DecodeTail(c.b, c.before); err == nil {
			t.Errorf("%s: read %d bytes as %v", name, n, x.blocks)
		}
	}
}

func TestSparseDecodingAllocatesByWhatIsThere(t *testing.T) {
	b := append(binary.AppendUvarint(nil, 1<<40), make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var x Sparse
	if _, err := x.DecodeTail(b, Block{}); err == nil {
		t.Fatal("read 2^40 blocks from 100 bytes")
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
		t.Fatalf("%d bytes allocated", used)
	}
}

func TestAddRefusesABlockOutOfPlace(t *testing.T) {
	for name, b := range map[string]Block{
		"gap":          {First: 9, Pos: 21, Len: 1},
		"overlap":      {First: 9, Pos: 19, Len: 1},
		"falling":      {First: 6, Pos: 20, Len: 1},
		"of no length": {First: 9, Pos: 20},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			var x Sparse
			x.Add(Block{First: 7, Pos: 10, Len: 10})
			x.Add(b)
		})
	}
}
